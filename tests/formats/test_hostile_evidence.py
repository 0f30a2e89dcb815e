"""Hostile evidence ends as UnreadableEvidence with the place and the way out, in every format."""

import gzip
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from evidence_samples import CYCLONEDX_XML, SAMPLES, cyclonedx, grype, trivy, trivy_vulnerability

from eucora.domain.findings import UnreadableEvidence
from eucora.formats.assembler import HELD_MAX, KEY_LENGTH_MAX, KEYS_MAX
from eucora.formats.byte_source import SIZE_MAX
from eucora.formats.evidence import EvidenceFiles
from eucora.formats.json_document import DEPTH_MAX, TAKEN_MAX
from eucora.formats.json_document import TEXT_MAX as NAME_MAX
from eucora.formats.json_events import TEXT_MAX
from eucora.formats.sbom import read_sbom
from eucora.formats.scan import read_scan

JSON_FORMATS = [name for name in SAMPLES if "xml" not in name]
XML_FORMATS = [name for name in SAMPLES if "xml" in name]
Read = Callable[[bytes], object]


def refused(read: Read, data: bytes) -> UnreadableEvidence:
    with pytest.raises(UnreadableEvidence) as caught:
        read(data)
    error = caught.value
    assert error.kind in ("sbom", "scan", "vex")
    assert error.place
    assert error.place.isprintable()
    assert error.reason.isprintable()
    assert error.way_out
    return error


