"""Backtests: the same records give the same answer, and every difference is told with what then happened."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from eucora.domain import gate_backtest as gb
from eucora.domain.backtest import (
    Proposal,
    RiskBacktest,
    ScoredOn,
    Tally,
    factor_changes,
    judge,
    replay_proposals,
    reproduces,
)
from eucora.domain.calibration import Outcome
from eucora.domain.findings import Signature
from eucora.domain.gate_types import GateFacts, GatePolicy, IncidentFacts, Verdict
from eucora.domain.gates import evaluate
from eucora.domain.governance_types import GOVERNANCE_1_0, GovernanceMode
from eucora.domain.planes import Plane, SiteClass
from eucora.domain.policies import GATE_POLICY_1_0
from eucora.domain.rings import Counts, Measurement, Ring
from eucora.domain.risk_factors import MODEL_1_0, RiskModel
from eucora.domain.risk_types import (
    ApplicationProfile,
    Category,
    DataAccess,
    DeclaredRisk,
    Exploitability,
    FindingCounts,
    History,
    OperationalComplexity,
    PrivilegeImpact,
    Provenance,
)

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
FINE = Outcome(started=True, completed=True)
BAD = Outcome(started=True, incidents=1)
OPEN = Outcome(started=True)
NOTES = ScoredOn(
    application=ApplicationProfile("notes", "Notes", "1.0", "Example", Category.UTILITY),
    declared=DeclaredRisk(
        PrivilegeImpact.ADMIN_INSTALL,
        vendor_known=True,
        provenance=Provenance.CONSISTENT,
        exploitability=Exploitability.SCRIPTING,
        data_access=DataAccess.PROFILE,
        operational_complexity=OperationalComplexity.SHORT,
    ),
    signatures=(Signature.PRESENT,),
    findings=FindingCounts(low=3),
    history=History(),
    devices=50,
    critical=False,
)  # 20×0.7 + 15×0.1 + 10×0.6 + 10×0.6 + 15×0.3 + 10×0.3 + 10×0.1 + 10×0.3 = 39


def proposal(facts: ScoredOn = NOTES, outcome: Outcome = FINE, position: int = 7) -> Proposal:
    risk, route = judge(facts, MODEL_1_0, GOVERNANCE_1_0)
    return Proposal(f"i-{position}", position, facts, GOVERNANCE_1_0, risk, route, outcome)


def weighing(name: str, weight: int) -> RiskModel:
    factors = [replace(one, weight=weight) if one.name == name else one for one in MODEL_1_0.factors]
    return replace(MODEL_1_0, version="1.1", factors=tuple(factors))


def tally(found: RiskBacktest | gb.GateBacktest, change: str) -> Tally:
    return next(one for one in found.tallies if one.change == change)


HARSHER = weighing("data_access", 40)  # 39 becomes 57


def test_under_its_own_policies_nothing_differs() -> None:
    found = replay_proposals([proposal(), proposal(position=9)], MODEL_1_0)
    assert (found.replayed, found.differences, found.governance) == (2, (), "")
    assert {one.records for one in found.tallies} == {0}


def test_a_difference_tells_both_judgements_the_factors_and_what_then_happened() -> None:
    [one] = replay_proposals([proposal(outcome=BAD)], HARSHER).differences
    assert (one.intent_id, one.position, one.application_id, one.version) == ("i-7", 7, "notes", "1.0")
    assert (one.was.score, one.was.cab_from_ring) == (Decimal("39.0"), None)
    assert (one.would_be.score, one.would_be.cab_from_ring) == (Decimal("57.0"), 2)
    assert [(change.name, change.was, change.would_be) for change in one.factors] == [
        ("data_access", Decimal("6.0"), Decimal("24.0"))
    ]
    assert one.outcome == BAD


def test_tallies_count_what_came_to_harm_among_what_is_settled() -> None:
    records = [proposal(outcome=outcome, position=at) for at, outcome in enumerate((FINE, BAD, OPEN, BAD))]
    found = replay_proposals(records, HARSHER)
    assert tally(found, "cab_instead_of_automated") == Tally("cab_instead_of_automated", 4, settled=3, harmed=2)
    assert tally(found, "higher_score").records == 4
    assert tally(found, "automated_instead_of_cab").records == 0


def test_a_governance_policy_can_be_replayed_with_the_model() -> None:
    stricter = replace(
        GOVERNANCE_1_0, version="2.0", score_max=Decimal(20), quorum=tuple((one, 4) for one, _ in GOVERNANCE_1_0.quorum)
    )
    found = replay_proposals([proposal()], MODEL_1_0, stricter)
    assert (found.model, found.governance) == ("1.0", "2.0")
    [one] = found.differences
    assert (one.would_be.cab_from_ring, one.would_be.quorum, one.factors) == (2, 4, ())
    assert tally(found, "larger_quorum").records == 1


@pytest.mark.parametrize(
    ("facts", "change"),
    [
        (replace(NOTES, application=replace(NOTES.application, category=Category.ERP)), "cab_later"),
        (replace(NOTES, application=replace(NOTES.application, privileged_tooling=True)), "cab_later"),
        (NOTES, "cab_instead_of_automated"),
    ],
)
def test_earlier_and_later_cab_are_told_apart(facts: ScoredOn, change: str) -> None:
    late = replace(
        GOVERNANCE_1_0, score_max=Decimal(0), cab_from_always=GOVERNANCE_1_0.cab_from_by_score, version="late"
    )
    assert tally(replay_proposals([proposal(facts)], MODEL_1_0, late), change).records == 1


def test_the_maturity_that_held_then_is_the_one_that_is_replayed() -> None:
    by_trust = replace(GOVERNANCE_1_0, version="trust", mode=GovernanceMode.TRUST_MATURITY)
    grown = [proposal(replace(NOTES, maturity=level), position=level) for level in range(5)]
    found = replay_proposals(grown, MODEL_1_0, by_trust)
    assert [one.position for one in found.differences] == [0, 1]  # from level 2 on, up to 50 needs no CAB


def test_crossing_a_boundary_needs_cab_in_every_replay() -> None:
    _, route = judge(replace(NOTES, crosses=True), MODEL_1_0, GOVERNANCE_1_0)
    assert route.cab_from_ring == 1


def test_what_its_own_policies_no_longer_give_is_noticed() -> None:
    assert reproduces(proposal(), MODEL_1_0)
    assert not reproduces(proposal(), HARSHER)
    assert not reproduces(replace(proposal(), facts=replace(NOTES, devices=5_000)), MODEL_1_0)


def test_no_factor_changes_between_a_score_and_itself() -> None:
    risk = proposal().risk
    assert factor_changes(risk, risk) == ()


def measured(installed: int, failed: int = 0) -> Measurement:
    total = installed + failed
    counts = Counts(
        Plane.JAMF, SiteClass.ONLINE, total, 0, installed, failed, 0, 0, 0, reachable=total, reported=total,
        compliance_p90_s=60,
    )  # fmt: skip
    return Measurement((counts,))


POLICY = replace(GATE_POLICY_1_0, soak_needs_coverage=False)


def run(installed: int, failed: int = 0, *, policy: GatePolicy = POLICY, outcome: Outcome = FINE) -> gb.RecordedRun:
    facts = GateFacts(
        measurement=measured(installed, failed),
        started_at=NOON,
        now=NOON + timedelta(days=2),
        incidents=IncidentFacts(),
        rollback_validated=True,
        approval_problem=None,
    )
    completed = replace(evaluate(policy, Ring.CANARY, facts), facts=facts)
    return gb.RecordedRun("i-1", 5, policy, completed, outcome)


STRICTER = replace(
    POLICY, version="9.9", rings=tuple(replace(rule, success_min=Decimal("0.98")) for rule in POLICY.rings)
)


def test_a_gate_run_under_its_own_policy_gives_the_same() -> None:
    recorded = run(97, 3)
    assert recorded.run.verdict is Verdict.PASSED
    assert gb.run_reproduces(recorded)
    assert gb.replay_runs([recorded], [], POLICY).differences == ()


def test_a_gate_run_that_would_have_held_the_ring_says_at_which_gate() -> None:
    found = gb.replay_runs([run(97, 3, outcome=BAD), run(100)], [], STRICTER)
    assert (found.policy, found.replayed) == ("9.9", 2)
    [one] = found.differences
    assert (one.was, one.would_be, one.policy) == (Verdict.PASSED, Verdict.FAILED, "1.0")
    assert [(gate.gate, gate.was, gate.would_be) for gate in one.gates] == [
        ("success_rate", Verdict.PASSED, Verdict.FAILED)
    ]
    assert one.gates[0].threshold_was != one.gates[0].threshold_would_be
    held = tally(found, "held_instead_of_passed")
    assert (held.records, held.settled, held.harmed) == (1, 1, 1)


def test_a_gate_run_that_would_have_passed_is_told_too() -> None:
    laxer = replace(POLICY, rings=tuple(replace(rule, success_min=Decimal("0.90")) for rule in POLICY.rings))
    found = gb.replay_runs([run(95, 5)], [], laxer)
    assert [(one.was, one.would_be) for one in found.differences] == [(Verdict.FAILED, Verdict.PASSED)]
    assert tally(found, "passed_instead_of_held").records == 1


def test_a_run_without_its_facts_is_no_evidence() -> None:
    recorded = run(100)
    bare = replace(recorded, run=replace(recorded.run, facts=None))
    assert not gb.run_reproduces(bare)
    with pytest.raises(ValueError, match="kept no facts"):
        gb.replay_runs([bare], [], POLICY)


def readings(*failed: int) -> list[gb.Reading]:
    """A measurement an hour of a canary of 100 devices; 9 failures are under the limit of a tenth."""
    return [
        gb.Reading("i-1", POLICY, Ring.CANARY, measured(100 - count, count), NOON + timedelta(hours=hour), FINE)
        for hour, count in enumerate(failed)
    ]


def test_the_halt_rule_is_replayed_on_every_measurement() -> None:
    tighter = replace(POLICY, version="tight", halt=replace(POLICY.halt, failure_max=Decimal("0.02")))
    [one] = gb.replay_runs([], readings(0, 1, 2, 3), tighter).halts
    assert (one.intent_id, one.ring, one.was_at, one.would_be_at) == (
        "i-1",
        Ring.CANARY,
        None,
        NOON + timedelta(hours=2),
    )
    assert one.reason.startswith("2 of 100 finished devices failed")
    assert gb.replay_runs([], readings(0, 1), tighter).halts == ()


def test_a_halt_that_would_not_have_been_is_told_with_its_reason() -> None:
    laxer = replace(
        POLICY,
        version="lax",
        halt=replace(POLICY.halt, failure_max=Decimal("0.5")),
        rings=tuple(replace(rule, success_min=Decimal("0.5")) for rule in POLICY.rings),
    )
    [one] = gb.replay_runs([], readings(0, 12), laxer).halts
    assert (one.was_at, one.would_be_at) == (NOON + timedelta(hours=1), None)
    assert one.reason.startswith("12 of 100 finished devices failed")


def test_the_same_records_give_the_same_answer() -> None:
    records = [proposal(outcome=outcome, position=at) for at, outcome in enumerate((FINE, BAD))]
    assert replay_proposals(records, HARSHER) == replay_proposals(records, HARSHER)
    runs = [run(97, 3), run(95, 5)]
    assert gb.replay_runs(runs, readings(1, 9), STRICTER) == gb.replay_runs(runs, readings(1, 9), STRICTER)


def test_a_version_that_was_not_in_force_needs_cab_in_every_replay() -> None:
    _, route = judge(
        replace(NOTES, not_in_force=("names gate policy 1.0, and 2.0 is in force",)), MODEL_1_0, GOVERNANCE_1_0
    )
    assert route.cab_from_ring == 1
