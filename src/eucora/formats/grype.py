"""Grype's JSON report.

Source: anchore/grype, ``grype/presenter/models`` (document, match, source); reports of 0.7 to 0.94 were read.
"""

from typing import Final

from eucora.domain.findings import Component, Finding, ScanFacts
from eucora.formats.json_document import JsonObject, Reader, parse_json
from eucora.formats.severity import once, severity_of

_WAY_OUT: Final = "Hand in a report made with `grype -o json`."


def is_grype(document: JsonObject) -> bool:
    """Whether the document says that Grype wrote it."""
    descriptor = document.get("descriptor")
    return "matches" in document and isinstance(descriptor, dict) and descriptor.get("name") == "grype"


def read(data: bytes) -> ScanFacts:
    """Findings of a Grype report, each id and component once.

    Raises:
        UnreadableEvidence: not a Grype report, or a part of it is malformed.
    """
    return facts_of(parse_json(data, kind="scan", way_out=_WAY_OUT))


def facts_of(document: JsonObject) -> ScanFacts:
    """As ``read``, from the parsed document."""
    reader = Reader("scan", _WAY_OUT)
    if not is_grype(document):
        raise reader.refuse("$.descriptor.name", 'is not "grype", or there are no matches')
    if not isinstance(document["matches"], list):
        raise reader.refuse("$.matches", "is not a list")  # null would pass for "nothing found"
    matches = reader.objects(document, "matches", "$")
    return ScanFacts(
        tool="grype",
        tool_version=reader.text(reader.object(document, "descriptor", "$"), "version", "$.descriptor"),
        subject=_subject(reader.object(document, "source", "$"), reader),
        findings=once(_finding(match, reader, f"$.matches[{index}]") for index, match in enumerate(matches)),
    )


def _subject(source: JsonObject, reader: Reader) -> str:
    """An image names what the user typed; a directory, file or SBOM is a plain path (some versions quote it)."""
    if isinstance(source.get("target"), dict):
        return reader.text(reader.object(source, "target", "$.source"), "userInput", "$.source.target")
    return reader.text(source, "target", "$.source").strip('"')


def _finding(match: JsonObject, reader: Reader, place: str) -> Finding:
    vulnerability = reader.object(match, "vulnerability", place)
    artifact = reader.object(match, "artifact", place)
    inside, at = f"{place}.vulnerability", f"{place}.artifact"
    return Finding(
        id=reader.text(vulnerability, "id", inside, required=True),
        severity=severity_of(reader.text(vulnerability, "severity", inside)),
        component=Component(
            name=reader.text(artifact, "name", at, required=True),
            version=reader.text(artifact, "version", at),
            purl=reader.text(artifact, "purl", at),
        ),
        fixed_in=_fixed_in(reader.object(vulnerability, "fix", inside), reader, f"{inside}.fix"),
        source=reader.text(vulnerability, "dataSource", inside) or reader.text(vulnerability, "namespace", inside),
    )


def _fixed_in(fix: JsonObject, reader: Reader, place: str) -> str:
    versions = fix.get("versions") or []
    if not isinstance(versions, list) or not all(isinstance(version, str) for version in versions):
        raise reader.refuse(f"{place}.versions", "is not a list of texts")
    return reader.text({"versions": ", ".join(versions)}, "versions", place)
