"""CycloneDX in XML and SPDX say the same things as CycloneDX in JSON, each in its own way."""

import json
from pathlib import Path

import pytest
from evidence_samples import CYCLONEDX_XML, cyclonedx, spdx

from eucora.domain.findings import Component, UnreadableEvidence
from eucora.formats.cyclonedx import SPEC_VERSIONS
from eucora.formats.sbom import read_sbom

LEFT = Component("left", "1", "pkg:npm/left@1")


def dumped(document: object) -> bytes:
    return json.dumps(document).encode()


def test_cyclonedx_xml_is_read_with_its_nested_components() -> None:
    facts = read_sbom(CYCLONEDX_XML)
    assert (facts.format, facts.spec_version, facts.subject) == ("cyclonedx", "1.4", Component("notes", "2"))
    assert facts.components == (
        Component("side/left", "1", "pkg:npm/left@1?a=1&b=2"),
        Component("inner", "7"),
        Component("right", "3"),
    )


@pytest.mark.parametrize("version", SPEC_VERSIONS)
def test_every_version_is_known_by_the_namespace(version: str) -> None:
    assert read_sbom(CYCLONEDX_XML.replace(b"schema/bom/1.4", f"schema/bom/{version}".encode())).spec_version == version


@pytest.mark.parametrize(
    ("was", "becomes", "place", "reason"),
    [
        (b"schema/bom/1.4", b"schema/bom/1.1", "/bom/specVersion", "'1.1'"),
        (b"cyclonedx.org/schema", b"other.example", "/bom", "the root is 'bom'"),
        (b"<name>inner</name>", b"", "/bom/components/component[1]/components/component[1]/name", "missing"),
        (b"<name>right</name>", b"<name><b>right</b></name>", "/bom/components/component[2]/name", "elements where"),
        (b"<version>3</version>", b"<version>3</version><version>4</version>", "/bom/components/component[2]", "twice"),
        (b"<name>right</name>", b"<name>ri\nght</name>", "/bom/components/component[2]/name", "control character"),
    ],
)
def test_a_broken_cyclonedx_xml_is_refused_at_its_place(was: bytes, becomes: bytes, place: str, reason: str) -> None:
    assert was in CYCLONEDX_XML
    with pytest.raises(UnreadableEvidence) as caught:
        read_sbom(CYCLONEDX_XML.replace(was, becomes))
    assert caught.value.place.startswith(place)
    assert reason in caught.value.reason


def test_components_inside_the_subject_come_last() -> None:
    subject = {"name": "notes", "components": [{"name": "e", "components": [{"name": "f"}]}]}
    document = {"bomFormat": "CycloneDX", "metadata": {"component": subject}, "components": [{"name": "a"}]}
    facts = read_sbom(dumped(document | {"specVersion": "1.6"}))
    assert [component.name for component in facts.components] == ["a", "e", "f"]


def test_nested_components_may_come_before_the_name_of_the_one_that_holds_them() -> None:
    document = cyclonedx(components=[{"components": [{"components": [{"name": "c"}], "name": "b"}], "name": "a"}])
    assert [component.name for component in read_sbom(dumped(document)).components] == ["a", "b", "c"]


@pytest.mark.parametrize("version", ["SPDX-2.2", "SPDX-2.3"])
def test_spdx_is_read_in_both_versions(version: str) -> None:
    facts = read_sbom(dumped(spdx(spdxVersion=version)))
    assert (facts.format, f"SPDX-{facts.spec_version}") == ("spdx", version)
    assert (facts.subject, facts.components) == (Component("notes", "2"), (LEFT,))


def relationship(one: str, what: str, other: str) -> dict[str, str]:
    return {"spdxElementId": one, "relationshipType": what, "relatedSpdxElement": other}


@pytest.mark.parametrize(
    "changes",
    [
        {"relationships": []},
        {"documentDescribes": []},
        {
            "documentDescribes": [],
            "relationships": [relationship("SPDXRef-notes", "DESCRIBED_BY", "SPDXRef-DOCUMENT")],
        },
    ],
)
def test_spdx_names_its_subject_in_three_ways(changes: dict[str, object]) -> None:
    assert read_sbom(dumped(spdx(**changes))).subject == Component("notes", "2")


@pytest.mark.parametrize(
    "changes",
    [
        {"documentDescribes": ["SPDXRef-notes", "SPDXRef-left"]},
        {"documentDescribes": [], "relationships": []},
        {"documentDescribes": ["SPDXRef-elsewhere"], "relationships": []},
        {
            "documentDescribes": [],
            "relationships": [relationship("SPDXRef-left", "DESCRIBES", "SPDXRef-notes")],
        },
    ],
)
def test_an_spdx_document_that_describes_none_or_several_has_no_subject(changes: dict[str, object]) -> None:
    facts = read_sbom(dumped(spdx(**changes)))
    assert (facts.subject, len(facts.components)) == (Component("", ""), 2)


def test_a_version_that_spdx_does_not_assert_is_none() -> None:
    packages = [{"SPDXID": "SPDXRef-a", "name": "a", "versionInfo": "NOASSERTION"}]
    assert read_sbom(dumped(spdx(packages=packages, documentDescribes=[]))).components == (Component("a", ""),)


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"spdxVersion": "SPDX-3.0"}, "$.spdxVersion"),
        ({"spdxVersion": 2.3}, "$.spdxVersion"),
        ({"SPDXID": "SPDXRef-left"}, "$.SPDXID"),
        ({"packages": {}}, "$.packages"),
        ({"packages": [{"SPDXID": "SPDXRef-a"}]}, "$.packages[0].name"),
        ({"packages": [{"name": "a"}]}, "$.packages[0].SPDXID"),
        ({"packages": [{"SPDXID": "a", "name": "a"}, {"SPDXID": "a", "name": "b"}]}, "$.packages[1].SPDXID"),
        ({"packages": [{"SPDXID": "a", "name": "a", "externalRefs": 5}]}, "$.packages[0].externalRefs"),
        ({"documentDescribes": [5]}, "$.documentDescribes"),
        ({"relationships": [{}]}, "$.relationships[0].relationshipType"),
    ],
)
def test_a_broken_spdx_document_is_refused_at_its_place(changes: dict[str, object], place: str) -> None:
    with pytest.raises(UnreadableEvidence) as caught:
        read_sbom(dumped(spdx(**changes)))
    assert (caught.value.kind, caught.value.place) == ("sbom", place)
    assert caught.value.way_out


def test_the_format_is_known_by_the_content_whatever_the_name_says(tmp_path: Path) -> None:
    for number, (content, known_as) in enumerate(
        [(dumped(cyclonedx()), "cyclonedx"), (CYCLONEDX_XML, "cyclonedx"), (dumped(spdx()), "spdx")]
    ):
        path = tmp_path / f"{number}.exe"
        path.write_bytes(content)
        assert read_sbom(path).format == known_as
