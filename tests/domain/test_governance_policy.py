"""Governance policy: numbers that can be kept, versions that never change, and four eyes on each."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from given import given

from eucora.domain import governance_policy as gp
from eucora.domain.governance_checks import SIZE_MAX, problems_of
from eucora.domain.governance_policy import DECIDER, active_governance, recorded_governance
from eucora.domain.governance_types import (
    GOVERNANCE_1_0,
    BreakGlassLimits,
    DriftRules,
    ExceptionLimits,
    FreshnessRules,
    GovernanceMode,
    GovernancePolicy,
    ReviewRules,
    StandardChange,
)
from eucora.domain.plain_json import size_of
from eucora.domain.reasons import ReasonMissing
from eucora.domain.rings import Ring
from eucora.domain.risk_types import BlastRadiusClass

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
DAY_S = 86_400
POLICY = replace(GOVERNANCE_1_0, version="1.1")
PROPOSE = gp.ProposeGovernancePolicy(POLICY, "two bad releases", "idp|ada", NOON)
ACTIVATE = gp.ActivateGovernancePolicy("idp|bo", NOON)
RETIRE = gp.RetireGovernancePolicy("1.1", "too lax", "idp|bo", NOON)
NOTHING = given(DECIDER)
PROPOSED = NOTHING.and_when(PROPOSE)
ACTIVE = PROPOSED.and_when(ACTIVATE)


def test_a_policy_is_proposed_with_its_reason_and_once() -> None:
    NOTHING.when(PROPOSE).then(gp.GovernancePolicyProposed(POLICY, "two bad releases", "idp|ada", NOON))
    NOTHING.when(replace(PROPOSE, reason="")).then_refuses(ReasonMissing)
    PROPOSED.when(PROPOSE).then()


def test_a_version_never_changes_nor_takes_the_place_of_the_products_own() -> None:
    PROPOSED.when(replace(PROPOSE, policy=replace(POLICY, score_max=Decimal(9)))).then_refuses(
        gp.GovernancePolicyVersionTaken
    )
    NOTHING.when(replace(PROPOSE, policy=GOVERNANCE_1_0)).then_refuses(gp.GovernancePolicyVersionTaken)


def test_a_policy_is_activated_by_somebody_else_than_its_proposer() -> None:
    PROPOSED.when(replace(ACTIVATE, by="idp|ada")).then_refuses(gp.ProposerMayNotActivateGovernance)
    PROPOSED.when(ACTIVATE).then(gp.GovernancePolicyActivated("idp|bo", NOON))
    ACTIVE.when(ACTIVATE).then()
    NOTHING.when(ACTIVATE).then_refuses(gp.GovernancePolicyUnknown)


def test_intents_are_governed_by_an_active_policy_only() -> None:
    assert active_governance(ACTIVE.state, "1.1") == POLICY
    assert active_governance(NOTHING.state, "1.0") == GOVERNANCE_1_0
    with pytest.raises(gp.GovernancePolicyNotActive):
        active_governance(PROPOSED.state, "1.1")
    with pytest.raises(gp.GovernancePolicyUnknown):
        active_governance(NOTHING.state, "1.1")


def test_a_retired_policy_governs_nothing_new_and_can_be_replayed() -> None:
    ACTIVE.when(RETIRE).then(gp.GovernancePolicyRetired("too lax", "idp|bo", NOON))
    ACTIVE.when(replace(RETIRE, reason="")).then_refuses(ReasonMissing)
    retired = ACTIVE.and_when(RETIRE)
    retired.when(RETIRE).then()
    with pytest.raises(gp.GovernancePolicyOutOfUse):
        active_governance(retired.state, "1.1")
    assert recorded_governance(retired.state, "1.1") == POLICY
    PROPOSED.and_when(RETIRE).when(ACTIVATE).then_refuses(gp.GovernancePolicyOutOfUse)
    NOTHING.when(RETIRE).then_refuses(gp.GovernancePolicyUnknown)


def test_the_products_own_policy_can_be_retired_too() -> None:
    retired = NOTHING.and_when(replace(RETIRE, version="1.0"))
    with pytest.raises(gp.GovernancePolicyOutOfUse):
        active_governance(retired.state, "1.0")
    assert recorded_governance(retired.state, "1.0") == GOVERNANCE_1_0


def policy(**changes: object) -> GovernancePolicy:
    return replace(POLICY, **changes)  # type: ignore[arg-type]  # the fields are those of GovernancePolicy


def quorum(votes: int) -> GovernancePolicy:
    return policy(quorum=tuple((radius, votes) for radius, _ in POLICY.quorum))


def review(**changes: object) -> GovernancePolicy:
    return policy(review=replace(ReviewRules(), **changes))  # type: ignore[arg-type]


def trusting(*thresholds: int, radius: BlastRadiusClass = BlastRadiusClass.NON_CRITICAL) -> GovernancePolicy:
    rest = tuple(line for line in POLICY.auto_approve if line[0] is not radius)
    return policy(auto_approve=(*rest, (radius, tuple(map(Decimal, thresholds)))))


def level(number: int, **changes: object) -> GovernancePolicy:
    levels = [replace(one, **changes) if one.level == number else one for one in POLICY.maturity]  # type: ignore[arg-type]
    return policy(maturity=tuple(levels))


def exceptions(**changes: object) -> GovernancePolicy:
    return policy(exceptions=replace(ExceptionLimits(), **changes))  # type: ignore[arg-type]


def standard(*changes: StandardChange) -> GovernancePolicy:
    return policy(standard_changes=changes)


NOTES = StandardChange("notes", Decimal(30), "twenty releases without an incident")

BAD: list[tuple[GovernancePolicy, str]] = [
    (policy(version=" "), "version"),
    (policy(score_max=Decimal("-0.1")), "score_max is a score from 0 to 100"),
    (policy(score_max=Decimal("100.1")), "score_max is a score from 0 to 100"),
    (policy(cab_from_by_score=Ring.LAB, cab_from_always=Ring.LAB), "the lab never needs CAB"),
    (policy(cab_from_always=Ring.DEPARTMENT), "not a later ring"),
    (policy(always=()), "critical_infrastructure: no policy takes it past CAB"),
    (policy(always=POLICY.always * 2), "twice"),
    (policy(quorum=POLICY.quorum[1:]), "quorum has one line for each"),
    (quorum(0), "from 1 to 15, not 0"),
    (quorum(16), "from 1 to 15, not 16"),
    (policy(auto_approve=POLICY.auto_approve[1:]), "auto_approve has one line for each"),
    (trusting(0, 30, 50, 65), "one threshold for each maturity level"),
    (trusting(1, 30, 50, 65, 75), "begins with 0"),
    (trusting(0, 50, 30, 65, 75), "does not fall"),
    (trusting(0, 30, 50, 65, 101), "from 0 to 100, not 101"),
    (trusting(0, 0, 0, 0, 1, radius=BlastRadiusClass.CRITICAL_INFRASTRUCTURE), "no maturity takes it past CAB"),
    (policy(maturity=POLICY.maturity[1:]), "one line for each level"),
    (level(4, incident_rate_max=Decimal("0.006")), "does not rise"),
    (level(1, incident_rate_max=Decimal("1.01")), "from 0 to 1, not 1.01"),
    (level(2, weeks=0), "weeks are from 1 to 52"),
    (level(2, weeks=53), "weeks are from 1 to 52"),
    (level(3, p2_max=-1), "p2_max"),
    (standard(replace(NOTES, application_id=" ")), "names its application"),
    (standard(replace(NOTES, reason=" ")), "says why"),
    (standard(replace(NOTES, score_max=Decimal(101))), "from 0 to 100, not 101"),
    (standard(NOTES, NOTES), "2 times"),
    (review(standard_s=0), "review.standard_s"),
    (review(urgent_s=-1), "review.urgent_s"),
    (review(urgent_s=49 * 3_600), "not longer than review.standard_s"),
    (review(approval_valid_s=367 * DAY_S), "review.approval_valid_s"),
    (review(retrospective_due_s=0), "review.retrospective_due_s"),
    (review(delegation_max_s=0), "review.delegation_max_s"),
    (review(emergency_quorum=0), "emergency_quorum"),
    (review(emergency_quorum_critical=0), "emergency_quorum_critical"),
    (review(emergency_quorum_critical=16), "emergency_quorum_critical"),
    (review(emergency_quorum=16), "emergency_quorum"),
    (review(remind_at=(Decimal(1),)), "shares between 0 and 1"),
    (review(escalate_at=Decimal(0)), "shares between 0 and 1"),
    (review(remind_at=(Decimal("0.7"), Decimal("0.5"))), "remind_at ascends"),
    (policy(freshness=FreshnessRules(cohort_growth_max=Decimal("1.01"))), "cohort_growth_max"),
    (policy(freshness=FreshnessRules(score_tiers=(Decimal(50), Decimal(25)))), "score_tiers ascend"),
    (policy(freshness=FreshnessRules(score_tiers=(Decimal(101),))), "from 0 to 100, not 101"),
    (exceptions(valid_max_s=90 * DAY_S + 1), "exceptions.valid_max_s"),
    (exceptions(extension_max_s=90 * DAY_S + 1), "exceptions.extension_max_s"),
    (exceptions(extensions_max=2), "extensions_max is 0 or 1"),
    (exceptions(remind_before_s=(1, 2)), "descends"),
    (exceptions(remind_before_s=(90 * DAY_S,)), "inside the time"),
    (exceptions(cab_above_score=Decimal(101)), "cab_above_score"),
    (policy(break_glass=BreakGlassLimits(max_s=4 * 3_600 + 1)), "break_glass.max_s"),
    (policy(break_glass=BreakGlassLimits(default_s=3_601, max_s=3_600)), "not longer than break_glass.max_s"),
    (policy(break_glass=BreakGlassLimits(review_due_s=0)), "break_glass.review_due_s"),
    (policy(break_glass=BreakGlassLimits(confirm_s=59)), "break_glass.confirm_s is from 60 seconds"),
    (policy(break_glass=BreakGlassLimits(max_s=7_200, confirm_s=7_201)), "break_glass.max_s (7200), not 7201"),
    (policy(drift=DriftRules(every_s=0)), "drift.every_s"),
    (policy(drift=DriftRules(every_s=60)), "not longer than drift.every_s"),
    (policy(drift=DriftRules(automatic_up_to=Ring.PILOT)), "beyond, a person decides"),
    (policy(drift=DriftRules(tries_max=4)), "from 0 to 3, not 4"),
]


@pytest.mark.parametrize(("bad", "told"), BAD, ids=[f"{number}: {told}" for number, (_, told) in enumerate(BAD)])
def test_what_nobody_could_keep_is_refused(bad: GovernancePolicy, told: str) -> None:
    refusal = NOTHING.when(replace(PROPOSE, policy=bad)).then_refuses(gp.GovernancePolicyInvalid)
    assert told in refusal.message


def test_every_problem_is_listed() -> None:
    bad = replace(quorum(0), score_max=Decimal(101), drift=DriftRules(tries_max=9))
    refusal = NOTHING.when(replace(PROPOSE, policy=bad)).then_refuses(gp.GovernancePolicyInvalid)
    assert len(refusal.facts["problems"]) == 4 + 1 + 1  # type: ignore[arg-type]  # facts are objects; this is a list


GOOD: list[GovernancePolicy] = [
    GOVERNANCE_1_0,
    policy(mode=GovernanceMode.TRUST_MATURITY, always=()),
    policy(score_max=Decimal(0)),
    policy(score_max=Decimal(100)),
    quorum(1),
    quorum(15),
    trusting(0, 0, 0, 0, 100),
    level(4, incident_rate_max=Decimal(0)),
    review(standard_s=1, urgent_s=1, remind_at=(), emergency_quorum=15),
    exceptions(valid_max_s=90 * DAY_S, extensions_max=0),
    policy(break_glass=BreakGlassLimits(default_s=4 * 3_600, max_s=4 * 3_600)),
    policy(break_glass=BreakGlassLimits(confirm_s=60)),
    policy(break_glass=BreakGlassLimits(max_s=7_200, confirm_s=7_200)),
    policy(drift=DriftRules(automatic_up_to=Ring.LAB, tries_max=0)),
    standard(NOTES),
]


@pytest.mark.parametrize("good", GOOD)
def test_the_limits_themselves_are_allowed(good: GovernancePolicy) -> None:
    assert problems_of(good) == []


def changes(count: int, reason: str = "monthly patch") -> tuple[StandardChange, ...]:
    return tuple(StandardChange(f"application-{number:03}", Decimal(40), reason) for number in range(count))


def test_a_policy_is_small_enough_to_be_carried_by_every_proposal() -> None:
    assert problems_of(replace(POLICY, standard_changes=changes(30, "r" * 200))) == []
    assert problems_of(replace(POLICY, standard_changes=changes(31))) == [
        "there are 30 standard changes at the most, not 31"
    ]
    assert problems_of(replace(POLICY, standard_changes=changes(1, "r" * 201))) == [
        "the reason of the standard change of application-000 has 200 characters at the most, not 201"
    ]
    wide = replace(POLICY, standard_changes=changes(30, "界" * 200))  # three bytes each
    assert size_of(wide) > SIZE_MAX
    assert problems_of(wide) == [
        f"the policy takes 12000 bytes at the most, not {size_of(wide)}: shorten its texts, or list fewer changes"
    ]
