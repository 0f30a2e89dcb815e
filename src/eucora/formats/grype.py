"""Grype's JSON report.

Source: anchore/grype, ``grype/presenter/models`` (document, match, source); reports of 0.7 to 0.94 were read.
"""

from collections.abc import Iterator
from typing import Final

from eucora.domain.findings import Component, Cvss, Finding, ScanFacts
from eucora.formats.aliases import aliases_of
from eucora.formats.byte_source import Source
from eucora.formats.cvss_rating import CvssRatings
from eucora.formats.json_document import JsonObject, Reader
from eucora.formats.limits import FINDINGS_MAX, TOO_MANY_FINDINGS
from eucora.formats.records import json_records
from eucora.formats.severity import judge, once
from eucora.formats.shape import TEXT, Fields, Items, Shape, Stream, texts
from eucora.formats.timestamp import time_of

_WAY_OUT: Final = "Hand in a report made with `grype -o json`."
_CVSS: Final[dict[str, Shape]] = {
    "cvss": Items(Fields(texts("version", "vector") | {"metrics": Fields(texts("baseScore"))}))
}
_MATCH: Final = Fields(
    {
        "vulnerability": Fields(
            texts("id", "severity", "dataSource", "namespace") | _CVSS | {"fix": Fields({"versions": Items(TEXT)})}
        ),
        "relatedVulnerabilities": Items(Fields(texts("id") | _CVSS)),
        "artifact": Fields(texts("name", "version", "purl")),
    }
)
_SHAPE: Final = Fields(
    {
        "matches": Stream("findings", _MATCH, FINDINGS_MAX, TOO_MANY_FINDINGS),
        "descriptor": Fields(texts("name", "version", "timestamp")),
        "source": Fields({"target": Fields(texts("userInput"))}),
    }
)


def read(source: Source) -> ScanFacts:
    """Findings of a Grype report, each id and component once.

    Raises:
        UnreadableEvidence: not a Grype report, or a part of it is malformed.
    """
    reader, ratings = Reader("scan", _WAY_OUT), CvssRatings()
    findings: list[Finding] = []
    document: JsonObject = {}
    for record in json_records(source, _SHAPE, kind="scan", way_out=_WAY_OUT):
        if record.label:
            findings.append(_finding(record.value, reader, ratings, record.place))
        else:
            document = record.value
    descriptor = reader.object(document, "descriptor", "$")
    if descriptor.get("name") != "grype":
        raise reader.refuse("$.descriptor.name", 'is not "grype"')
    if not isinstance(document.get("matches"), list):
        raise reader.refuse("$.matches", "is not a list")  # null would pass for "nothing found"
    return ScanFacts(
        tool="grype",
        tool_version=reader.text(descriptor, "version", "$.descriptor"),
        subject=_subject(reader.object(document, "source", "$"), reader),
        findings=once(findings),
        scanned_at=time_of(descriptor, "timestamp", reader, "$.descriptor"),
    )


def _subject(source: JsonObject, reader: Reader) -> str:
    """An image names what the user typed; a directory, file or SBOM is a plain path (some versions quote it)."""
    if isinstance(source.get("target"), dict):
        return reader.text(reader.object(source, "target", "$.source"), "userInput", "$.source.target")
    return reader.text(source, "target", "$.source").strip('"')


def _finding(match: JsonObject, reader: Reader, ratings: CvssRatings, place: str) -> Finding:
    vulnerability = reader.object(match, "vulnerability", place)
    artifact = reader.object(match, "artifact", place)
    related = reader.objects(match, "relatedVulnerabilities", place)
    inside, at = f"{place}.vulnerability", f"{place}.artifact"
    own = reader.text(vulnerability, "id", inside, required=True)
    # A distribution's entry has no rating of its own where it refers to the CVE that it is about.
    cvss = tuple(_cvss(vulnerability, reader, ratings, inside)) or tuple(
        rating
        for index, other in enumerate(related)
        for rating in _cvss(other, reader, ratings, f"{place}.relatedVulnerabilities[{index}]")
    )
    severity, rule = judge("grype", reader.text(vulnerability, "severity", inside), cvss)
    return Finding(
        id=own,
        severity=severity,
        component=Component(
            name=reader.text(artifact, "name", at, required=True),
            version=reader.text(artifact, "version", at),
            purl=reader.text(artifact, "purl", at),
        ),
        fixed_in=", ".join(reader.texts(reader.object(vulnerability, "fix", inside), "versions", f"{inside}.fix")),
        source=reader.text(vulnerability, "dataSource", inside) or reader.text(vulnerability, "namespace", inside),
        aliases=aliases_of(
            own,
            [
                reader.text(other, "id", f"{place}.relatedVulnerabilities[{index}]")
                for index, other in enumerate(related)
            ],
        ),
        severity_rule=rule,
        cvss=tuple(dict.fromkeys(cvss)),
    )


def _cvss(vulnerability: JsonObject, reader: Reader, ratings: CvssRatings, place: str) -> Iterator[Cvss]:
    for index, entry in enumerate(reader.objects(vulnerability, "cvss", place)):
        at = f"{place}.cvss[{index}]"
        metrics = reader.object(entry, "metrics", at)
        rating = ratings.rating(
            reader.text(entry, "vector", at),
            reader.score(metrics, "baseScore", f"{at}.metrics"),
            reader.text(entry, "version", at),
        )
        if rating is not None:
            yield rating
