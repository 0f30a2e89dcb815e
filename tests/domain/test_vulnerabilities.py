"""Findings of several scanners become one list: every vulnerability in a component once, the worst word counts."""

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eucora.domain.findings import (
    Component,
    Cvss,
    Finding,
    FindingSeverity,
    ScanFacts,
    VexFacts,
    VexStatement,
    VexStatus,
)
from eucora.domain.risk_types import FindingCounts
from eucora.domain.vulnerabilities import (
    CRITICAL_LISTED_MAX,
    MergedFinding,
    counts,
    critical_ids,
    merge,
    suppressed,
)

LEFT = Component("left-pad", "1.0.0", "pkg:npm/left-pad@1.0.0")
RIGHT = Component("right-pad", "2.0.0", "pkg:npm/right-pad@2.0.0")
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HIGH, CRITICAL, LOW = FindingSeverity.HIGH, FindingSeverity.CRITICAL, FindingSeverity.LOW


def scan(tool: str, *findings: Finding) -> ScanFacts:
    return ScanFacts(tool, "1", "", findings)


def found(id: str, severity: FindingSeverity = HIGH, component: Component = LEFT, *aliases: str) -> Finding:
    return Finding(id, severity, component, aliases=aliases, severity_rule=f"{severity} by its own word")


def vex(*statements: VexStatement) -> VexFacts:
    return VexFacts("openvex", "Example PSIRT", statements)


def says(status: VexStatus, id: str = "CVE-2026-1", *products: str, day: int = 0) -> VexStatement:
    return VexStatement(id, status, products, "not in the execute path", NOON + timedelta(days=day))


def only(merged: Sequence[MergedFinding]) -> MergedFinding:
    (one,) = merged
    return one


def test_two_scanners_that_report_the_same_make_one_finding_with_two_sources() -> None:
    one = only(merge([scan("grype", found("CVE-2026-1")), scan("trivy", found("CVE-2026-1"))]))
    assert [source.tool for source in one.sources] == ["grype", "trivy"]
    assert (one.severity, one.rule) == (HIGH, "high by its own word")


def test_the_same_vulnerability_under_another_id_is_one_finding_named_by_its_cve() -> None:
    advisory = found("GHSA-aaaa-bbbb-cccc", HIGH, LEFT, "CVE-2026-1")
    one = only(merge([scan("grype", advisory), scan("osv", found("CVE-2026-1"))]))
    assert (one.id, one.aliases) == ("CVE-2026-1", ("GHSA-aaaa-bbbb-cccc",))
    assert {source.id for source in one.sources} == {"CVE-2026-1", "GHSA-aaaa-bbbb-cccc"}


def test_ids_are_the_same_also_over_an_alias_that_only_a_third_scanner_knows() -> None:
    one = only(
        merge(
            [
                scan("a", found("GHSA-aaaa-bbbb-cccc")),
                scan("b", found("RUSTSEC-2026-0001")),
                scan("c", found("PYSEC-2026-1", HIGH, LEFT, "RUSTSEC-2026-0001", "GHSA-aaaa-bbbb-cccc")),
            ]
        )
    )
    assert one.id == "GHSA-aaaa-bbbb-cccc"  # the first of them, since no CVE is known
    assert one.aliases == ("PYSEC-2026-1", "RUSTSEC-2026-0001")


def test_two_cves_are_never_one_finding_whatever_a_scanner_calls_their_alias() -> None:
    """Else a waiver or a statement for the one would cover the other."""
    both = found("GHSA-aaaa-bbbb-cccc", CRITICAL, LEFT, "CVE-2026-1", "CVE-2026-2")
    merged = merge([scan("osv", both), scan("grype", found("CVE-2026-1", CRITICAL), found("CVE-2026-2", CRITICAL))])
    assert [one.id for one in merged] == ["CVE-2026-1", "CVE-2026-2", "GHSA-aaaa-bbbb-cccc"]
    assert merged[2].related == ("CVE-2026-1", "CVE-2026-2")
    assert counts(merged, {"CVE-2026-1"}) == FindingCounts(critical=3, excepted=1)
    marked = merge([scan("osv", both)], [vex(says(VexStatus.NOT_AFFECTED, "CVE-2026-1"))])
    assert counts(marked).critical == 1


def test_one_vulnerability_in_two_components_is_two_findings_and_one_id() -> None:
    merged = merge([scan("grype", found("CVE-2026-1", CRITICAL), found("CVE-2026-1", CRITICAL, RIGHT))])
    assert counts(merged).critical == 2
    assert critical_ids(merged) == ("CVE-2026-1",)


