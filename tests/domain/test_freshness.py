"""Whether what an approval rested on still holds: each rule at its edge, and that nothing else voids an approval."""

from dataclasses import replace
from decimal import Decimal

import pytest

from eucora.domain.freshness import Basis, changes, grew
from eucora.domain.governance_types import FreshnessRules

RULES = FreshnessRules()  # 10 % growth; tiers end at 25, 50 and 75
BASIS = Basis(Decimal("48.0"), 1_000, ("CVE-1",), ())


def test_a_basis_that_did_not_change_is_fresh() -> None:
    assert changes(BASIS, BASIS, RULES) == ()


@pytest.mark.parametrize(
    ("before", "now", "crossed"),
    [
        ("48.0", "49.9", None),
        ("48.0", "50.0", None),
        ("48.0", "50.1", "50"),
        ("50.0", "50.1", "50"),
        ("50.1", "74.9", None),
        ("20.0", "80.0", "75"),
        ("60.0", "20.0", None),  # a lower score voids nothing
    ],
)
def test_a_score_that_leaves_its_tier_upwards_is_a_change(before: str, now: str, crossed: str | None) -> None:
    found = changes(replace(BASIS, score=Decimal(before)), replace(BASIS, score=Decimal(now)), RULES)
    assert found == (() if crossed is None else (f"the risk score rose from {before} to {now}, above {crossed}",))


@pytest.mark.parametrize(("devices", "more"), [(900, False), (1_100, False), (1_101, True), (5_000, True)])
def test_a_rollout_that_grew_by_more_than_its_share_is_a_change(devices: int, more: bool) -> None:
    found = changes(BASIS, replace(BASIS, devices=devices), RULES)
    assert bool(found) is more
    assert not found or f"from 1000 to {devices} devices, by more than 10 %" in found[0]


def test_growth_is_counted_exactly() -> None:
    assert not grew(10, 11, Decimal("0.10"))
    assert grew(10, 12, Decimal("0.10"))
    assert grew(0, 1, Decimal("0.10"))
    assert not grew(0, 0, Decimal("0.10"))


def test_only_findings_that_were_not_known_are_news() -> None:
    assert changes(BASIS, replace(BASIS, critical=()), RULES) == ()
    (found,) = changes(BASIS, replace(BASIS, critical=("CVE-3", "CVE-1", "CVE-2")), RULES)
    assert found == "new critical findings for the same SBOM: CVE-2, CVE-3"


def test_an_exception_that_is_over_is_said_once() -> None:
    over = replace(BASIS, lapsed=("x-1",))
    assert changes(BASIS, over, RULES) == ("exceptions that the release needs are over: x-1",)
    assert changes(over, over, RULES) == ()


def test_what_was_decided_about_the_release_elsewhere_is_news_once() -> None:
    no = "CAB rejected this release in review r-1"
    told = replace(BASIS, precedents=(no,))
    assert changes(BASIS, told, RULES) == (no,)
    assert changes(told, told, RULES) == ()
    assert changes(told, BASIS, RULES) == (), "what CAB unsaid since is no change for the worse"
