"""The one way to write: load, fold, decide, append. The same for every stream, every caller and every job."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar, cast

from eucora.application.ports import Context, EventStore, History, Lease, NewJob, Reply, StreamConflict, Write
from eucora.domain.decider import Decider
from eucora.domain.errors import RefusedOnRecord

S = TypeVar("S")
C = TypeVar("C")
E = TypeVar("E")

ATTEMPTS_MAX = 3

React = Callable[[object, Sequence[object], datetime], Sequence[NewJob]]
"""The work that events cause: (state after them, the events, now) -> jobs. See :mod:`eucora.application.react`."""


class VersionMismatch(Exception):
    """The caller decided on version ``expected``, and the stream stands at ``actual``."""

    def __init__(self, stream: str, expected: int, actual: int) -> None:
        super().__init__(f"{stream} stands at {actual}, not at {expected}")
        self.stream, self.expected, self.actual = stream, expected, actual


@dataclass(frozen=True, slots=True)
class Executed(Generic[S]):
    """What a command led to. ``position`` is None when everything was on record already."""

    state: S
    version: int
    position: int | None
    events: Sequence[object]


async def execute(
    store: EventStore,
    decider: Decider[S, C, E],
    id: str,
    command: C,
    *,
    context: Context,
    at: datetime,
    react: React,
    expected_version: int | None = None,
    finishes: Lease | None = None,
    reply: Callable[[int], Reply] | None = None,
) -> Executed[S]:
    """Run a command against one stream. ``reply`` is called with the version that the stream will have.

    Raises:
        DomainError: the decider refused; nothing was appended, or only the refusal that belongs on record.
        VersionMismatch: the caller's ``expected_version`` is stale.
        StreamConflict: the race was lost ``ATTEMPTS_MAX`` times.
        LeaseLost, KeyTaken: as the store says.
    """
    stream = decider.stream(id)
    for attempt in range(1, ATTEMPTS_MAX + 1):
        history = await store.read(stream)
        if expected_version is not None and history.version != expected_version:
            raise VersionMismatch(stream, expected_version, history.version)
        state = folded(decider, history)
        refusal: RefusedOnRecord | None = None
        try:
            events: Sequence[E] = decider.decide(state, command)
        except RefusedOnRecord as error:
            refusal, events = error, [cast("E", error.record)]
        if not events:
            return Executed(state, history.version, None, ())
        after = decider.fold(events, state)
        version = history.version + len(events)
        try:
            appended = await store.append(
                [Write(stream, history.version, events)],
                context=context,
                at=at,
                jobs=react(after, events, at),
                # A refusal that goes on record ends no job and answers no request: the caller gets the error.
                finishes=None if refusal else finishes,
                reply=reply(version) if reply and not refusal else None,
            )
        except StreamConflict:
            # decide is pure, so deciding again on fresh state is safe; a caller who named a version wants to know.
            if expected_version is None and attempt < ATTEMPTS_MAX:
                continue
            raise
        if refusal:
            raise refusal
        return Executed(after, version, appended.position, events)
    raise AssertionError("the loop returns or raises")


async def load(store: EventStore, decider: Decider[S, C, E], id: str, *, as_of: int | datetime | None = None) -> S:
    """An aggregate's state, now or as it was."""
    history = await store.read(decider.stream(id), as_of=as_of)
    return folded(decider, history)


def folded(decider: Decider[S, C, E], history: History) -> S:
    """The state that a stream read back leads to. The one place that trusts a stream to hold its decider's events."""
    return decider.fold(cast("Sequence[E]", history.events))
