"""Which parts of a document a reader wants. What no shape names is passed over, so that memory stays flat."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Scalar:
    """A text, a number, a truth value or null, kept as it is."""


@dataclass(frozen=True, slots=True, eq=False)
class Fields:
    """An object. ``wanted`` may name the shape itself again; ``others`` is the shape of all keys not named there."""

    wanted: Mapping[str, "Shape"] = field(default_factory=dict)
    others: "Shape | None" = None


@dataclass(frozen=True, slots=True, eq=False)
class Items:
    """A list that is kept in its parent. ``tag``: the name of its elements in XML."""

    of: "Scalar | Fields"
    tag: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Stream:
    """A list of objects that are handed out one by one under ``label`` and not kept; its parent sees an empty list.

    ``count_max``: elements with this label in the whole document; ``too_many``: the way out for a document with more.
    """

    label: str
    of: Fields
    count_max: int
    too_many: str
    tag: str = ""


Shape = Scalar | Fields | Items | Stream

TEXT = Scalar()


def texts(*names: str) -> dict[str, Shape]:
    """A scalar for each name."""
    return dict.fromkeys(names, TEXT)
