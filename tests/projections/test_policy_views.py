"""Policies as they are read: versions, the one in use, trust, and what became of rollouts."""

from dataclasses import replace
from datetime import timedelta

import pytest
from policy_story import ADMIN, BEGUN, BOARD, MAPPING, MODEL, MONTH, POLICY, RECORD, SECURITY
from projection_story import Log, proposed, reported, tell
from projection_tables import set_up

from eucora.domain import gate_policy, governance_policy, incident, risk_model, role_mapping
from eucora.domain import trust_maturity as trust
from eucora.domain.calibration import Outcome
from eucora.domain.deployment_intent import events as e
from eucora.domain.rings import Ring
from eucora.projections.calibration import TrackRecords
from eucora.projections.gate_policies import GatePolicies
from eucora.projections.governance_policies import GovernancePolicies
from eucora.projections.policy_facts import PolicyFacts
from eucora.projections.risk_models import RiskModels
from eucora.projections.role_mappings import RoleMappings
from eucora.projections.runner import ProjectionRunner
from eucora.projections.trust_maturity import Maturity
from eucora.store.database import Pool


@pytest.fixture
def log() -> Log:
    log = Log()
    tell(log)
    return log


@pytest.fixture
async def runner(pool: Pool, log: Log) -> ProjectionRunner:
    runner = await set_up(pool, log)
    await runner.catch_up_all()
    return runner


async def test_a_model_shows_its_two_approvals(pool: Pool, runner: ProjectionRunner) -> None:
    view = await RiskModels(pool).get("1.1")
    assert view is not None
    assert (view.status, view.model, view.proposed_by, view.version) == ("active", MODEL, ADMIN, 4)
    assert [(one.part.value, one.by) for one in view.approvals] == [
        ("cab_approver", BOARD),
        ("security_reviewer", SECURITY),
    ]
    assert [one.id for one in (await RiskModels(pool).page(status="active")).items] == ["1.1"]
    assert (await RiskModels(pool).page(status="retired")).items == []


async def test_a_governance_policy_reads_back_whole(pool: Pool, runner: ProjectionRunner) -> None:
    view = await GovernancePolicies(pool).get("2.0")
    assert view is not None
    assert (view.status, view.policy, view.activated_by, view.activated_at) == ("active", POLICY, BOARD, BEGUN)


async def test_a_role_mapping_reads_back_whole(pool: Pool, log: Log, runner: ProjectionRunner) -> None:
    view = await RoleMappings(pool).get("2.0")
    assert view is not None
    assert (view.status, view.mapping, view.based_on, view.activated_by) == ("active", MAPPING, "1.0", BOARD)
    assert await PolicyFacts(pool, runner).newest_version("role_mapping") == "2.0"
    log.add("role_mapping-1.0", role_mapping.RoleMappingRetired("ours is better", BOARD, BEGUN))
    log.add("role_mapping-2.0", role_mapping.RoleMappingRetired("worse", BOARD, BEGUN))
    assert await PolicyFacts(pool, runner).newest_version("role_mapping") is None
    own = await RoleMappings(pool).get("1.0")
    assert own is not None
    assert (own.status, own.proposed_at, own.retire_reason) == ("retired", None, "ours is better")


async def test_a_retired_version_is_in_use_no_more(pool: Pool, log: Log, runner: ProjectionRunner) -> None:
    facts = PolicyFacts(pool, runner)
    assert await facts.newest_version("risk_model") == "1.1"
    assert await facts.newest_version("governance_policy") == "2.0"
    assert await facts.newest_version("gate_policy") == "1.0"
    log.add("risk_model-1.1", risk_model.RiskModelRetired("worse", BOARD, BEGUN))
    log.add("governance_policy-2.0", governance_policy.GovernancePolicyRetired("worse", BOARD, BEGUN))
    log.add("gate_policy-1.0", gate_policy.GatePolicyRetired("worse", BOARD, BEGUN))
    assert await facts.newest_version("risk_model") is None
    assert await facts.newest_version("governance_policy") is None
    assert await facts.newest_version("gate_policy") is None
    retired = await GatePolicies(pool).get("1.0")
    assert retired is not None
    assert (retired.status, retired.retire_reason) == ("retired", "worse")