def zipped(data: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("sbom.json", data)
    return buffer.getvalue()


def with_inner(data: bytes, inner: bytes) -> bytes:
    """The JSON document with one more key at the end of its first object."""
    end = data.rindex(b"}", 0, None if data.startswith(b"{") else data.index(b"}") + 1)
    return data[:end] + b', "zz": ' + inner + data[end:]


HEAD_TABLE: list[tuple[Callable[[bytes], bytes], str, str]] = [
    (lambda _: b"", "the file", "is empty"),
    (lambda _: b" \n\t ", "the file", "is empty"),
    (lambda _: b"\xef\xbb\xbf", "the file", "is empty"),
    (gzip.compress, "byte 0", "is gzip-compressed"),
    (zipped, "byte 0", "is a zip archive"),
    (lambda data: data.decode().encode("utf-16"), "byte 0", "is UTF-16"),
    (lambda data: b"\xfe\xff" + data.decode().encode("utf-16-be"), "byte 0", "is UTF-16"),
    (lambda data: data.decode().encode("utf-32"), "byte 0", "is UTF-32"),
    (lambda data: data.decode().encode("utf-16-le"), "byte 1", "is a NUL byte"),
    (lambda data: data[:20] + b"\x00" + data[20:], "byte 20", "is a NUL byte"),
    (lambda data: data + b"\x00", "byte ", "is a NUL byte"),
    (lambda _: b"MZ\x90 not a document", "line 1 column 1 (byte 0)", "not JSON"),
    (lambda _: b"%PDF-1.7\n", "line 1 column 1 (byte 0)", "not JSON"),
    (lambda _: b'"text"', "the file", "is not a JSON object"),
    (lambda _: b"5", "the file", "is not a JSON object"),
    (lambda _: b"<html/>", "", ""),
]


@pytest.mark.parametrize(("spoil", "place", "reason"), HEAD_TABLE)
@pytest.mark.parametrize("name", SAMPLES)
def test_what_is_no_document_at_all_is_named(
    name: str, spoil: Callable[[bytes], bytes], place: str, reason: str
) -> None:
    read, data = SAMPLES[name]
    error = refused(read, spoil(data))
    assert error.place.startswith(place)
    assert reason in error.reason


JSON_TABLE: list[tuple[Callable[[bytes], bytes], str]] = [
    (lambda data: data[: len(data) // 2], "not JSON: it is cut off here"),
    (lambda data: data[:-1], "not JSON: it is cut off here"),
    (lambda data: data + data, "not JSON"),
    (lambda data: data + b"x", "not JSON"),
    (lambda data: with_inner(data, b"NaN"), "not JSON"),
    (lambda data: with_inner(data, b"Infinity"), "not JSON"),
    (lambda data: with_inner(data, b"01"), "not JSON"),
    (lambda data: with_inner(data, b"1" * 5000), "a number that no reader can hold"),
    (lambda data: with_inner(data, b"1e99999"), "a number that no reader can hold"),
    (lambda data: with_inner(data, b'"\xe9"'), "not UTF-8"),
    (lambda data: with_inner(data, b'"\xed\xa0\x80"'), "not UTF-8"),
    (lambda data: with_inner(data, b'"\xc0\x80"'), "not UTF-8"),
    (lambda data: with_inner(data, b"{'a': 1}"), "not JSON"),
    (lambda data: with_inner(data, b"/* a comment */ 1"), "not JSON"),
    (lambda data: with_inner(data, b'"' + b"x" * (TEXT_MAX + 1) + b'"'), "a text of more than 65536 characters"),
    (lambda data: with_inner(data, b'"' + b"x" * 2_000_000 + b'"'), "a text of more than 65536 characters"),
    (lambda data: with_inner(data, b" " * 2_000_000 + b"1"), "as much white space"),
    (lambda data: with_inner(data, b'{"a": 1, "a": 2}'), "'a' twice"),
    (lambda data: with_inner(data, b'1, "zz": 2'), "'zz' twice"),
    (lambda data: with_inner(data, b"[" * DEPTH_MAX + b"]" * DEPTH_MAX), "nested deeper than 64 levels"),
    (lambda data: with_inner(data, b"[" * 1_000_000), "nested deeper than 64 levels"),
    (lambda data: with_inner(data, b'{"a":' * 100_000), "nested deeper than 64 levels"),
    (lambda data: with_inner(data, json.dumps(dict.fromkeys(map(str, range(KEYS_MAX + 1)))).encode()), "keys"),
    (lambda data: with_inner(data, json.dumps({"k" * (KEY_LENGTH_MAX + 1): 1}).encode()), "keys"),
]


@pytest.mark.parametrize(("spoil", "reason"), JSON_TABLE)
@pytest.mark.parametrize("name", JSON_FORMATS)
def test_broken_json_is_refused_in_every_format(name: str, spoil: Callable[[bytes], bytes], reason: str) -> None:
    read, data = SAMPLES[name]
    read(data)
    assert reason in refused(read, spoil(data)).reason


@pytest.mark.parametrize(
    ("read", "data", "place"),
    [
        (read_sbom, cyclonedx(specVersion=1.6), "$.specVersion"),
        (read_sbom, cyclonedx(metadata=[]), "$.metadata"),
        (read_sbom, cyclonedx(components=[{"name": 5}]), "$.components[0].name"),
        (read_sbom, cyclonedx(components=[{"name": ["a"]}]), "$.components[0].name"),
        (read_sbom, cyclonedx(components=[{"name": {"a": 1}}]), "$.components[0].name"),
        (read_sbom, cyclonedx(components=[{"name": True}]), "$.components[0].name"),
        (read_sbom, cyclonedx(components=[None]), "$.components[0]"),
        (read_sbom, cyclonedx(components="none"), "$.components"),
        (read_sbom, cyclonedx(components=[{"name": "a", "components": {}}]), "$.components[0].components"),
        (read_scan, grype(source=7), "$.source"),
        (read_scan, trivy(Results={}), "$.Results"),
        (read_scan, trivy(ArtifactName=7), "$.ArtifactName"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_at_its_place(read: Read, data: object, place: str) -> None:
    assert refused(read, json.dumps(data).encode()).place == place


def test_a_key_is_shown_short_and_printable() -> None:
    hostile = {"\x1b[31m\u202e" + "k" * 500: [], "metadata": {"component": {"name": 5}}}
    error = refused(read_sbom, json.dumps(cyclonedx(**{"\x1b" * 300: {"a": "x" * (TEXT_MAX + 1)}})).encode())
    assert len(error.place) < 400
    assert refused(read_sbom, json.dumps(cyclonedx(**hostile)).encode()).place == "$.metadata.component.name"
    for rating in (7, {"V3Score": 99}):
        vulnerability = trivy_vulnerability(CVSS={"\x1b[31m": rating})
        assert "'\\x1b[31m'" in refused(read_scan, json.dumps(trivy(vulnerability)).encode()).place


def test_texts_that_together_are_too_much_are_refused(tmp_path: Path) -> None:
    # One character beyond the basic plane makes a text four bytes wide for each of its characters.
    component = b'{"name": "%s\xf0\x9f\x93\x8e"}' % (b"x" * (NAME_MAX - 1))
    number = TAKEN_MAX // (4 * NAME_MAX)
    head, tail = b'{"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [', b"]}"
    path = tmp_path / "bom"
    path.write_bytes(head + b",".join([component] * (number - 1)) + tail)
    assert len(EvidenceFiles().sbom(path).components) == number - 1
    path.write_bytes(head + b",".join([component] * (number + 1)) + tail)
    with pytest.raises(UnreadableEvidence, match="one text too many"):
        EvidenceFiles().sbom(path)


def test_one_element_that_holds_too_much_is_refused() -> None:
    aliases = [f"{number:05d}" + "x" * 4_000 for number in range(HELD_MAX // 4_000)]
    document = trivy(trivy_vulnerability(VendorIDs=aliases))
    error = refused(read_scan, json.dumps(document).encode())
    assert "one element holds more" in error.reason
    assert error.place.startswith("$.Results[0].Vulnerabilities[0].VendorIDs[")


def test_a_text_may_be_as_long_as_the_bound_where_nobody_reads_it() -> None:
    data = with_inner(SAMPLES["cyclonedx"][1], b'"' + b"\\u0078" * TEXT_MAX + b'"')
    assert read_sbom(data) == read_sbom(SAMPLES["cyclonedx"][1])


def declared(doctype: str) -> Callable[[bytes], bytes]:
    return lambda data: data.replace(b"<bom", doctype.encode() + b"<bom", 1)


BILLION = '<!DOCTYPE bom [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>'
XML_TABLE: list[tuple[Callable[[bytes], bytes], str, str]] = [
    (declared(BILLION), "/bom", "document type"),
    (declared('<!DOCTYPE bom SYSTEM "file:///etc/passwd">'), "/bom", "document type"),
    (declared('<!DOCTYPE bom [<!ENTITY % x SYSTEM "http://notes.example/x">%x;]>'), "/bom", "document type"),
    (lambda data: data.replace(b"left</name>", b"&secret;</name>"), "line 10 column 32", "undefined entity"),
    (lambda data: data[: len(data) // 2], "line ", "not well-formed"),
    (lambda data: data[:-5], "line ", "not well-formed"),
    (lambda data: data + data, "line ", "not well-formed"),
    (lambda data: data.replace(b"inner", b"\xe9"), "line 13 column 51", "not well-formed UTF-8"),
    (lambda data: data.replace(b"UTF-8", b"ISO-8859-1").replace(b"inner", b"\xe9"), "line 13 column 51", "UTF-8"),
    (lambda data: data.replace(b"inner", b"\x01"), "line 13 column 51", "not well-formed"),
    (lambda data: data.replace(b"inner", b"x" * (TEXT_MAX + 1)), "/bom/components/component[1]/comp", "a text of"),
    (lambda data: data.replace(b"ab</hash>", b"x" * (TEXT_MAX + 1) + b"</hash>"), "/bom/components/", "a text of"),
    (lambda data: data.replace(b'"SHA-1"', b'"' + b"x" * (TEXT_MAX + 1) + b'"'), "/bom/", "an attribute of"),
    (lambda data: data.replace(b'"SHA-1"', b'"' + b"x" * 2_000_000 + b'"'), "after byte", "a tag or a comment"),
    (
        lambda data: data.replace(b"<metadata>", b"<!--" + b"x" * 2_000_000 + b"--><metadata>"),
        "after byte",
        "a comment",
    ),
    (lambda data: data.replace(b"<components>", b"<x>" * 100_000), "/bom", "nested deeper than 64"),
    (lambda data: data.replace(b"<components>", b"<components><component>" * 40), "/bom/comp", "nested deeper"),
    (lambda data: data.replace(b"</bom>", b"<components/></bom>"), "/bom/components", "twice"),
    (lambda data: data.replace(b"<bom ", b"<sbom ").replace(b"</bom>", b"</sbom>"), "/bom", "the root is 'sbom'"),
    (lambda data: data.replace(b"http://cyclonedx", b"http://other"), "/bom", "the root is 'bom'"),
]


@pytest.mark.parametrize(("spoil", "place", "reason"), XML_TABLE)
@pytest.mark.parametrize("name", XML_FORMATS)
def test_hostile_xml_is_refused(name: str, spoil: Callable[[bytes], bytes], place: str, reason: str) -> None:
    read, data = SAMPLES[name]
    assert spoil(data) != data
    error = refused(read, spoil(data))
    assert error.place.startswith(place)
    assert reason in error.reason


def test_no_external_entity_is_ever_opened(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("confidential")
    doctype = f'<!DOCTYPE bom [<!ENTITY s SYSTEM "{secret.as_uri()}">]>'
    data = declared(doctype)(CYCLONEDX_XML).replace(b"inner", b"&s;")
    assert "confidential" not in str(refused(read_sbom, data))


@pytest.mark.parametrize("name", SAMPLES)
def test_a_byte_order_mark_is_passed_over(name: str) -> None:
    read, data = SAMPLES[name]
    assert read(b"\xef\xbb\xbf" + data) == read(data)


def test_a_file_beyond_the_bound_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "large.json"
    with path.open("wb") as file:
        file.truncate(SIZE_MAX + 1)  # a hole: nobody could read it in this time
    for read in (EvidenceFiles().sbom, EvidenceFiles().scan, EvidenceFiles().vex):
        with pytest.raises(UnreadableEvidence, match="is larger than"):
            read(path)
