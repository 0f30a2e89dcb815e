"""Proposing: what a release must bring along, how it is routed, and what its plan may look like."""

from dataclasses import replace
from uuid import UUID

import pytest
from given import given
from intents import CRITICAL, EXE, LOW, NOON, POLICY, RISKY, ROSA, plan, propose, proposed, start

from eucora.application.ports import Context
from eucora.codec.envelope import ENTRY_MAX, seal
from eucora.domain.deployment_intent import DECIDER
from eucora.domain.deployment_intent.events import AutomatedApprovalGranted, DeploymentIntentProposed, ReleaseArtifact
from eucora.domain.deployment_intent.grounds_refusals import ProposalTooLarge
from eucora.domain.deployment_intent.proposal import SIZE_MAX
from eucora.domain.deployment_intent.refusals import (
    CriticalVulnerability,
    EvidenceIncomplete,
    IntentIdTaken,
    IntentUnknown,
    PolicyLacksRing,
    RingPlanInvalid,
)
from eucora.domain.deployment_intent.state import IntentStatus
from eucora.domain.evidence_pack import EvidencePackAssembled
from eucora.domain.plain_json import size_of
from eucora.domain.planes import Plane
from eucora.domain.rings import Ring, RingPlan, RingSpec, RingTarget
from eucora.domain.risk_types import FindingCounts

NOTHING = given(DECIDER)


def test_a_low_score_is_approved_by_itself_with_the_reason_on_record() -> None:
    asked, granted = NOTHING.when(propose()).events()
    assert isinstance(asked, DeploymentIntentProposed)
    assert isinstance(granted, AutomatedApprovalGranted)
    assert asked.route.cab_from_ring is None
    assert granted.binding == asked.binding.digest
    assert "not above 50" in granted.reason
    assert (granted.expires_at - NOON).days == 30
    assert proposed().state.status is IntentStatus.APPROVED


@pytest.mark.parametrize(("pack", "from_ring"), [(RISKY, Ring.PILOT), (CRITICAL, Ring.CANARY)])
def test_a_high_score_or_a_critical_class_needs_cab_and_is_not_approved_by_itself(
    pack: EvidencePackAssembled, from_ring: Ring
) -> None:
    (asked,) = NOTHING.when(propose(pack)).events()
    assert isinstance(asked, DeploymentIntentProposed)
    assert asked.route.cab_from_ring == from_ring


def test_the_release_holds_the_files_of_the_planes_that_the_plan_targets_and_no_other() -> None:
    asked = NOTHING.when(propose()).events()[0]
    assert isinstance(asked, DeploymentIntentProposed)
    assert asked.release.artifacts == (ReleaseArtifact(Plane.INTUNE, EXE, EXE),)
    assert asked.packagers == LOW.packagers


def test_incomplete_evidence_is_refused_with_the_list_of_what_is_missing() -> None:
    pack = replace(LOW, missing=("test evidence", "an uninstall command for jamf"))
    refusal = NOTHING.when(propose(pack)).then_refuses(EvidenceIncomplete)
    assert refusal.facts["missing"] == ["test evidence", "an uninstall command for jamf"]


def test_a_critical_vulnerability_without_an_exception_blocks() -> None:
    pack = replace(LOW, findings=FindingCounts(critical=2, excepted=1))
    assert NOTHING.when(propose(pack)).then_refuses(CriticalVulnerability).facts["critical"] == 1


def test_a_critical_vulnerability_with_an_approved_exception_does_not_block() -> None:
    assert NOTHING.when(propose(replace(LOW, findings=FindingCounts(critical=1, excepted=1)))).events()


def ring(number: Ring, *targets: RingTarget) -> RingSpec:
    return RingSpec(number, targets)


def on(
    group: str, devices: int = 5, plane: Plane = Plane.INTUNE, *, share: tuple[int, int] | None = None
) -> RingTarget:
    return RingTarget(plane, group, devices, share=share)


def shared(*shares: tuple[int, int] | None, group: str = "b") -> RingPlan:
    """A lab of its own, and one group for all rings from canary on, a share of it in each."""
    rings = [ring(Ring(number), on(group, share=share)) for number, share in enumerate(shares, start=1)]
    return RingPlan((ring(Ring.LAB, on("lab")), *rings))


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (RingPlan(()), "lab"),
        (RingPlan((ring(Ring.CANARY, on("a")),)), "begin with the lab"),
        (RingPlan((ring(Ring.LAB, on("a")), ring(Ring.PILOT, on("b")))), "leave no ring out"),
        (RingPlan((ring(Ring.CANARY, on("a")), ring(Ring.LAB, on("b")))), "begin with the lab"),
        (RingPlan((ring(Ring.LAB, on("a")), ring(Ring.CANARY))), "ring 1 has no target"),
        (RingPlan((ring(Ring.LAB, on("a", devices=0)),)), "holds no device"),
        (RingPlan((ring(Ring.LAB, on(" ")),)), "without a group"),
        (RingPlan((ring(Ring.LAB, on("a")), ring(Ring.CANARY, on("a")))), "a target 2 times"),
        (
            RingPlan((ring(Ring.LAB, on("a")), ring(Ring.CANARY, on("b"), on("c", plane=Plane.JAMF)))),
            "jamf is missing in the lab (0): add a group of jamf to ring 0",
        ),
        (RingPlan((ring(Ring.LAB, on("a"), on("a")),)), "group a on intune is a target of ring 0 more than once: keep"),
        (
            RingPlan((ring(Ring.LAB, on("a", share=(0, 10)), on("a", share=(10, 20))),)),
            "group a on intune is a target of ring 0 more than once: keep one",
        ),
        (shared((-1, 10)), "group b on intune in ring 1 has the share -1–10 %: begin at 0 or later"),
        (shared((0, 101)), "has the share 0–101 %"),
        (shared((10, 10)), "has the share 10–10 %"),
        (shared((50, 10)), "has the share 50–10 %"),
        (shared((0, 11), (10, 50)), "has devices in two rings (0–11 % and 10–50 %): begin each share where the one"),
        (shared((10, 50), (0, 11)), "has devices in two rings (0–11 % and 10–50 %)"),
        (shared((0, 100), (50, 60)), "has devices in two rings (0–100 % and 50–60 %)"),
        (shared((0, 10), None), "group b on intune is a target as a whole and by shares"),
        (shared((0, 10), (10, 50), None), "group b on intune is a target as a whole and by shares"),
        (shared(None, None), "is a target 2 times: keep one, or give each ring a share of it"),
        (
            RingPlan((ring(Ring.LAB, on("a", devices=0, share=(3, 4))),)),
            "group a on intune in ring 0 holds no device in its share of 3–4 %: make it larger",
        ),
    ],
)
def test_a_plan_that_cannot_be_carried_out_is_refused(bad: RingPlan, told: str) -> None:
    refusal = NOTHING.when(propose(ring_plan=bad)).then_refuses(RingPlanInvalid)
    assert told in refusal.message


