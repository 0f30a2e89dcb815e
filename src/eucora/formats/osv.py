"""OSV-Scanner's JSON report.

Source: google/osv-scanner, output documentation and ``pkg/models``; OSV schema 1.6 for the vulnerabilities inside. Read
2026-11-22.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from eucora.domain.findings import Component, Cvss, Finding, FindingSeverity, ScanFacts
from eucora.formats.aliases import aliases_of
from eucora.formats.byte_source import Source
from eucora.formats.cvss_rating import CvssRatings
from eucora.formats.json_document import JsonObject, Reader
from eucora.formats.limits import FINDINGS_MAX, TOO_MANY_FINDINGS
from eucora.formats.purl import with_version
from eucora.formats.records import json_records
from eucora.formats.severity import judge, once, severity_of, worst
from eucora.formats.shape import TEXT, Fields, Items, Stream, texts

_WAY_OUT: Final = "Hand in a report made with `osv-scanner --format json`."
_SOURCES_MAX: Final = 100_000  # lock files
_TOO_MANY_SOURCES: Final = "Scan the artifact alone, or hand in one report for each of its parts."
_AFFECTED: Final = Fields(
    {
        "package": Fields(texts("name", "ecosystem", "purl")),
        "ranges": Items(Fields({"events": Items(Fields(texts("fixed")))})),
    }
)
_VULNERABILITY: Final = Fields(
    {
        "id": TEXT,
        "aliases": Items(TEXT),
        "affected": Items(_AFFECTED),
        "severity": Items(Fields(texts("type", "score"))),
        "database_specific": Fields(texts("severity")),
    }
)
_FOUND: Final = Stream("findings", _VULNERABILITY, FINDINGS_MAX, TOO_MANY_FINDINGS)
_PACKAGE: Final = Fields(
    {
        "package": Fields(texts("name", "version", "ecosystem", "commit")),
        "groups": Items(Fields({"ids": Items(TEXT), "aliases": Items(TEXT), "max_severity": TEXT})),
        "vulnerabilities": _FOUND,
    }
)
_PACKAGES: Final = Stream("packages", _PACKAGE, FINDINGS_MAX, TOO_MANY_FINDINGS)
_SOURCE: Final = Fields({"source": Fields(texts("path")), "packages": _PACKAGES})
_SHAPE: Final = Fields({"results": Stream("results", _SOURCE, _SOURCES_MAX, _TOO_MANY_SOURCES)})


@dataclass(frozen=True, slots=True)
class _Vulnerability:
    id: str
    aliases: Sequence[str]
    word: str
    cvss: Sequence[Cvss]
    fixed_in: Sequence[tuple[str, str]]  # the name of the package and a version
    purls: Sequence[tuple[str, str]]  # the name of the package and its purl, mostly without a version


def read(source: Source) -> ScanFacts:
    """Findings of an OSV-Scanner report: one for each group, which the scanner holds for one vulnerability.

    The subject is the path that was scanned where there is one only. The report names no version of the scanner.

    Raises:
        UnreadableEvidence: not an OSV-Scanner report, or a part of it is malformed.
    """
    reader, ratings = Reader("scan", _WAY_OUT), CvssRatings()
    findings: list[Finding] = []
    pending: list[_Vulnerability] = []  # those of the package that is being read; it ends after them
    paths: dict[str, None] = {}
    document: JsonObject = {}
    for record in json_records(source, _SHAPE, kind="scan", way_out=_WAY_OUT):
        match record.label:
            case _FOUND.label:
                pending.append(_vulnerability(record.value, reader, ratings, record.place))
            case _PACKAGES.label:
                findings += _of_package(record.value, pending, reader, ratings, record.place)
                pending = []
            case "results":
                where = reader.object(record.value, "source", record.place)
                paths[reader.text(where, "path", f"{record.place}.source")] = None
            case _:
                document = record.value
    if not isinstance(document.get("results"), list):
        raise reader.refuse("$.results", "is not a list")  # null would pass for "nothing found"
    return ScanFacts("osv-scanner", "", next(iter(paths)) if len(paths) == 1 else "", once(findings))


def _vulnerability(entry: JsonObject, reader: Reader, ratings: CvssRatings, place: str) -> _Vulnerability:
    cvss = []
    for index, rated in enumerate(reader.objects(entry, "severity", place)):
        at = f"{place}.severity[{index}]"
        rating = None
        if reader.text(rated, "type", at).startswith("CVSS_"):
            rating = ratings.rating(reader.text(rated, "score", at))
        cvss += [rating] if rating is not None else []
    fixed, purls = [], []
    for index, affected in enumerate(reader.objects(entry, "affected", place)):
        at = f"{place}.affected[{index}]"
        package = reader.object(affected, "package", at)
        name = reader.text(package, "name", f"{at}.package")
        purls.append((name, reader.text(package, "purl", f"{at}.package")))
        fixed += [(name, version) for version in _fixed(affected, reader, at)]
    specific = reader.object(entry, "database_specific", place)
    return _Vulnerability(
        id=reader.text(entry, "id", place, required=True),
        aliases=reader.texts(entry, "aliases", place),
        word=reader.text(specific, "severity", f"{place}.database_specific"),
        cvss=tuple(dict.fromkeys(cvss)),
        fixed_in=fixed,
        purls=purls,
    )


def _fixed(affected: JsonObject, reader: Reader, place: str) -> Iterator[str]:
    for i, span in enumerate(reader.objects(affected, "ranges", place)):
        for j, event in enumerate(reader.objects(span, "events", f"{place}.ranges[{i}]")):
            if version := reader.text(event, "fixed", f"{place}.ranges[{i}].events[{j}]"):
                yield version


def _of_package(
    entry: JsonObject, found: Sequence[_Vulnerability], reader: Reader, ratings: CvssRatings, place: str
) -> Iterator[Finding]:
    package = reader.object(entry, "package", place)
    at = f"{place}.package"
    name = reader.text(package, "name", at, required=True)
    version = reader.text(package, "version", at) or reader.text(package, "commit", at)
    ungrouped = {vulnerability.id: vulnerability for vulnerability in found}
    for index, group in enumerate(reader.objects(entry, "groups", place)):
        where = f"{place}.groups[{index}]"
        ids = reader.texts(group, "ids", where)
        members = [ungrouped.pop(id_) for id_ in ids if id_ in ungrouped]
        if members:
            top = _top_score(group, ratings, reader, where)
            yield _finding(members, name, version, [*ids, *reader.texts(group, "aliases", where)], top)
    for vulnerability in ungrouped.values():
        yield _finding([vulnerability], name, version, [], None)


def _top_score(group: JsonObject, ratings: CvssRatings, reader: Reader, place: str) -> Cvss | None:
    """The scanner's ``max_severity``: the highest base score of a group, as a text; empty where there is none.

    It does not say of which CVSS version; the bands of 3.1 and 4.0 are the same.
    """
    told = reader.text(group, "max_severity", place)
    try:
        number = float(told) if told else None
    except ValueError as error:
        raise reader.refuse(f"{place}.max_severity", "is not a score") from error
    score = reader.score({"max_severity": number}, "max_severity", place)
    return ratings.rating("", score, "3.1") if score else None


def _finding(
    members: Sequence[_Vulnerability], name: str, version: str, also: Sequence[str], top: Cvss | None
) -> Finding:
    own = members[0].id
    cvss = tuple(dict.fromkeys(rating for member in members for rating in member.cvss))
    word = next((one.word for one in members if severity_of(one.word) is _worst_word(members)), "")
    severity, rule = judge("osv-scanner", word, cvss)
    if severity is FindingSeverity.UNKNOWN and top is not None:
        severity, _ = judge("osv-scanner", "", (top,))
        rule = f"osv-scanner: max_severity {top.score}"
    purl = next((purl for member in members for of, purl in member.purls if of == name and purl), "")
    fixed = dict.fromkeys(fix for member in members for of, fix in member.fixed_in if of == name)
    return Finding(
        id=own,
        severity=severity,
        component=Component(name, version, with_version(purl, version)),
        fixed_in=", ".join(fixed),
        source="osv.dev",
        aliases=aliases_of(own, [*also, *(alias for member in members for alias in (member.id, *member.aliases))]),
        severity_rule=rule,
        cvss=cvss,
    )


def _worst_word(members: Sequence[_Vulnerability]) -> FindingSeverity:
    return worst(severity_of(member.word) for member in members)
