"""The exceptions that a proposal rests on: what each waives, and whether that is still waived."""

from collections.abc import Collection, Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime

from eucora.domain.brevity import named
from eucora.domain.exception_types import ExceptionFact, ExceptionKind
from eucora.domain.people import Scope
from eucora.domain.risk_types import FindingCounts

LISTED_MAX = 200  # critical findings of a pack that are listed by id; a longer list may lack some


@dataclass(frozen=True, slots=True)
class ExceptionNeed:
    """Something that was waived when the intent was proposed. ``exception_id`` is the exception that waived it then.

    Another exception of the same kind that covers every subject will do as well: people renew waivers.
    """

    kind: ExceptionKind
    subjects: tuple[str, ...]
    exception_id: str

    def met(self, exceptions: Iterable[ExceptionFact], at: datetime) -> bool:
        """Whether every subject is covered by exceptions in force at ``at``."""
        return waived(self.kind, exceptions, at) >= {*self.subjects}


def declared_scope(home: Scope | None, target: Scope) -> str:
    """What people are told of where the application belongs. It is the requester's word: nothing here computes it.

    How many devices are hit is not declared but counted, in the groups of the plan and then in the frozen cohorts.
    """
    words = scope_words(target)
    if home is None:
        return f"not declared, so nobody looked whether the target {words} crosses the application's boundary"
    told = "lies inside it" if home.covers(target) else "lies outside it, under a cross-boundary exception"
    return f"declared by the requester as {scope_words(home)}; the target {words} {told}"


def scope_words(scope: Scope) -> str:
    """A scope as exceptions name it: ``business_unit/boundary/site``."""
    return f"{scope.business_unit}/{scope.boundary}/{scope.site}"


def waived(kind: ExceptionKind, exceptions: Iterable[ExceptionFact], at: datetime) -> set[str]:
    """The subjects of every exception of ``kind`` that is in force at ``at``."""
    in_force = [fact for fact in exceptions if fact.kind is kind and fact.in_force(at)]
    return {subject for fact in in_force for subject in fact.subjects}


def excepted(findings: FindingCounts, critical: Collection[str], covered: AbstractSet[str]) -> FindingCounts:
    """``findings`` with the critical ones counted as excepted that are ``covered``, by id.

    A vulnerability may be found in several components, so findings are more than ids: all count as excepted when every
    id is covered, and at least as many as there are open ids stay when some are not. What is not listed is not covered.
    """
    open_ = {*critical} - covered
    if not critical:
        return findings
    if not open_ and len({*critical}) < LISTED_MAX:
        return replace(findings, excepted=findings.critical)
    most = max(0, findings.critical - max(1, len(open_)))
    return replace(findings, excepted=min(most, max(findings.excepted, len({*critical} & covered))))


def needs_of(
    wanted: Iterable[tuple[ExceptionKind, Collection[str]]], exceptions: Sequence[ExceptionFact], at: datetime
) -> tuple[ExceptionNeed, ...]:
    """What the exceptions in force waive of ``wanted`` (kind, subjects), by kind and exception.

    A subject that several exceptions waive is put down to the one that holds longest.
    """
    needs: list[ExceptionNeed] = []
    for kind, subjects in wanted:
        open_ = {*subjects}
        for fact in sorted(exceptions, key=lambda fact: (fact.expires_at, fact.exception_id), reverse=True):
            covers = tuple(sorted(open_ & {*fact.subjects})) if fact.kind is kind and fact.in_force(at) else ()
            if covers:
                needs.append(ExceptionNeed(kind, covers, fact.exception_id))
                open_ -= {*covers}
    return tuple(needs)


def lapsed(
    needs: Iterable[ExceptionNeed], exceptions: Sequence[ExceptionFact], at: datetime
) -> tuple[ExceptionNeed, ...]:
    """The needs that nothing in force meets any more."""
    return tuple(need for need in needs if not need.met(exceptions, at))


def told(need: ExceptionNeed, exceptions: Iterable[ExceptionFact]) -> str:
    """One sentence on a need that is not met, without a full stop."""
    what = f"exception {need.exception_id} ({need.kind.replace('_', ' ')}: {named(need.subjects)})"
    fact = next((fact for fact in exceptions if fact.exception_id == need.exception_id), None)
    if fact is None:
        return f"{what} is not on record any more"
    if fact.status == "approved":
        return f"{what} expired at {fact.expires_at.isoformat()}"
    return f"{what} is {fact.status.replace('_', ' ')}"