async def test_the_products_own_version_shows_once_it_is_retired(
    pool: Pool, log: Log, runner: ProjectionRunner
) -> None:
    assert await RiskModels(pool).get("1.0") is None
    log.add("risk_model-1.0", risk_model.RiskModelRetired("ours is better", BOARD, BEGUN))
    await runner.catch_up("risk_models")
    view = await RiskModels(pool).get("1.0")
    assert view is not None
    assert (view.status, view.proposed_at, view.retired_by) == ("retired", None, BOARD)


async def test_trust_shows_what_waits_for_cab_and_how_it_came_to_the_level(
    pool: Pool, log: Log, runner: ProjectionRunner
) -> None:
    view = await Maturity(pool).get()
    assert view is not None
    assert (view.level, view.since, view.record, view.lacks) == (0, BEGUN, RECORD, ())
    assert view.rise is not None
    assert view.rise.to_level == 1
    stream, risen, lost = "trust_maturity-installation", BEGUN + MONTH, BEGUN + MONTH + timedelta(days=1)
    log.add(stream, trust.MaturityRaised(0, 1, BOARD, risen))
    log.add(stream, trust.MaturityDropped(1, 0, "2.0", "1 P1 incidents", RECORD, lost))
    await runner.catch_up("trust_maturity")
    view = await Maturity(pool).get()
    assert view is not None
    assert (view.level, view.since, view.rise) == (0, lost, None)
    assert [(one.to_level, one.by, one.reason) for one in view.changes] == [(0, "", "1 P1 incidents"), (1, BOARD, "")]
    log.add(stream, trust.MaturityRiseDeclined(1, "not yet", BOARD, lost + MONTH))
    await runner.catch_up("trust_maturity")
    view = await Maturity(pool).get()
    assert view is not None
    assert view.since == lost + MONTH


async def test_rollouts_come_in_the_order_of_the_log_with_what_became_of_them(
    pool: Pool, log: Log, runner: ProjectionRunner
) -> None:
    tracks = TrackRecords(pool)
    first, second = await tracks.rollouts(-1, 10)
    assert (first.intent_id, second.intent_id) == ("i-1", "i-2")
    assert (first.outcome.started, first.outcome.rolled_back, first.outcome.incidents) == (True, True, 1)
    assert first.outcome.harmed
    assert second.outcome == Outcome()
    assert await tracks.rollouts(-1, 1) == [first]
    assert await tracks.rollouts(first.position, 10) == [second]
    assert await tracks.rollouts(second.position, 10) == []


async def test_the_track_record_counts_by_time_and_by_what_is_known_now(pool: Pool) -> None:
    log, hour = Log(), timedelta(hours=1)
    runner = await set_up(pool, log)
    for number in range(3):
        intent = f"i-{number}"
        log.intent(intent, proposed(intent), e.RolloutStarted("idp|pia", BEGUN + number * hour))
        known = replace(
            reported(f"n-{number}", intent), severity=incident.IncidentSeverity.P1, at=BEGUN + number * hour
        )
        log.add(f"incident-n-{number}", known, intent_id=intent)
    facts = PolicyFacts(pool, runner)
    found = await facts.track_record(BEGUN, BEGUN + 2 * hour)
    # What happened in the moment in which the time begins was judged before; what happens as it ends is part of it.
    assert (found.releases, found.incidents, found.p1, found.p2) == (2, 2, 2, 0)
    cleared = incident.IncidentReclassified(
        incident.IncidentSeverity.P1,
        incident.IncidentKind.STABILITY,
        incident.Attributable.NO,
        "a power cut",
        BOARD,
        BEGUN,
    )
    log.add("incident-n-1", cleared)
    found = await facts.track_record(BEGUN, BEGUN + 2 * hour)
    assert (found.releases, found.incidents, found.p1) == (2, 1, 1)
    assert (await facts.track_record(BEGUN + 2 * hour, BEGUN + MONTH)).releases == 0


async def test_a_halt_is_counted_when_it_speaks_of_the_release(pool: Pool) -> None:
    log = Log()
    runner = await set_up(pool, log)
    halted = [
        e.RolloutHalted(Ring.CANARY, trigger, "x", "eucora|service", BEGUN) for trigger in ("approval", "operator")
    ]
    log.intent("i-1", proposed("i-1"), e.RolloutStarted("idp|pia", BEGUN), *halted)
    log.intent("i-1", e.RolloutResumed("idp|pia", "fine", BEGUN), e.DeploymentCompleted(BEGUN))
    [one] = await PolicyFacts(pool, runner).rollouts(-1, 10)
    assert one.outcome == Outcome(started=True, completed=True, halts=1)
    assert one.outcome.false_halts == 1
