"""Stored names and versions: how an old event becomes today's, and what is refused."""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import pytest

from eucora.application.ports import Context
from eucora.codec.envelope import ENTRY_MAX, EntryTooLarge, event_of, seal
from eucora.codec.registry import JsonObject, Registry, UnknownEvent
from eucora.domain.incident import IncidentResolved


@dataclass(frozen=True, slots=True)
class Painted:
    colour: str
    coats: int
    primer: bool = False


@dataclass(frozen=True, slots=True)
class Sanded:
    grit: int


def hue_became_colour(data: JsonObject) -> JsonObject:
    return {"colour": data["hue"]}


def coats_were_always_one(data: JsonObject) -> JsonObject:
    return data | {"coats": 1}


@pytest.fixture
def registry() -> Registry:
    registry = Registry()
    steps = {("wall.painted", 1): hue_became_colour, ("wall.painted", 2): coats_were_always_one}
    registry.add({Painted: ("wall.painted", 3)}, steps)
    return registry


@pytest.mark.parametrize(
    ("schema", "data", "event"),
    [
        (1, {"hue": "red"}, Painted("red", 1)),
        (2, {"colour": "red"}, Painted("red", 1)),
        (3, {"colour": "red", "coats": 2}, Painted("red", 2)),
        (3, {"colour": "red", "coats": 2, "primer": True}, Painted("red", 2, True)),
    ],
)
def test_every_version_is_brought_up_step_by_step(
    registry: Registry, schema: int, data: JsonObject, event: object
) -> None:
    before = dict(data)
    assert registry.decode("wall.painted", schema, data) == event
    assert data == before  # an upcaster is pure


def test_today_writes_only_the_newest_version(registry: Registry) -> None:
    assert registry.encode(Painted("red", 2)) == (
        "wall.painted",
        3,
        {"colour": "red", "coats": 2, "primer": False},
    )


def test_a_newer_version_is_not_guessed_at(registry: Registry) -> None:
    with pytest.raises(UnknownEvent, match=r"wall\.painted version 4 was written by a newer EUCORA"):
        registry.decode("wall.painted", 4, {"colour": "red", "coats": 2})


def test_an_unknown_name_is_not_skipped(registry: Registry) -> None:
    with pytest.raises(UnknownEvent, match=r"wall\.torn-down version 1"):
        registry.decode("wall.torn-down", 1, {})


@pytest.mark.parametrize("data", [{}, {"colour": "red"}, {"colour": "red", "coats": "many"}, {"colour": 5, "coats": 1}])
def test_data_that_does_not_fit_is_refused_in_a_line(registry: Registry, data: JsonObject) -> None:
    with pytest.raises(UnknownEvent, match=r"^wall\.painted version 3: [^\n]+$"):
        registry.decode("wall.painted", 3, data)


def test_a_class_and_a_name_are_registered_once(registry: Registry) -> None:
    with pytest.raises(ValueError, match="registered already"):
        registry.add({Painted: ("wall.coated", 1)})
    with pytest.raises(ValueError, match="registered already"):
        registry.add({Sanded: ("wall.painted", 1)})


def test_a_version_without_its_upcaster_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'wall\.painted' has no upcaster from version 2"):
        Registry().add({Painted: ("wall.painted", 3)}, {("wall.painted", 1): hue_became_colour})


def test_a_class_that_nobody_registered_cannot_be_written(registry: Registry) -> None:
    with pytest.raises(KeyError):
        registry.encode(Sanded(120))


def test_an_entry_holds_at_most_what_a_tile_can_hold() -> None:
    at = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def sealed(length: int) -> bytes:
        event = IncidentResolved("x" * length, "ada", at)
        return seal(event, id=UUID(int=7), stream="incident-1", version=1, at=at, context=Context("ada", "c")).body

    room = ENTRY_MAX - len(sealed(0))
    assert len(sealed(room)) == ENTRY_MAX
    assert event_of(sealed(room)) == IncidentResolved("x" * room, "ada", at)
    with pytest.raises(EntryTooLarge, match=r"incident\.resolved on incident-1 takes 65536 bytes of at most 65535"):
        sealed(room + 1)