@pytest.mark.parametrize(
    "same",
    [
        Component("left-pad", "1.0.0", "pkg:npm/left-pad@1.0.0?package-id=7#lib"),
        Component("left-pad", "1.0.0", "pkg:npm/left-pad"),
        Component("left_pad", "", "pkg:npm/left-pad@1.0.0"),
        Component("Left-Pad", "1.0.0"),
    ],
    ids=["qualifiers", "version apart", "another name", "no purl"],
)
def test_a_component_is_the_same_however_a_scanner_writes_it(same: Component) -> None:
    one = only(merge([scan("grype", found("CVE-2026-1")), scan("trivy", found("CVE-2026-1", HIGH, same))]))
    assert len(one.sources) == 2
    assert one.component.purl.startswith("pkg:npm/left-pad")


@pytest.mark.parametrize(
    "other",
    [
        Component("left-pad", "1.0.1", "pkg:npm/left-pad@1.0.1"),
        Component("left-pad", "1.0.0", "pkg:pypi/left-pad@1.0.0"),
        Component("left-pad", "1.0.0", "pkg:npm/%40scope/left-pad@1.0.0"),
        Component("left-pad", "2"),
    ],
)
def test_another_version_type_or_scope_is_another_component(other: Component) -> None:
    assert len(merge([scan("grype", found("CVE-2026-1")), scan("trivy", found("CVE-2026-1", HIGH, other))])) == 2


def test_a_nameless_match_is_not_guessed_between_two_components() -> None:
    npm, pypi = Component("pad", "1", "pkg:npm/pad@1"), Component("pad", "1", "pkg:pypi/pad@1")
    reports = [found("CVE-2026-1", HIGH, one) for one in (npm, pypi, Component("pad", "1"))]
    assert len(merge([scan("grype", *reports)])) == 3


def test_where_scanners_disagree_the_worst_counts_and_the_rule_says_so() -> None:
    one = only(merge([scan("grype", found("CVE-2026-1", HIGH)), scan("trivy", found("CVE-2026-1", CRITICAL))]))
    assert one.severity is CRITICAL
    assert one.rule == "the scanners disagree (grype: high, trivy: critical); the worst counts"


def test_unknown_is_worse_than_none_and_better_than_low() -> None:
    for worse, better in ((LOW, FindingSeverity.UNKNOWN), (FindingSeverity.UNKNOWN, FindingSeverity.NONE)):
        one = only(merge([scan("a", found("CVE-2026-1", better)), scan("b", found("CVE-2026-1", worse))]))
        assert one.severity is worse


def test_ratings_and_fixes_of_all_scanners_are_kept_once() -> None:
    rating = Cvss("3.1", "CVSS:3.1/AV:N", Decimal("9.8"))
    first = replace(found("CVE-2026-1"), cvss=(rating,), fixed_in="1.0.1")
    second = replace(found("CVE-2026-1"), cvss=(rating, Cvss("4.0", "CVSS:4.0/AV:N", Decimal(9))), fixed_in="2.0.0")
    one = only(merge([scan("grype", first), scan("trivy", second)]))
    assert [one.version for one in one.cvss] == ["3.1", "4.0"]
    assert one.fixed_in == ("1.0.1", "2.0.0")


def test_severities_are_counted_and_none_counts_as_low() -> None:
    words = [CRITICAL, HIGH, FindingSeverity.MEDIUM, LOW, FindingSeverity.NONE, FindingSeverity.UNKNOWN]
    merged = merge([scan("grype", *(found(f"CVE-2026-{n}", word) for n, word in enumerate(words)))])
    assert counts(merged) == FindingCounts(critical=1, high=1, medium=1, low=2, unknown=1)
    assert [one.severity for one in merged] == [
        *words[:4],
        FindingSeverity.UNKNOWN,
        FindingSeverity.NONE,
    ]  # worst first


def test_a_waiver_counts_by_any_id_of_a_critical_finding_and_for_nothing_else() -> None:
    critical = found("GHSA-aaaa-bbbb-cccc", CRITICAL, LEFT, "CVE-2026-1")
    merged = merge([scan("grype", critical, found("CVE-2026-2", CRITICAL), found("CVE-2026-3"))])
    assert counts(merged, {"CVE-2026-1", "CVE-2026-3"}).excepted == 1
    assert counts(merged, {"GHSA-aaaa-bbbb-cccc"}).excepted == 1
    assert counts(merged, set()).excepted == 0


def test_the_list_of_critical_ids_ends_somewhere() -> None:
    many = [found(f"CVE-2026-{number:04}", CRITICAL) for number in range(CRITICAL_LISTED_MAX + 1)]
    assert len(critical_ids(merge([scan("grype", *many[:-1])]))) == CRITICAL_LISTED_MAX
    assert len(critical_ids(merge([scan("grype", *many)]))) == CRITICAL_LISTED_MAX


