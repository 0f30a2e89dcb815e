"""What was decided about a release before: it binds the next proposal of the same content, whichever intent it was in.

Without this a rejection, a condition or the second yes after an incident would be dodged by abort and propose again.
A precedent stands until CAB approved the release in a review that was asked for after it; conditions of that approval
are a precedent of their own. An approval for one ring alone ends none.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from eucora.domain import brevity
from eucora.domain.cab_review import CabReviewDecided, CabReviewOpened, CabVoteCast, Outcome, Vote, taken_back
from eucora.domain.conditions import Condition
from eucora.domain.deployment_intent.events import RolloutHalted

STANDING_MAX: Final = 10  # clauses; the newest are kept
REASON_MAX: Final = 160  # characters of what people wrote


@dataclass(frozen=True, slots=True)
class Happened:
    """An event with its place in the log, by which one is later than another; clocks of two hosts are not."""

    position: int
    event: object


@dataclass(frozen=True, slots=True)
class Fact:
    """``clause`` empty: it speaks against nothing. ``asked``: the position from which back it ends others, if it does.

    ``askers``: who asked for changes of exactly ``binding``. ``grave``: it also speaks against what was approved
    before it, in whichever intent; a condition of one approval does not reach into another's. ``intent_id``: whose.
    """

    position: int
    clause: str = ""
    grave: bool = False
    intent_id: str = ""
    asked: int | None = None
    binding: str = ""
    askers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Precedents:
    """The facts that stand, in the order of the log."""

    standing: tuple[Fact, ...] = ()

    @property
    def clauses(self) -> tuple[str, ...]:
        """A clause each, without a full stop, the newest ten; the first says so where some are left out."""
        known = tuple(dict.fromkeys(fact.clause for fact in self.standing))
        if len(known) <= STANDING_MAX:
            return known
        kept = known[1 - STANDING_MAX :]
        return (f"{len(known) - len(kept)} earlier decisions spoke against this release", *kept)

    def against(self, intent_id: str) -> tuple[str, ...]:
        """What weighs on an intent that was approved before: the grave clauses that come from others, newest last."""
        return Precedents(tuple(fact for fact in self.standing if fact.grave and fact.intent_id != intent_id)).clauses

    def askers(self, binding: str) -> tuple[str, ...]:
        """Who asked for changes of exactly this content and has not seen any, sorted."""
        return tuple(sorted({one for fact in self.standing if fact.binding == binding for one in fact.askers}))


def standing(facts: Iterable[Fact]) -> Precedents:
    """What is left of the facts about one release when later decisions ended earlier ones."""
    left: list[Fact] = []
    for fact in sorted(facts, key=lambda one: one.position):
        asked = fact.asked
        if asked is not None:
            left = [earlier for earlier in left if earlier.position > asked]
        if fact.clause:
            left.append(fact)
    return Precedents(tuple(left))


def of_intent(intent_id: str, events: Iterable[Happened]) -> list[Fact]:
    """The halts by an incident (P1, or security that the release caused)."""
    return [
        Fact(
            one.position,
            f"an incident halted this release in deployment intent {intent_id} on {_day(one.event.at)}"
            f" ({_cut(one.event.reason)})",
            grave=True,
        )
        for one in events
        if isinstance(one.event, RolloutHalted) and one.event.trigger == "incident"
    ]


def of_review(events: Sequence[Happened]) -> list[Fact]:
    """What one review said; nothing while it is open, and nothing of one that was withdrawn or expired."""
    opened: CabReviewOpened | None = None
    asked, askers, found = 0, tuple[str, ...](), list[Fact]()
    for one in events:
        event = one.event
        if isinstance(event, CabReviewOpened):
            opened, asked = event, one.position
        elif opened is None:
            continue
        elif isinstance(event, CabVoteCast) and event.vote is Vote.REQUEST_CHANGES:
            # Whose vote it was: a delegate asked in the name of another, and either may say that it is settled.
            askers = (event.on_behalf_of or event.voter,)
        elif isinstance(event, CabReviewDecided):
            found += _decision(opened, event, one.position, asked, askers)
        elif (reason := taken_back(event)) is not None:
            # An approval that was taken back ends no precedent, and is one.
            clause = f"the approval of this release in review {opened.review_id} was taken back ({_cut(reason)})"
            found = [*(replace(fact, asked=None, clause="") for fact in found), Fact(one.position, clause, grave=True)]
    return found


def _decision(
    opened: CabReviewOpened, decided: CabReviewDecided, position: int, asked: int, askers: tuple[str, ...]
) -> list[Fact]:
    place = f"in review {opened.review_id} on {_day(decided.at)}"
    ends = asked if decided.ring is None else None
    match decided.outcome:
        case Outcome.REJECTED:
            return [Fact(position, f"CAB rejected this release {place} ({_cut(decided.reason)})", grave=True)]
        case Outcome.CHANGES_REQUESTED:
            who = f"{', '.join(askers)} asked for changes of this release {place} ({_cut(decided.reason)})"
            return [Fact(position, who, binding=opened.binding, askers=askers)]
        case Outcome.APPROVED:
            return [Fact(position, asked=ends)]
        case Outcome.APPROVED_WITH_CONDITIONS:
            told = _cut("; ".join(_told(condition) for condition in decided.conditions))
            return [Fact(position, f"CAB approved this release {place} under conditions only ({told})", asked=ends)]
        case Outcome.WITHDRAWN | Outcome.EXPIRED | Outcome.REVOKED:
            return []


def _told(condition: Condition) -> str:
    return f"{condition.kind.replace('_', ' ')} {condition.value}"


def _cut(text: str) -> str:
    return brevity.cut(text, REASON_MAX)


def _day(at: datetime) -> str:
    return at.date().isoformat()
