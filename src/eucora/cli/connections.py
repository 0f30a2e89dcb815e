"""How many connections callers may have open: so few that neither idle nor slow ones use up the process's handles.

A connection in whose request somebody works is never ended for another one's sake. Requests in work, and bodies on
their way, have bounds of their own (``eucora.api.shedding``, ``eucora.api.reception``). As long as those together are
fewer than the connections, there is always one to end instead.
"""

import resource
import time
from typing import Final, Protocol

import structlog

HANDLES_BESIDE: Final = 256  # the database, files on their way, vendors, the identity provider, logs
TELL_S: Final = 60.0  # a crowd at the door is told in the log once in this time
_log = structlog.get_logger("eucora.http")


class Connection(Protocol):
    """One caller's, as the door sees it."""

    def drop(self) -> None:
        """End it now; nothing is in work on it."""
        ...


class Door:
    """Lets in ``most`` connections; then each new one takes the place of the one that has asked nothing for longest."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._open: set[Connection] = set()
        self._quiet: dict[Connection, None] = {}  # in the order in which they fell quiet
        self._told: float | None = None

    def enters(self, one: Connection) -> bool:
        """Let it in, quiet as it is. False: everybody who is in is being served."""
        if len(self._open) >= self._most:
            self._tell()
            if not self._quiet:
                return False
            longest = next(iter(self._quiet))
            self.leaves(longest)
            longest.drop()
        self._open.add(one)
        self._quiet[one] = None
        return True

    def asks(self, one: Connection) -> None:
        """Its request is complete up to the body, and will be answered."""
        self._quiet.pop(one, None)

    def rests(self, one: Connection) -> None:
        """It has its answers, and has not asked anew."""
        if one in self._open:
            self._quiet[one] = None

    def leaves(self, one: Connection) -> None:
        """It has ended."""
        self._open.discard(one)
        self._quiet.pop(one, None)

    def _tell(self) -> None:
        now = time.monotonic()
        if self._told is None or now - self._told >= TELL_S:
            self._told = now
            _log.warning("connections_full", kept=self._most, requests=len(self._open) - len(self._quiet))


def bearable(connections: int) -> int:
    """How many of the connections this process has handles for. It is allowed more of them first where that may be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed, fit = room(connections, soft, hard)
    if allowed != soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return fit


def room(connections: int, soft: int, hard: int) -> tuple[int, int]:
    """The limit of open files to have instead of ``soft``, which never gets less, and how many connections then fit."""
    wanted, endless = connections + HANDLES_BESIDE, resource.RLIM_INFINITY
    if soft == endless or soft >= wanted:
        return soft, connections
    allowed = wanted if hard == endless else min(wanted, hard)
    return allowed, max(1, min(connections, allowed - HANDLES_BESIDE))