@pytest.mark.parametrize(
    ("status", "counted"),
    [
        (VexStatus.NOT_AFFECTED, False),
        (VexStatus.FIXED, False),
        (VexStatus.AFFECTED, True),
        (VexStatus.UNDER_INVESTIGATION, True),
    ],
)
def test_a_statement_takes_a_finding_out_of_the_count_and_never_out_of_the_list(
    status: VexStatus, counted: bool
) -> None:
    merged = merge([scan("grype", found("CVE-2026-1"))], [vex(says(status))])
    one = only(merged)
    assert one.vex is not None
    assert (one.vex.status, one.vex.author) == (status, "Example PSIRT")
    assert one.counted is counted
    assert counts(merged).high == int(counted)
    assert suppressed(merged) == int(not counted)


@pytest.mark.parametrize("status", VexStatus)
def test_no_statement_takes_a_critical_finding_out_of_the_count(status: VexStatus) -> None:
    merged = merge([scan("grype", found("CVE-2026-1", CRITICAL))], [vex(says(status))])
    one = only(merged)
    assert one.vex is not None
    assert (one.vex.status, one.counted) == (status, True)
    assert (counts(merged).critical, critical_ids(merged)) == (1, ("CVE-2026-1",))
    assert suppressed(merged) == int(status in (VexStatus.NOT_AFFECTED, VexStatus.FIXED))
    assert counts(merged, {"CVE-2026-1"}).excepted == 1


@pytest.mark.parametrize(
    ("product", "meant"),
    [
        ("pkg:npm/left-pad@1.0.0", True),
        ("pkg:npm/left-pad@1.0.0?arch=x64", True),
        ("pkg:npm/left-pad", True),
        ("left-pad@1.0.0", True),
        ("urn:cdx:3e671687-395b-41f5-a30f-a58921a69b79/1#pkg:npm/left-pad@1.0.0", True),
        ("pkg:npm/left-pad@1.0.1", False),
        ("pkg:npm/right-pad@2.0.0", False),
        ("left-pad", False),
        ("pkg:generic/editor@2.1", True),
        ("editor@2.1", True),
        ("pkg:generic/editor@2.0", False),
    ],
)
def test_a_statement_is_about_the_products_that_it_names(product: str, meant: bool) -> None:
    subject = Component("editor", "2.1", "pkg:generic/editor@2.1")  # what the SBOM describes: all its parts are meant
    statement = says(VexStatus.NOT_AFFECTED, "CVE-2026-1", product)
    one = only(merge([scan("grype", found("CVE-2026-1"))], [vex(statement)], [subject]))
    assert (one.vex is not None) is meant


def test_the_latest_statement_holds_in_whatever_document_it_stands() -> None:
    first, second = says(VexStatus.AFFECTED, day=1), says(VexStatus.FIXED, "CVE-2026-1", LEFT.purl, day=2)
    for documents in ([vex(first, second)], [vex(second), vex(first)]):
        assert counts(merge([scan("grype", found("CVE-2026-1"))], documents)) == FindingCounts()
    taken_back = vex(first, second, says(VexStatus.UNDER_INVESTIGATION, day=3))
    assert counts(merge([scan("grype", found("CVE-2026-1"))], [taken_back])).high == 1


def test_of_two_statements_of_one_time_the_one_that_suppresses_less_holds() -> None:
    both = vex(says(VexStatus.NOT_AFFECTED), says(VexStatus.AFFECTED))
    assert counts(merge([scan("grype", found("CVE-2026-1"))], [both])).high == 1


def test_a_statement_without_a_time_is_older_than_any_with_one() -> None:
    timeless = replace(says(VexStatus.NOT_AFFECTED), stated_at=None)
    assert counts(merge([scan("grype", found("CVE-2026-1"))], [vex(timeless)])).high == 0
    assert counts(merge([scan("grype", found("CVE-2026-1"))], [vex(timeless, says(VexStatus.AFFECTED))])).high == 1


def test_a_statement_by_an_alias_is_about_the_same_vulnerability() -> None:
    advisory = found("GHSA-aaaa-bbbb-cccc", HIGH, LEFT, "CVE-2026-1")
    for id in ("GHSA-aaaa-bbbb-cccc", "CVE-2026-1", "cve-2026-1"):
        assert counts(merge([scan("osv", advisory)], [vex(says(VexStatus.FIXED, id))])) == FindingCounts()


