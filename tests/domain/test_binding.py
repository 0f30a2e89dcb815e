"""What an approval is bound to: any change of content changes the digest, and nothing else does."""

import hashlib
from dataclasses import fields, replace
from decimal import Decimal

import pytest

from eucora.domain.binding import bind, digest_of
from eucora.domain.deployment_intent.events import Binding, ReleaseArtifact
from eucora.domain.gate_types import GatePolicy, HaltRule, OverlapRule, RingRule, SuccessRule
from eucora.domain.planes import Plane, SiteClass
from eucora.domain.policies import GATE_POLICY_1_0
from eucora.domain.rings import OfferAs, Ring, RingPlan, RingSpec, RingTarget

PACK = "aa" * 32
EXE = ReleaseArtifact(Plane.INTUNE, "bb" * 32, "cc" * 32)
PKG = ReleaseArtifact(Plane.JAMF, "dd" * 32, "ee" * 32)
WINDOWS = RingTarget(Plane.INTUNE, "group-1", 8)
MACS = RingTarget(Plane.JAMF, "7", 5, SiteClass.INTERMITTENT, critical=True)
CANARY = RingSpec(Ring.CANARY, (RingTarget(Plane.INTUNE, "group-2", 60),))
PLAN = RingPlan((RingSpec(Ring.LAB, (WINDOWS, MACS)), CANARY))

BOUND = bind(PACK, (EXE, PKG), PLAN, "1.0", GATE_POLICY_1_0)


def test_known_answer() -> None:
    """Made with sha256sum from JSON written by hand. A change here voids every approval that is on record."""
    bound = bind(PACK, (EXE, PKG), PLAN, "1.0", GATE_POLICY_1_0)
    assert bound == Binding(
        evidence_pack=PACK,
        artifacts=(f"intune:{'bb' * 32}:{'cc' * 32}", f"jamf:{'dd' * 32}:{'ee' * 32}"),
        ring_plan="867c2411e042add9ad4d8d23666c800d6d77728f2244c98b9ad59a617e64a6e6",
        risk_model="1.0",
        gate_policy="1.0:44159b58ec47aba4e7f70d13a25c7143d9818c21950f513875e3369d18f1e9c4",
        digest="44ae0ad88e81888726716de4c84b56f8a1e116ac7049c0a5905a23077c62055f",
    )


def test_the_canonical_form_is_sorted_ascii_json_without_spaces() -> None:
    canonical = b'{"a":[1,"\\u00e9",true,null],"b":"0.97"}'
    assert digest_of({"b": Decimal("0.970"), "a": (1, "é", True, None)}) == hashlib.sha256(canonical).hexdigest()


def test_the_order_of_artifacts_and_targets_does_not_count() -> None:
    turned = RingPlan((RingSpec(Ring.LAB, (MACS, WINDOWS)), CANARY))
    assert bind(PACK, (PKG, EXE), turned, "1.0", GATE_POLICY_1_0) == BOUND


def test_trailing_zeros_of_a_threshold_do_not_count() -> None:
    assert bind(PACK, (EXE, PKG), PLAN, "1.0", replace(GATE_POLICY_1_0, coverage_min=Decimal("0.9"))) == BOUND


@pytest.mark.parametrize(
    "other",
    [
        bind("ab" * 32, (EXE, PKG), PLAN, "1.0", GATE_POLICY_1_0),
        bind(PACK, (EXE,), PLAN, "1.0", GATE_POLICY_1_0),
        bind(PACK, (EXE, replace(PKG, content="ff" * 32)), PLAN, "1.0", GATE_POLICY_1_0),
        bind(PACK, (EXE, replace(PKG, artifact="ff" * 32)), PLAN, "1.0", GATE_POLICY_1_0),
        bind(PACK, (EXE, replace(PKG, plane=Plane.INTUNE)), PLAN, "1.0", GATE_POLICY_1_0),
        bind(PACK, (EXE, PKG), RingPlan(PLAN.rings[:1]), "1.0", GATE_POLICY_1_0),
        bind(PACK, (EXE, PKG), PLAN, "1.1", GATE_POLICY_1_0),
        bind(PACK, (EXE, PKG), PLAN, "1.0", replace(GATE_POLICY_1_0, version="1.1")),
    ],
    ids=["pack", "fewer artifacts", "content", "artifact", "plane", "rings", "risk model", "policy version"],
)
def test_a_change_of_any_part_changes_the_digest(other: Binding) -> None:
    assert other.digest != BOUND.digest


TARGET_CHANGES = {
    "plane": Plane.JAMF,
    "group": "group-9",
    "devices": 9,
    "site_class": SiteClass.AIR_GAPPED,
    "critical": True,
    "share": (0, 10),
    "offer_as": OfferAs.AVAILABLE,
    "excluded": ("group-8",),
}


@pytest.mark.parametrize("name", [field.name for field in fields(RingTarget)])
def test_every_field_of_a_target_is_bound(name: str) -> None:
    changed = replace(WINDOWS, **{name: TARGET_CHANGES[name]})
    plan = RingPlan((RingSpec(Ring.LAB, (changed, MACS)), CANARY))
    assert bind(PACK, (EXE, PKG), plan, "1.0", GATE_POLICY_1_0).digest != BOUND.digest


def test_another_share_is_another_plan_and_no_share_is_bound_as_before_there_were_any() -> None:
    def with_share(share: tuple[int, int] | None) -> str:
        plan = RingPlan((RingSpec(Ring.LAB, (replace(WINDOWS, share=share), MACS)), CANARY))
        return bind(PACK, (EXE, PKG), plan, "1.0", GATE_POLICY_1_0).ring_plan

    assert with_share(None) == "867c2411e042add9ad4d8d23666c800d6d77728f2244c98b9ad59a617e64a6e6"
    assert len({with_share(share) for share in (None, (0, 100), (0, 10), (0, 11), (1, 10))}) == 5


POLICY_CHANGES = {
    "version": "1.0-b",
    "rings": (RingRule(Ring.LAB, Decimal("0.95"), 86_401), *GATE_POLICY_1_0.rings[1:]),
    "time_to_compliance_s": ((SiteClass.ONLINE, 1), *GATE_POLICY_1_0.time_to_compliance_s[1:]),
    "coverage_min": Decimal("0.89"),
    "reachable_within_s": 1,
    "success_rule": SuccessRule.BOUND,
    "halt": HaltRule(finished_min=11),
    "measure_every_s": 1,
    "rehearsal_min": Decimal("0.94"),
    "sample_min": 1,
    "per_plane": True,
    "soak_needs_coverage": False,
    "overlap": OverlapRule.BLOCK,
}


@pytest.mark.parametrize("name", [field.name for field in fields(GatePolicy)])
def test_every_field_of_the_gate_policy_is_bound_not_only_its_version(name: str) -> None:
    changed = replace(GATE_POLICY_1_0, **{name: POLICY_CHANGES[name]})
    assert bind(PACK, (EXE, PKG), PLAN, "1.0", changed).digest != BOUND.digest


@pytest.mark.parametrize("value", [0.97, {"a": [1.0]}, b"bytes", GatePolicy])
def test_what_has_no_canonical_form_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="no canonical form"):
        digest_of(value)
