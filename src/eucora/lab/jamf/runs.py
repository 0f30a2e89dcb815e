"""Which policies a computer ran, and how each run ended: worked out from the policies' past and the fleet."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from eucora.lab.fleet import DeviceState, Fleet, OfferSpan, Outcome
from eucora.lab.jamf.logflush import Flush
from eucora.lab.jamf.packages import PackageShelf
from eucora.lab.jamf.policies import NOBODY, Policy, Reach
from eucora.lab.roster import LabDevice

_NEVER: Final = datetime.max.replace(tzinfo=UTC)
Memberships = Sequence[tuple[datetime, frozenset[str]]]  # (since, ids of groups), the first since always


@dataclass(frozen=True, slots=True)
class Run:
    """One finished run of a policy on a computer; ``ended_at`` in UTC, ``text`` the installer's words for a failure."""

    policy: Policy
    completed: bool
    ended_at: datetime
    text: str


@dataclass(frozen=True, slots=True)
class History:
    """What is known of one release on one computer: the runs, oldest first, and the packages that left it there.

    Runs whose logs were flushed are not among them.
    ``installed`` holds package ids, and none when the release is not on the disk now.
    """

    release: str
    runs: tuple[Run, ...]
    installed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Offer:
    span: OfferSpan
    policy: Policy
    packages: tuple[str, ...]


class Histories:
    """Runs of every policy on any computer."""

    def __init__(self, fleet: Fleet, shelf: PackageShelf, flushes: Sequence[Flush]) -> None:
        self._fleet, self._shelf, self._flushes = fleet, shelf, flushes

    def of(
        self, computer: LabDevice, memberships: Memberships, policies: Iterable[Policy], now: datetime
    ) -> Iterator[History]:
        """One history for each release that was ever offered to ``computer``, with its ``memberships``, by ``now``."""
        releases: dict[str, list[_Offer]] = {}
        for policy in policies:
            for span, reach in self._spans(policy, computer.jamf_id, memberships):
                releases.setdefault(policy.release, []).append(_Offer(span, policy, reach.packages))
        for release, offers in releases.items():
            yield self._history(computer, release, offers, now)

    def _spans(self, policy: Policy, computer_id: str, memberships: Memberships) -> Iterator[tuple[OfferSpan, Reach]]:
        """The unbroken stretches in which the policy offered the same thing to the computer."""
        since, offered = _NEVER, NOBODY
        for at, reach, groups in (*_moments(policy.reaches, memberships), (_NEVER, NOBODY, frozenset[str]())):
            now = reach if reach.covers(computer_id, groups) else NOBODY
            if (now.kind, now.packages, now.free) == (offered.kind, offered.packages, offered.free):
                continue
            if offered.kind is not None:
                ends = None if at is _NEVER else at
                yield from self._once_ready(OfferSpan(offered.kind, since, ends, offered.free), offered)
            since, offered = at, now

    def _once_ready(self, span: OfferSpan, offered: Reach) -> Iterator[tuple[OfferSpan, Reach]]:
        """The span, from when all its packages are on the distribution point: before, there is nothing to install."""
        ready = [self._shelf.first_ready_at(package_id) for package_id in offered.packages]
        if None in ready:
            return
        starts = max([span.starts, *(at for at in ready if at is not None)])
        if span.ends is None or starts < span.ends:
            yield replace(span, starts=starts), offered

    def _history(self, computer: LabDevice, release: str, offers: list[_Offer], now: datetime) -> History:
        runs: list[Run] = []
        spans: list[OfferSpan] = []
        packages: tuple[str, ...] = ()
        completed: dict[str, Run] = {}  # by policy id, of policies that run once per computer
        outcome = self._fleet.outcome(computer, release, spans, now)
        waiting = sorted(offers, key=_starts)
        while waiting:
            offer = waiting.pop(0)
            # A policy that runs once per computer does not run again where it completed, however often it is offered,
            # as long as there is a log of it.
            if (done := completed.get(offer.policy.id)) is not None:
                flushed_at = self._flushed_at(computer, done)
                if flushed_at is None or flushed_at > offer.span.starts:
                    _put_off(waiting, offer, flushed_at)
                    continue
            spans.append(offer.span)
            before, outcome = outcome, self._fleet.outcome(computer, release, spans, now)
            if (run := _run(offer.policy, before, outcome)) is None:
                continue
            runs.append(run)
            packages = offer.packages or packages
            if offer.policy.once:
                if run.completed:
                    completed[offer.policy.id] = run
                _put_off(waiting, offer, self._flushed_at(computer, run))
        logged = tuple(run for run in runs if self._flushed_at(computer, run) is None)
        return History(release, logged, packages if outcome.installed else ())

    def _flushed_at(self, computer: LabDevice, run: Run) -> datetime | None:
        """When the log of the run was flushed; None when it is there."""
        wiped = (flush.at for flush in self._flushes if flush.wipes(run.policy.id, computer.jamf_id, run.ended_at))
        return next(wiped, None)


def _moments(
    reaches: Sequence[tuple[datetime, Reach]], memberships: Memberships
) -> Iterator[tuple[datetime, Reach, frozenset[str]]]:
    """Each moment at which the policy or the computer's groups changed, with what held from then on."""
    changes = sorted({at for at, _ in (*reaches, *memberships[1:])})
    for at in changes:
        reach = next((reach for since, reach in reversed(reaches) if since <= at), NOBODY)
        yield at, reach, next(groups for since, groups in reversed(memberships) if since <= at)


def _starts(offer: _Offer) -> datetime:
    return offer.span.starts


def _put_off(waiting: list[_Offer], offer: _Offer, until: datetime | None) -> None:
    """Let the offer wait its turn again, for what is left of it at ``until``, when a flush gives it a new chance."""
    if until is not None and (offer.span.ends is None or until < offer.span.ends):
        waiting.append(replace(offer, span=replace(offer.span, starts=until)))
        waiting.sort(key=_starts)


def _run(policy: Policy, before: Outcome, after: Outcome) -> Run | None:
    """The run that the latest offer led to, if it has ended: an offer that led to none left the outcome as it was."""
    if after == before or after.reported_at is None or after.state in (DeviceState.PENDING, DeviceState.UNREPORTED):
        return None
    return Run(policy, after.state is not DeviceState.FAILED, after.reported_at, after.error_text)
