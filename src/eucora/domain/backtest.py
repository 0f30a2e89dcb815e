"""Backtest: recorded proposals under another risk model and policy. What would have been decided, and what happened.

Pure, and without a clock: the same records and policies give the same answer, in the order of the records.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Protocol

from eucora.domain.calibration import Outcome
from eucora.domain.findings import Signature
from eucora.domain.governance_types import GovernancePolicy
from eucora.domain.rings import Ring
from eucora.domain.risk import assess
from eucora.domain.risk_factors import RiskModel
from eucora.domain.risk_types import (
    ApplicationProfile,
    ApprovalRoute,
    BlastRadiusClass,
    DeclaredRisk,
    FindingCounts,
    History,
    RiskAssessment,
)
from eucora.domain.routing import route


class HasOutcome(Protocol):
    @property
    def outcome(self) -> Outcome: ...


@dataclass(frozen=True, slots=True)
class ScoredOn:
    """Everything that a score and a route were made from. ``crosses``: the target lies outside the application's scope.

    ``change_kind``, ``maturity``, ``not_in_force``, ``precedents``: as :func:`eucora.domain.routing.route` takes them.
    """

    application: ApplicationProfile
    declared: DeclaredRisk
    signatures: tuple[Signature, ...]
    findings: FindingCounts
    history: History
    devices: int
    critical: bool
    change_kind: str = "normal"
    maturity: int = 0
    crosses: bool = False
    not_in_force: tuple[str, ...] = ()
    precedents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Proposal:
    """A recorded proposal. ``position``: in the log; ``governance``: what it was routed by."""

    intent_id: str
    position: int
    facts: ScoredOn
    governance: GovernancePolicy
    risk: RiskAssessment
    route: ApprovalRoute
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Judgement:
    """A score and its route, without the words."""

    score: Decimal
    blast_radius_class: BlastRadiusClass
    blocked: bool
    cab_from_ring: int | None
    quorum: int
    per_ring: bool


@dataclass(frozen=True, slots=True)
class FactorChange:
    """What one factor adds to the score."""

    name: str
    was: Decimal
    would_be: Decimal


@dataclass(frozen=True, slots=True)
class Difference:
    """A proposal that would have been judged otherwise."""

    intent_id: str
    position: int
    application_id: str
    version: str
    was: Judgement
    would_be: Judgement
    factors: tuple[FactorChange, ...]
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Skipped:
    """A record that cannot be replayed, and why."""

    intent_id: str
    position: int
    reason: str


@dataclass(frozen=True, slots=True)
class Tally:
    """How many records changed in one way, how many of them are settled, and how many of these came to harm."""

    change: str
    records: int
    settled: int
    harmed: int


@dataclass(frozen=True, slots=True)
class RiskBacktest:
    """``replayed`` is the number of proposals that were; every one that differs is in ``differences``.

    ``governance`` is empty where each was routed by the policy that it was proposed under.
    """

    model: str
    governance: str
    replayed: int
    differences: tuple[Difference, ...]
    tallies: tuple[Tally, ...]


def judge(facts: ScoredOn, model: RiskModel, governance: GovernancePolicy) -> tuple[RiskAssessment, ApprovalRoute]:
    """Score and route as a proposal does it."""
    risk = assess(
        facts.application,
        facts.declared,
        facts.signatures,
        facts.findings,
        facts.history,
        facts.devices,
        facts.critical,
        model,
    )
    taken = route(
        facts.application,
        risk,
        governance,
        maturity=facts.maturity,
        change_kind=facts.change_kind,
        crosses="of the proposal" if facts.crosses else None,
        not_in_force=facts.not_in_force,
        precedents=facts.precedents,
    )
    return risk, taken


def reproduces(proposal: Proposal, model: RiskModel) -> bool:
    """Whether ``model``, which scored the proposal, and its policy give what is on record. Words do not count."""
    return _judgement(*judge(proposal.facts, model, proposal.governance)) == _judgement(proposal.risk, proposal.route)


def replay_proposals(
    proposals: Iterable[Proposal], model: RiskModel, governance: GovernancePolicy | None = None
) -> RiskBacktest:
    """Every proposal under ``model``, and under ``governance`` or the policy that it was proposed under.

    Raises:
        KeyError, ValueError: the model or a policy has no line for a case.
    """
    replayed, differences = 0, []
    for proposal in proposals:
        replayed += 1
        risk, taken = judge(proposal.facts, model, governance or proposal.governance)
        was, would_be = _judgement(proposal.risk, proposal.route), _judgement(risk, taken)
        if was != would_be:
            differences.append(_difference(proposal, was, would_be, risk))
    told = "" if governance is None else governance.version
    return RiskBacktest(model.version, told, replayed, tuple(differences), tallies(_CHANGES, differences))


def factor_changes(was: RiskAssessment, would_be: RiskAssessment) -> tuple[FactorChange, ...]:
    """The factors that add something else to the score."""
    before = {factor.name: factor.contribution for factor in was.factors}
    return tuple(
        FactorChange(factor.name, before.get(factor.name, Decimal(0)), factor.contribution)
        for factor in would_be.factors
        if before.get(factor.name) != factor.contribution
    )


def _judgement(risk: RiskAssessment, taken: ApprovalRoute) -> Judgement:
    return Judgement(
        risk.score, risk.blast_radius_class, risk.blocked, taken.cab_from_ring, taken.quorum, taken.per_ring
    )


def _difference(proposal: Proposal, was: Judgement, would_be: Judgement, risk: RiskAssessment) -> Difference:
    application = proposal.facts.application
    return Difference(
        proposal.intent_id, proposal.position, application.application_id, application.version,
        was, would_be, factor_changes(proposal.risk, risk), proposal.outcome,
    )  # fmt: skip


def _ring(judgement: Judgement) -> int:
    """The first ring that needs CAB; one beyond the last where none does."""
    return max(Ring) + 1 if judgement.cab_from_ring is None else judgement.cab_from_ring


_CHANGES: Final[tuple[tuple[str, Callable[[Difference], bool]], ...]] = (
    ("higher_score", lambda one: one.would_be.score > one.was.score),
    ("lower_score", lambda one: one.would_be.score < one.was.score),
    ("blocked", lambda one: one.would_be.blocked and not one.was.blocked),
    ("cab_instead_of_automated", lambda one: one.was.cab_from_ring is None and one.would_be.cab_from_ring is not None),
    ("automated_instead_of_cab", lambda one: one.was.cab_from_ring is not None and one.would_be.cab_from_ring is None),
    ("cab_earlier", lambda one: _ring(one.would_be) < _ring(one.was) <= max(Ring)),
    ("cab_later", lambda one: _ring(one.was) < _ring(one.would_be) <= max(Ring)),
    ("larger_quorum", lambda one: one.would_be.quorum > one.was.quorum),
    ("smaller_quorum", lambda one: one.would_be.quorum < one.was.quorum),
)


def tallies(changes: Sequence[tuple[str, Callable[..., bool]]], found: Sequence[HasOutcome]) -> tuple[Tally, ...]:
    """Each change with the records that it holds for, and what became of them."""
    counted = []
    for change, holds in changes:
        outcomes = [one.outcome for one in found if holds(one)]
        settled = [outcome for outcome in outcomes if outcome.settled]
        counted.append(Tally(change, len(outcomes), len(settled), sum(outcome.harmed for outcome in settled)))
    return tuple(counted)
