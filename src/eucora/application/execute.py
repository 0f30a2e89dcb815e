"""The one way to write: load, fold, decide, append. The same for every stream, every caller and every job."""

from collections.abc import Awaitable, Callable, Sequence
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


@dataclass(frozen=True, slots=True)
class Resting(Generic[C]):
    """A command that may be decided as long as other streams say no more than was ``read`` of them.

    What it leads to is appended only while each of them stands at that version; if not, the command is made anew.
    """

    command: C
    read: Sequence[History]


@dataclass(frozen=True, slots=True)
class PerTry(Generic[S, C]):
    """A command that carries facts of other streams. Made at each try, of the state that it is then decided on.

    Whoever won the race may have changed the facts too, so a decision on those of the first try would be out of date.
    """

    made_of: Callable[[S], Awaitable[C | Resting[C]]]


@dataclass(frozen=True, slots=True)
class Beside:
    """What other streams record in the same append, and the work that follows from it."""

    writes: Sequence[Write] = ()
    jobs: Sequence[NewJob] = ()


async def always() -> None:
    """Whoever asks may write."""


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
    command: C | PerTry[S, C],
    *,
    context: Context | Callable[[S], Context],
    at: datetime,
    react: React,
    expected_version: int | None = None,
    finishes: Lease | None = None,
    reply: Callable[[int], Reply] | None = None,
    refused: Callable[[RefusedOnRecord], Reply] | None = None,
    beside: Callable[[S, Sequence[E]], Awaitable[Beside]] | None = None,
    confirm: Callable[[], Awaitable[None]] = always,
) -> Executed[S]:
    """Run a command against one stream. ``reply`` is called with the version that the stream will have.

    ``context``: of the events, or what makes it of the state that was decided on.
    ``confirm`` is called before each append, and raises where nothing must be written any more.
    ``refused`` is called with a refusal that goes on record: being asked for again, it is not recorded again.

    ``beside`` is called with the state after the events and with these, at each try: what they mean for another stream
    that must not learn of it later. A refusal that goes on record means nothing for others.

    Raises:
        DomainError: the decider refused; nothing was appended, or only the refusal that belongs on record.
        VersionMismatch: the caller's ``expected_version`` is stale.
        StreamConflict: the race was lost ``ATTEMPTS_MAX`` times.
        LeaseLost, KeyTaken: as the store says.
    """
    stream = decider.stream(id)
    for attempt in range(1, ATTEMPTS_MAX + 1):
        history = await store.read(stream)
        # What does not exist did not move either: the decider says that it is unknown.
        if expected_version is not None and history.version not in (0, expected_version):
            raise VersionMismatch(stream, expected_version, history.version)
        state = folded(decider, history)
        asked, read = await _asked(command, state)
        refusal: RefusedOnRecord | None = None
        try:
            events: Sequence[E] = decider.decide(state, asked)
        except RefusedOnRecord as error:
            refusal, events = error, [cast("E", error.record)]
        if not events:
            return Executed(state, history.version, None, ())
        after = decider.fold(events, state)
        version = history.version + len(events)
        others = Beside() if beside is None or refusal else await beside(after, events)
        await confirm()
        try:
            appended = await store.append(
                _guarded([Write(stream, history.version, events), *others.writes], read),
                context=context(state) if callable(context) else context,
                at=at,
                jobs=[*react(after, events, at), *others.jobs],
                # A refusal that goes on record ends no job.
                finishes=None if refusal else finishes,
                reply=_answer(version, refusal, reply, refused),
            )
        except StreamConflict:
            # decide is pure, so deciding again on fresh state is safe. Who named a version is told by the next reading
            # when it is the stream itself that moved; what moved beside it is none of his concern.
            if attempt < ATTEMPTS_MAX:
                continue
            raise
        if refusal:
            raise refusal
        return Executed(after, version, appended.position, events)
    raise AssertionError("the loop returns or raises")


def _answer(
    version: int,
    refusal: RefusedOnRecord | None,
    reply: Callable[[int], Reply] | None,
    refused: Callable[[RefusedOnRecord], Reply] | None,
) -> Reply | None:
    if refusal is not None:
        return refused(refusal) if refused else None
    return reply(version) if reply else None


async def _asked(command: C | PerTry[S, C], state: S) -> tuple[C, Sequence[History]]:
    made = await command.made_of(state) if isinstance(command, PerTry) else command
    return (made.command, made.read) if isinstance(made, Resting) else (made, ())


def _guarded(writes: Sequence[Write], read: Sequence[History]) -> Sequence[Write]:
    """The writes, and one without events for each other stream that was read. Raises StreamConflict: one had moved."""
    stands = {write.stream: write.expected_version for write in writes}
    for history in read:
        if stands.setdefault(history.stream, history.version) != history.version:
            raise StreamConflict(history.stream)
    return [*writes, *(Write(stream, version, ()) for stream, version in list(stands.items())[len(writes) :])]


async def load(store: EventStore, decider: Decider[S, C, E], id: str, *, as_of: int | datetime | None = None) -> S:
    """An aggregate's state, now or as it was."""
    history = await store.read(decider.stream(id), as_of=as_of)
    return folded(decider, history)


def folded(decider: Decider[S, C, E], history: History) -> S:
    """The state that a stream read back leads to. The one place that trusts a stream to hold its decider's events."""
    return decider.fold(cast("Sequence[E]", history.events))
