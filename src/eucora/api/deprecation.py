"""Routes that will not be in the next version: they say so on every answer, a year before they go (docs/api.md, 9).

Sources: RFC 9745 (``Deprecation``, a structured date), RFC 8594 (``Sunset``, an HTTP date); read 2026-11-23.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any, Final, TypeVar

from eucora.api.layers import Headers

F = TypeVar("F", bound=Callable[..., Any])
_MARK: Final = "__eucora_ending__"
NOTICE: Final = timedelta(days=365)


class EndUndeclared(TypeError):
    """A route is called deprecated, and nobody said until when it stays and what comes instead."""


@dataclass(frozen=True, slots=True)
class Ending:
    """``since``: from when on it should not be used; ``until``: when it goes; in UTC. ``told_at``: a page about it."""

    since: datetime
    until: datetime
    told_at: str

    def __post_init__(self) -> None:
        if self.until < self.since + NOTICE:
            raise EndUndeclared(f"callers get {NOTICE.days} days: {self.until:%Y-%m-%d} is too early")

    @property
    def headers(self) -> Headers:
        """What every answer of the route says."""
        return [
            (b"deprecation", b"@%d" % int(self.since.timestamp())),
            (b"sunset", format_datetime(self.until, usegmt=True).encode()),
            (b"link", f'<{self.told_at}>; rel="deprecation"'.encode()),
        ]


def ends(since: datetime, until: datetime, told_at: str) -> Callable[[F], F]:
    """The route is deprecated. Raises EndUndeclared: its callers would get less than a year."""
    ending = Ending(since, until, told_at)

    def mark(endpoint: F) -> F:
        setattr(endpoint, _MARK, ending)
        return endpoint

    return mark


def ending_of(endpoint: Callable[..., Any], deprecated: bool | None) -> Ending | None:
    """How the route ends, where it does. Raises EndUndeclared: it is deprecated without :func:`ends`."""
    ending = getattr(endpoint, _MARK, None)
    if isinstance(ending, Ending):
        return ending
    if deprecated:
        raise EndUndeclared(f"{endpoint.__qualname__} is deprecated: say with ends() since when, until when, and why")
    return None
