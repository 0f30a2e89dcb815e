"""Gate policy: thresholds that make sense, versions that never change, and four eyes on each."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from given import given

from eucora.domain import gate_policy as gp
from eucora.domain.gate_policy import DECIDER, active_policy, recorded_policy
from eucora.domain.gate_types import GatePolicy, HaltRule
from eucora.domain.plain_json import size_of
from eucora.domain.policies import GATE_POLICY_1_0
from eucora.domain.reasons import ReasonMissing
from eucora.domain.rings import Ring

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
POLICY = replace(GATE_POLICY_1_0, version="1.1")
PROPOSE = gp.ProposeGatePolicy(POLICY, "first version", "idp|ada", NOON)
ACTIVATE = gp.ActivateGatePolicy("idp|bo", NOON)
RETIRE = gp.RetireGatePolicy("1.1", "too lax", "idp|bo", NOON)
NOTHING = given(DECIDER)
PROPOSED = NOTHING.and_when(PROPOSE)


def test_a_policy_is_proposed_with_its_reason_and_once() -> None:
    NOTHING.when(PROPOSE).then(gp.GatePolicyProposed(POLICY, "first version", "idp|ada", NOON))
    NOTHING.when(replace(PROPOSE, reason="")).then_refuses(ReasonMissing)
    PROPOSED.when(PROPOSE).then()


def test_a_version_never_changes() -> None:
    PROPOSED.when(replace(PROPOSE, policy=replace(POLICY, measure_every_s=7))).then_refuses(gp.PolicyVersionTaken)
    NOTHING.when(replace(PROPOSE, policy=GATE_POLICY_1_0)).then_refuses(gp.PolicyVersionTaken)


def test_a_policy_is_activated_by_somebody_else_than_its_proposer() -> None:
    PROPOSED.when(replace(ACTIVATE, by="idp|ada")).then_refuses(gp.ProposerMayNotActivate)
    PROPOSED.when(ACTIVATE).then(gp.GatePolicyActivated("idp|bo", NOON))
    PROPOSED.and_when(ACTIVATE).when(ACTIVATE).then()
    NOTHING.when(ACTIVATE).then_refuses(gp.PolicyUnknown)


def test_intents_are_judged_with_an_active_policy_only() -> None:
    assert active_policy(PROPOSED.and_when(ACTIVATE).state) == POLICY
    with pytest.raises(gp.PolicyNotActive):
        active_policy(PROPOSED.state)
    with pytest.raises(gp.PolicyUnknown):
        active_policy(NOTHING.state)


def test_a_retired_policy_judges_nothing_new_and_can_be_replayed() -> None:
    active = PROPOSED.and_when(ACTIVATE)
    active.when(RETIRE).then(gp.GatePolicyRetired("too lax", "idp|bo", NOON))
    active.when(replace(RETIRE, reason="")).then_refuses(ReasonMissing)
    retired = active.and_when(RETIRE)
    retired.when(RETIRE).then()
    with pytest.raises(gp.PolicyOutOfUse):
        active_policy(retired.state)
    assert recorded_policy(retired.state) == POLICY
    PROPOSED.and_when(RETIRE).when(ACTIVATE).then_refuses(gp.PolicyOutOfUse)
    NOTHING.when(RETIRE).then_refuses(gp.PolicyUnknown)


def test_the_products_own_policy_needs_no_activation_and_can_be_retired() -> None:
    assert active_policy(NOTHING.state, "1.0") == GATE_POLICY_1_0
    retired = NOTHING.and_when(replace(RETIRE, version="1.0"))
    with pytest.raises(gp.PolicyOutOfUse):
        active_policy(retired.state, "1.0")
    assert recorded_policy(retired.state, "1.0") == GATE_POLICY_1_0


def lab(**changes: object) -> tuple[object, ...]:
    return (replace(POLICY.rings[0], **changes), *POLICY.rings[1:])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (replace(POLICY, version=" "), "version"),
        (replace(POLICY, rings=POLICY.rings[:4]), "one rule for each ring"),
        (replace(POLICY, rings=tuple(reversed(POLICY.rings))), "in this order"),
        (replace(POLICY, rings=lab(success_min=Decimal("1.01"))), "ring 0: success_min"),
        (replace(POLICY, rings=lab(success_min=Decimal("-0.1"))), "ring 0: success_min"),
        (replace(POLICY, rings=lab(soak_s=-1)), "ring 0: soak_s"),
        (replace(POLICY, time_to_compliance_s=POLICY.time_to_compliance_s[:2]), "each site class"),
        (replace(POLICY, time_to_compliance_s=tuple((site, 0) for site, _ in POLICY.time_to_compliance_s)), "online"),
        (replace(POLICY, coverage_min=Decimal(2)), "coverage_min"),
        (replace(POLICY, rehearsal_min=Decimal(-1)), "rehearsal_min"),
        (replace(POLICY, halt=HaltRule(10, Decimal("1.5"))), "halt.failure_max"),
        (replace(POLICY, halt=HaltRule(10, Decimal(0))), "above 0"),
        (replace(POLICY, halt=HaltRule(0)), "halt.finished_min"),
        (replace(POLICY, measure_every_s=0), "measure_every_s"),
        (replace(POLICY, reachable_within_s=0), "reachable_within_s"),
        (replace(POLICY, sample_min=-1), "sample_min"),
    ],
)
def test_thresholds_that_make_no_sense_are_refused(bad: GatePolicy, told: str) -> None:
    refusal = NOTHING.when(replace(PROPOSE, policy=bad)).then_refuses(gp.PolicyInvalid)
    assert told in refusal.message


def test_the_limits_themselves_are_allowed() -> None:
    limits = replace(
        POLICY,
        rings=tuple(replace(rule, success_min=Decimal(1), soak_s=0) for rule in POLICY.rings),
        coverage_min=Decimal(0),
        measure_every_s=1,
        halt=HaltRule(1, Decimal(1)),
    )
    assert NOTHING.when(replace(PROPOSE, policy=limits)).events()
    assert [rule.ring for rule in limits.rings] == list(Ring)


def test_a_policy_is_small_enough_to_be_carried_by_every_proposal() -> None:
    room = gp.SIZE_MAX - size_of(replace(POLICY, version=""))
    assert gp.problems_of(replace(POLICY, version="v" * room)) == []
    assert gp.problems_of(replace(POLICY, version="v" * (room + 1))) == [
        "the policy takes 6000 bytes at the most, not 6001"
    ]