def test_a_statement_by_its_own_aliases_is_about_them_and_never_about_a_second_cve() -> None:
    aliased = replace(says(VexStatus.FIXED, "VENDOR-7"), aliases=("CVE-2026-1",))
    assert counts(merge([scan("grype", found("CVE-2026-1"))], [vex(aliased)])) == FindingCounts()
    two = replace(says(VexStatus.FIXED, "CVE-2026-2"), aliases=("CVE-2026-1",))
    assert counts(merge([scan("grype", found("CVE-2026-1"))], [vex(two)])).high == 1


@pytest.mark.parametrize(
    ("products", "part", "meant"),
    [
        (("pkg:generic/editor@2.1",), LEFT.purl, True),
        ((), "left-pad@1.0.0", True),
        (("pkg:generic/editor@2.1",), RIGHT.purl, False),
        (("pkg:generic/viewer@1",), LEFT.purl, False),
    ],
)
def test_a_statement_about_parts_of_our_product_is_about_these_only(
    products: tuple[str, ...], part: str, meant: bool
) -> None:
    subject = Component("editor", "2.1", "pkg:generic/editor@2.1")
    statement = replace(says(VexStatus.NOT_AFFECTED, "CVE-2026-1", *products), subcomponents=(part,))
    one = only(merge([scan("grype", found("CVE-2026-1"))], [vex(statement)], [subject]))
    assert (one.vex is not None) is meant


IDS = st.sampled_from(["CVE-2026-1", "CVE-2026-2", "GHSA-a", "GHSA-b", "OSV-1"])
COMPONENTS = st.sampled_from(
    [LEFT, RIGHT, replace(LEFT, purl=""), replace(LEFT, purl="pkg:pypi/left-pad"), Component("", "")]
)
FINDINGS = st.builds(
    Finding, IDS, st.sampled_from(FindingSeverity), COMPONENTS, aliases=st.lists(IDS, max_size=2).map(tuple)
)
SCANS = st.lists(
    st.builds(
        ScanFacts, st.sampled_from(["grype", "trivy"]), st.just("1"), st.just(""), st.lists(FINDINGS, max_size=5)
    ),
    max_size=4,
)
STATEMENTS = st.builds(
    VexStatement,
    IDS,
    st.sampled_from(VexStatus),
    st.lists(st.sampled_from([LEFT.purl, "pkg:npm/right-pad", "left-pad@1.0.0"]), max_size=2).map(tuple),
    st.just(""),
    st.none() | st.integers(0, 2).map(lambda day: NOON + timedelta(days=day)),
)
DOCUMENTS = st.lists(
    st.builds(VexFacts, st.just("openvex"), st.sampled_from(["a", "b"]), st.lists(STATEMENTS, max_size=4)), max_size=2
)


@given(SCANS, DOCUMENTS, st.randoms(use_true_random=False))
def test_the_order_never_matters(scans: list[ScanFacts], documents: list[VexFacts], chance: random.Random) -> None:
    turned = [replace(one, findings=chance.sample([*one.findings], len(one.findings))) for one in scans]
    restated = [replace(one, statements=chance.sample([*one.statements], len(one.statements))) for one in documents]
    chance.shuffle(turned)
    chance.shuffle(restated)
    assert merge(turned, restated) == merge(scans, documents)


@given(SCANS, DOCUMENTS)
def test_a_statement_never_raises_a_count_and_never_hides_a_finding(
    scans: list[ScanFacts], documents: list[VexFacts]
) -> None:
    without, marked = merge(scans), merge(scans, documents)
    assert [(one.id, one.component, one.severity) for one in marked] == [
        (one.id, one.component, one.severity) for one in without
    ]
    before, after = counts(without), counts(marked)
    assert after.critical == before.critical
    assert after.high <= before.high
    assert after.medium <= before.medium
    assert after.low <= before.low
    assert after.unknown <= before.unknown
    assert suppressed(marked) >= sum(not one.counted for one in marked)


@given(SCANS)
def test_every_report_is_a_source_of_one_finding_and_none_is_milder_than_its_source(scans: list[ScanFacts]) -> None:
    merged = merge(scans)
    order = [*FindingSeverity]
    order.sort(key=[CRITICAL, HIGH, FindingSeverity.MEDIUM, LOW, FindingSeverity.UNKNOWN, FindingSeverity.NONE].index)
    told = {(scan.tool, one.id, one.severity) for scan in scans for one in scan.findings}
    assert {(source.tool, source.id, source.severity) for one in merged for source in one.sources} == told
    for one in merged:
        assert one.severity == min((source.severity for source in one.sources), key=order.index)
    assert len({(one.id, one.component) for one in merged}) == len(merged)
    assert merge([*scans, *scans]) == merged  # handing the same in twice changes nothing