@pytest.mark.parametrize(
    "good",
    [
        shared((0, 10), (10, 50), (50, 100)),
        shared((50, 100), (0, 10), (10, 50)),  # in whatever order
        shared((0, 10), (90, 100)),  # a part of the group never gets it
        shared((0, 100)),
        shared(None),
    ],
)
def test_a_group_may_stand_in_several_rings_with_shares_that_have_nothing_in_common(good: RingPlan) -> None:
    (event, *_) = NOTHING.when(propose(ring_plan=good)).events()
    assert isinstance(event, DeploymentIntentProposed)
    assert event.ring_plan == good


def test_the_same_name_on_the_other_plane_is_another_group() -> None:
    lab = ring(Ring.LAB, on("a"), on("a", plane=Plane.JAMF, share=(0, 50)))
    both = RingPlan((lab, ring(Ring.CANARY, on("a", plane=Plane.JAMF, share=(50, 100)))))
    assert NOTHING.when(propose(ring_plan=both)).events()


def test_a_later_ring_may_leave_a_plane_out_that_the_lab_has() -> None:
    both = ring(Ring.LAB, on("a"), on("b", plane=Plane.JAMF))
    assert NOTHING.when(propose(ring_plan=RingPlan((both, ring(Ring.CANARY, on("c")))))).events()


def test_a_plane_without_an_install_plan_in_the_pack_is_refused() -> None:
    windows_only = replace(LOW, installs=LOW.installs[:1])
    refusal = NOTHING.when(propose(windows_only, plan(plane=Plane.JAMF))).then_refuses(RingPlanInvalid)
    assert "no install plan for jamf" in refusal.message


def test_every_problem_of_a_plan_is_told_at_once() -> None:
    bad = RingPlan((ring(Ring.CANARY, on("", devices=1)), ring(Ring.PILOT)))
    refusal = NOTHING.when(propose(ring_plan=bad)).then_refuses(RingPlanInvalid)
    assert len(refusal.facts["problems"]) == 3  # type: ignore[arg-type]  # facts are JSON-ready


def test_a_policy_without_a_rule_for_a_ring_of_the_plan_is_refused() -> None:
    policy = replace(POLICY, rings=POLICY.rings[:2])
    refusal = NOTHING.when(propose(ring_plan=plan(Ring.PILOT), policy=policy)).then_refuses(PolicyLacksRing)
    assert refusal.facts["rings"] == ["pilot"]


def test_proposing_twice_records_once() -> None:
    proposed().when(propose()).then()


def test_an_intent_never_changes() -> None:
    proposed().when(propose(ring_plan=plan(Ring.CANARY))).then_refuses(IntentIdTaken)
    proposed().when(replace(propose(), by="idp|somebody")).then_refuses(IntentIdTaken)


def test_nothing_can_be_asked_of_an_intent_that_nobody_proposed() -> None:
    NOTHING.when(start(ROSA)).then_refuses(IntentUnknown)


def test_a_proposal_that_names_another_version_than_the_one_in_force_is_not_approved_by_itself() -> None:
    clause = "names gate policy 1.0, and 2.0 is in force"
    (event,) = NOTHING.when(replace(propose(), not_in_force=(clause,))).events()
    assert isinstance(event, DeploymentIntentProposed)
    assert (event.route.cab_from_ring, event.not_in_force) == (Ring.CANARY, (clause,))
    assert event.route.reasons == (f"{clause}: CAB from ring 1 on",)


def wide(targets: int) -> RingPlan:
    return RingPlan(tuple(ring(one, *(on(f"{one:d}-{number:060}") for number in range(targets))) for one in Ring))


def test_a_proposal_that_no_entry_of_the_log_can_hold_is_refused_with_what_to_leave_out() -> None:
    refusal = NOTHING.when(propose(ring_plan=wide(100))).then_refuses(ProposalTooLarge)
    assert refusal.facts["targets"] == 500
    assert "name fewer than its 500 targets" in refusal.message
    (event, _) = NOTHING.when(propose(ring_plan=wide(60))).events()
    context = Context("issuer|" + "a" * 60, "c" * 36, intent_id="i" * 36)
    entry = seal(event, id=UUID(int=1), stream="deployment_intent-" + "i" * 36, version=1, at=NOON, context=context)
    assert 0 <= len(entry.body) - size_of(event) < ENTRY_MAX - SIZE_MAX  # so whatever is not refused fits an entry
