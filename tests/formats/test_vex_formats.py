"""VEX: who states what about which vulnerability in which product, in OpenVEX and in CycloneDX."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from evidence_samples import CYCLONEDX_XML, cyclonedx, cyclonedx_vex, grype, openvex, trivy_legacy

from eucora.domain.findings import UnreadableEvidence, VexFacts, VexStatement, VexStatus
from eucora.formats.vex import read_vex

AT = datetime(2026, 1, 31, 8, tzinfo=UTC)


def read(document: object) -> VexFacts:
    return read_vex(json.dumps(document).encode())


def openvex_of(**changes: object) -> Any:
    [statement] = openvex()["statements"]
    return openvex(statements=[{key: value for key, value in (statement | changes).items() if value is not None}])


def cyclonedx_of(**changes: object) -> Any:
    [vulnerability] = cyclonedx_vex()["vulnerabilities"]
    return cyclonedx_vex(vulnerabilities=[vulnerability | changes])


def test_an_openvex_document_is_read() -> None:
    facts = read(openvex())
    assert (facts.format, facts.author) == ("openvex", "Field Notes Security")
    assert facts.statements == (
        VexStatement(
            vulnerability="CVE-2024-1",
            status=VexStatus.NOT_AFFECTED,
            products=("pkg:npm/notes@2",),
            justification="vulnerable_code_not_present",
            stated_at=AT,
            aliases=("GHSA-aaaa-bbbb-cccc",),
            subcomponents=("pkg:npm/left@1",),
        ),
    )


def test_the_first_version_of_openvex_writes_plain_texts() -> None:
    [statement] = read(openvex_of(vulnerability="CVE-2024-1", products=["pkg:npm/left@1"])).statements
    assert (statement.vulnerability, statement.products) == ("CVE-2024-1", ("pkg:npm/left@1",))


def test_a_purl_names_a_product_better_than_an_id() -> None:
    products = [{"@id": "https://notes.example/left", "identifiers": {"purl": "pkg:npm/left@1"}}]
    assert read(openvex_of(products=products)).statements[0].products == ("pkg:npm/left@1",)


def test_a_statement_has_its_own_time_or_that_of_the_document() -> None:
    own = openvex_of(timestamp="2026-02-01T10:00:00+02:00")
    assert read(own).statements[0].stated_at == datetime(2026, 2, 1, 8, tzinfo=UTC)
    timeless = {key: value for key, value in openvex().items() if key != "timestamp"}
    assert read(timeless).statements[0].stated_at is None


def test_an_impact_statement_may_stand_for_the_justification_and_becomes_one_short_line() -> None:
    [statement] = read(openvex_of(justification=None, impact_statement="one\n  two " + "x" * 9000)).statements
    assert statement.justification.startswith("one two xxx")
    assert len(statement.justification) == 1000


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("resolved", VexStatus.FIXED),
        ("resolved_with_pedigree", VexStatus.FIXED),
        ("exploitable", VexStatus.AFFECTED),
        ("in_triage", VexStatus.UNDER_INVESTIGATION),
        ("false_positive", VexStatus.NOT_AFFECTED),
        ("not_affected", VexStatus.NOT_AFFECTED),
    ],
)
def test_every_state_of_cyclonedx_has_its_word(state: str, status: VexStatus) -> None:
    analysis = {"state": state, "detail": "looked into"}
    assert read(cyclonedx_of(analysis=analysis)).statements[0].status is status


@pytest.mark.parametrize("status", ["not_affected", "fixed"])
def test_what_may_take_a_finding_out_of_the_count_names_its_reason_and_its_product(status: str) -> None:
    cases = (
        (openvex_of(status=status, justification=None), "$.statements[0].justification"),
        (openvex_of(status=status, products=None), "$.statements[0].products"),
    )
    state = "resolved" if status == "fixed" else status
    cyclonedx_cases = (
        (cyclonedx_of(analysis={"state": state}), "$.vulnerabilities[0].analysis.justification"),
        (cyclonedx_of(analysis={"state": state, "detail": "x"}, affects=[]), "$.vulnerabilities[0].affects"),
    )
    for document, place in (*cases, *cyclonedx_cases):
        with pytest.raises(UnreadableEvidence) as refused:
            read(document)
        assert refused.value.place == place


def test_what_counts_anyway_needs_neither() -> None:
    bare = openvex_of(status="affected", justification=None, products=None)
    assert read(bare).statements[0].status is VexStatus.AFFECTED
    assert read(cyclonedx_of(analysis={"state": "in_triage"}, affects=[])).statements[0].products == ()


def test_notes_tell_why_something_counts_as_fixed() -> None:
    [statement] = read(openvex_of(status="fixed", justification=None, status_notes="backported in 1.2-3")).statements
    assert statement.justification == "backported in 1.2-3"


def test_a_statement_knows_where_it_stands() -> None:
    assert read(openvex()).statements[0].place == "$.statements[0]"
    assert read(cyclonedx_vex()).statements[0].place == "$.vulnerabilities[0]"


def test_a_cyclonedx_statement_names_the_purl_of_the_component_that_it_refers_to() -> None:
    facts = read(cyclonedx_vex())
    assert (facts.format, facts.author) == ("cyclonedx", "Ada")
    assert facts.statements == (
        VexStatement("CVE-2024-1", VexStatus.NOT_AFFECTED, ("pkg:npm/left@1",), "code_not_reachable", AT),
    )


@pytest.mark.parametrize(
    ("reference", "product"),
    [
        ("ref-left", "pkg:npm/left@1"),
        ("ref-elsewhere", "ref-elsewhere"),
        ("urn:cdx:3e671687-395b-41f5-a30f-a58921a69b79/1#pkg%3Anpm%2Fright%403", "pkg:npm/right@3"),
        ("urn:cdx:3e671687-395b-41f5-a30f-a58921a69b79/1#ref-left", "pkg:npm/left@1"),
        ("urn:cdx:3e671687-395b-41f5-a30f-a58921a69b79/1", "urn:cdx:3e671687-395b-41f5-a30f-a58921a69b79/1"),
    ],
)
def test_a_reference_is_a_purl_where_the_document_says_which(reference: str, product: str) -> None:
    assert read(cyclonedx_of(affects=[{"ref": reference}])).statements[0].products == (product,)


def test_components_may_be_named_after_the_vulnerabilities_that_refer_to_them() -> None:
    document = dict(reversed(cyclonedx_vex().items()))
    assert list(document).index("components") > list(document).index("vulnerabilities")
    assert read(document).statements[0].products == ("pkg:npm/left@1",)


def test_cyclonedx_vex_is_read_from_xml() -> None:
    facts = read_vex(CYCLONEDX_XML)
    assert facts.author == "Ada"
    assert facts.statements == (
        VexStatement(
            vulnerability="CVE-2024-1",
            status=VexStatus.AFFECTED,
            products=("pkg:npm/left@1?a=1&b=2",),
            justification="line one line two",
            stated_at=AT,
            aliases=("GHSA-aaaa-bbbb-cccc",),
        ),
    )


def test_a_vulnerability_without_an_analysis_states_nothing() -> None:
    silent = [{"id": "CVE-2024-2"}, *cyclonedx_vex()["vulnerabilities"], {"id": "CVE-2024-3", "analysis": {}}]
    assert [one.vulnerability for one in read(cyclonedx_vex(vulnerabilities=silent)).statements] == ["CVE-2024-1"]


@pytest.mark.parametrize(
    ("document", "place"),
    [
        (openvex(**{"@context": "https://other.example"}), "$.@context"),
        (openvex(statements=[]), "$.statements"),
        (openvex(statements=None), "$.statements"),
        (openvex(timestamp="yesterday"), "$.timestamp"),
        (openvex(timestamp="2026-01-31T08:00:00"), "$.timestamp"),
        (openvex(timestamp="0001-01-01T00:00:00+23:59"), "$.timestamp"),
        (openvex_of(status="fine"), "$.statements[0].status"),
        (openvex_of(justification=None), "$.statements[0].justification"),
        (openvex_of(vulnerability={}), "$.statements[0].vulnerability.name"),
        (openvex_of(vulnerability=7), "$.statements[0].vulnerability"),
        (openvex_of(products=[{}]), "$.statements[0].products[0].@id"),
        (openvex_of(products=[7]), "$.statements[0].products[0]"),
        (cyclonedx(), "$.vulnerabilities"),
        (cyclonedx_of(analysis={"state": "fine"}), "$.vulnerabilities[0].analysis.state"),
        (cyclonedx_of(analysis=[]), "$.vulnerabilities[0].analysis"),
        (cyclonedx_of(id=None), "$.vulnerabilities[0].id"),
        (cyclonedx_of(affects=[{}]), "$.vulnerabilities[0].affects[0].ref"),
        (grype(), "the file"),
        (trivy_legacy(), "the file"),
    ],
)
def test_a_broken_vex_document_is_refused_at_its_place(document: object, place: str) -> None:
    with pytest.raises(UnreadableEvidence) as caught:
        read(document)
    assert (caught.value.kind, caught.value.place) == ("vex", place)
    assert caught.value.way_out
