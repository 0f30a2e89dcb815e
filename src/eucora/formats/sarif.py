"""SARIF 2.1.0 logs.

SARIF knows places in files, not components: a finding's component is named after the file it was seen in, unless the
rule names exactly one purl. A suppression does not hide a finding: whoever runs the scan does not decide what counts.

Source: OASIS SARIF 2.1.0, 3.27 (result: 3.27.9 kind, 3.27.10 level), 3.49 and 3.50 (rules and their configuration);
``security-severity`` as GitHub's code scanning documents it. Read 2026-11-22.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Final

from eucora.domain.findings import Component, Cvss, Finding, FindingSeverity, ScanFacts
from eucora.formats.byte_source import Source
from eucora.formats.json_document import SCORE_MAX, JsonObject, Reader
from eucora.formats.limits import COMPONENTS_MAX, FINDINGS_MAX, TOO_MANY_COMPONENTS, TOO_MANY_FINDINGS
from eucora.formats.purl import component_of
from eucora.formats.records import json_records
from eucora.formats.severity import once, severity_of_score
from eucora.formats.shape import TEXT, Fields, Items, Stream, texts
from eucora.formats.timestamp import time_of

VERSION: Final = "2.1.0"
_WAY_OUT: Final = "Hand in a SARIF log of version 2.1.0."
_RUNS_MAX: Final = 1_000
_LEVELS: Final = {
    "error": FindingSeverity.HIGH,
    "warning": FindingSeverity.MEDIUM,
    "note": FindingSeverity.LOW,
    "none": FindingSeverity.NONE,
}
_SCORE_LENGTH_MAX: Final = 16
_NOWHERE: Final = "(no location)"
# Grype makes one rule for each vulnerability and package: "CVE-2021-36159-apk-tools".
_LEADING_ID: Final = re.compile(r"(CVE-\d{4}-\d{4,}|GHSA(-[0-9a-z]{4}){3})(?=-)")
_SCORED: Final = Fields(texts("security-severity") | {"purls": Items(TEXT)})
_RULE: Final = Fields({"id": TEXT, "defaultConfiguration": Fields(texts("level")), "properties": _SCORED})
_RULES: Final = Stream("rules", _RULE, FINDINGS_MAX, TOO_MANY_FINDINGS)
_MORE_RULES: Final = Stream("rules of extensions", _RULE, FINDINGS_MAX, TOO_MANY_FINDINGS)
_LOCATION: Final = Fields(
    {
        "physicalLocation": Fields({"artifactLocation": Fields(texts("uri", "index"))}),
        "logicalLocations": Items(Fields(texts("fullyQualifiedName", "name"))),
    }
)
_RESULT: Final = Fields(
    {
        "ruleId": TEXT,
        "ruleIndex": TEXT,
        "rule": Fields(texts("id", "index") | {"toolComponent": Fields(texts("index", "name", "guid"))}),
        "level": TEXT,
        "kind": TEXT,
        "baselineState": TEXT,
        "locations": Items(_LOCATION),
        "analysisTarget": Fields(texts("uri")),
        "properties": _SCORED,
    }
)
_RESULTS: Final = Stream("findings", _RESULT, FINDINGS_MAX, TOO_MANY_FINDINGS)
_ARTIFACTS: Final = Stream("artifacts", Fields({"location": Fields(texts("uri"))}), COMPONENTS_MAX, TOO_MANY_COMPONENTS)
_DRIVER: Final = Fields(texts("name", "version", "semanticVersion") | {"rules": _RULES})
_RUN: Final = Fields(
    {
        "tool": Fields({"driver": _DRIVER, "extensions": Items(Fields(texts("name") | {"rules": _MORE_RULES}))}),
        "versionControlProvenance": Items(Fields(texts("repositoryUri"))),
        "properties": Fields(texts("imageName")),
        "invocations": Items(Fields(texts("endTimeUtc"))),
        "artifacts": _ARTIFACTS,
        "results": _RESULTS,
    }
)
_RUNS: Final = Stream("runs", _RUN, _RUNS_MAX, TOO_MANY_FINDINGS)
_SHAPE: Final = Fields({"version": TEXT, "runs": _RUNS})


@dataclass(frozen=True, slots=True)
class _Rule:
    id: str
    level: str
    score: Decimal | None
    purl: str


@dataclass(frozen=True, slots=True)
class _Result:
    place: str
    rule_id: str
    rule_index: int | None
    in_extension: bool
    level: str
    score: Decimal | None
    purl: str
    location: str
    artifact: int | None


@dataclass(slots=True)
class _Run:
    """What was read of the run that is not over yet; its rules and results may come in either order."""

    rules: list[_Rule] = field(default_factory=list)
    by_id: dict[str, _Rule] = field(default_factory=dict)  # those of extensions, too
    artifacts: list[str] = field(default_factory=list)
    results: list[_Result] = field(default_factory=list)


def read(source: Source) -> ScanFacts:
    """Findings of all runs, each rule and component once. ``tool`` is the name that the log gives, or the names.

    Raises:
        UnreadableEvidence: not a SARIF 2.1.0 log, or a part of it is malformed.
    """
    reader = Reader("scan", _WAY_OUT)
    findings: list[Finding] = []
    tools: dict[tuple[str, str], None] = {}
    subjects: dict[str, None] = {}
    ends: list[datetime] = []
    run, document = _Run(), JsonObject()
    for record in json_records(source, _SHAPE, kind="scan", way_out=_WAY_OUT):
        value, place = record.value, record.place
        match record.label:
            case _RULES.label | _MORE_RULES.label:
                rule = _rule(value, reader, place)
                run.by_id.setdefault(rule.id, rule)
                run.rules += [rule] if record.label == _RULES.label else []
            case _ARTIFACTS.label:
                location = reader.object(value, "location", place)
                run.artifacts.append(reader.text(location, "uri", f"{place}.location"))
            case _RESULTS.label:
                if _counts(value, reader, place):
                    run.results.append(_result(value, reader, place))
            case _RUNS.label:
                tool = _tool(value, reader, place)
                tools[tool] = None
                subjects[_subject(value, reader, place)] = None
                ends += _ends(value, reader, place)
                findings += [_finding(result, run, tool[0], reader) for result in run.results]
                run = _Run()
            case _:
                document = value
    if document.get("version") != VERSION:
        raise reader.refuse("$.version", f'is not "{VERSION}"')
    if not isinstance(document.get("runs"), list) or not tools:
        raise reader.refuse("$.runs", "is not a list of runs, or an empty one, which says nothing")
    return ScanFacts(
        tool=", ".join(name for name, _ in tools),
        tool_version=", ".join(version for _, version in tools if version),
        subject=next(iter(subjects)) if len(subjects) == 1 else "",
        findings=once(findings),
        scanned_at=min(ends, default=None),  # a log is as old as its oldest run
    )


def _tool(run: JsonObject, reader: Reader, place: str) -> tuple[str, str]:
    driver = reader.object(reader.object(run, "tool", place), "driver", f"{place}.tool")
    at = f"{place}.tool.driver"
    version = reader.text(driver, "semanticVersion", at) or reader.text(driver, "version", at)
    return reader.text(driver, "name", at, required=True), version


def _ends(run: JsonObject, reader: Reader, place: str) -> Iterator[datetime]:
    """When the scanner's invocations ended (SARIF 3.20.8), where the run says so."""
    for index, invocation in enumerate(reader.objects(run, "invocations", place)):
        if (end := time_of(invocation, "endTimeUtc", reader, f"{place}.invocations[{index}]")) is not None:
            yield end


def _subject(run: JsonObject, reader: Reader, place: str) -> str:
    """The image that Trivy names in a property of its own; else the repository."""
    image = reader.text(reader.object(run, "properties", place), "imageName", f"{place}.properties")
    repositories = reader.objects(run, "versionControlProvenance", place)
    at = f"{place}.versionControlProvenance[0]"
    return image or (reader.text(repositories[0], "repositoryUri", at) if repositories else "")


def _counts(result: JsonObject, reader: Reader, place: str) -> bool:
    """Whether the result says that something is wrong, and still is."""
    kind = reader.text(result, "kind", place) or "fail"
    return (
        kind not in ("pass", "notApplicable", "informational")
        and reader.text(result, "baselineState", place) != "absent"
    )


def _rule(entry: JsonObject, reader: Reader, place: str) -> _Rule:
    configuration = reader.object(entry, "defaultConfiguration", place)
    properties = reader.object(entry, "properties", place)
    return _Rule(
        id=reader.text(entry, "id", place, required=True),
        level=_level(configuration, reader, f"{place}.defaultConfiguration"),
        score=_score(properties, reader, f"{place}.properties"),
        purl=_purl(properties, reader, f"{place}.properties"),
    )


def _result(entry: JsonObject, reader: Reader, place: str) -> _Result:
    rule = reader.object(entry, "rule", place)
    component = reader.object(rule, "toolComponent", f"{place}.rule")
    index = _index(entry, "ruleIndex", reader, place)
    properties = reader.object(entry, "properties", place)
    level = _level(entry, reader, place)
    if not level and reader.text(entry, "kind", place) in ("open", "review"):
        level = "none"  # 3.27.10: a kind other than "fail" has no level of its own
    location, artifact = _location(entry, reader, place)
    return _Result(
        place=place,
        rule_id=reader.text(entry, "ruleId", place) or reader.text(rule, "id", f"{place}.rule"),
        rule_index=_index(rule, "index", reader, f"{place}.rule") if index is None else index,
        in_extension=bool(component),
        level=level,
        score=_score(properties, reader, f"{place}.properties"),
        purl=_purl(properties, reader, f"{place}.properties"),
        location=location,
        artifact=artifact,
    )


def _location(entry: JsonObject, reader: Reader, place: str) -> tuple[str, int | None]:
    """The file, or else the symbol, or else what was analysed; and the file's index among the run's artifacts."""
    locations = reader.objects(entry, "locations", place)
    first, at = (locations[0] if locations else {}), f"{place}.locations[0]"
    physical = reader.object(first, "physicalLocation", at)
    file = reader.object(physical, "artifactLocation", f"{at}.physicalLocation")
    where = f"{at}.physicalLocation.artifactLocation"
    index = _index(file, "index", reader, where)
    if uri := reader.text(file, "uri", where):
        return uri, index
    symbols = reader.objects(first, "logicalLocations", at)
    symbol, here = (symbols[0] if symbols else {}), f"{at}.logicalLocations[0]"
    name = reader.text(symbol, "fullyQualifiedName", here) or reader.text(symbol, "name", here)
    target = reader.object(entry, "analysisTarget", place)
    return name or reader.text(target, "uri", f"{place}.analysisTarget"), index


def _finding(result: _Result, run: _Run, tool: str, reader: Reader) -> Finding:
    rule = _rule_of(result, run)
    id_ = result.rule_id or (rule.id if rule else "")
    if not id_:
        raise reader.refuse(f"{result.place}.ruleId", "is missing, and no rule is named by its index")
    indexed = result.artifact is not None and 0 <= result.artifact < len(run.artifacts)
    location = result.location or (run.artifacts[result.artifact or 0] if indexed else "")
    severity, because = _severity(result, rule)
    leading = _LEADING_ID.match(id_)
    purl = result.purl or (rule.purl if rule else "")
    return Finding(
        id=id_,
        severity=severity,
        component=component_of(purl) if purl else Component(location or _NOWHERE, ""),
        source=tool,
        aliases=(leading.group(),) if leading else (),
        severity_rule=because,
    )


def _rule_of(result: _Result, run: _Run) -> _Rule | None:
    # An index into an extension's rules would need the extension; rules of extensions are found by their id.
    if result.rule_index is not None and not result.in_extension and 0 <= result.rule_index < len(run.rules):
        return run.rules[result.rule_index]
    return run.by_id.get(result.rule_id)


def _severity(result: _Result, rule: _Rule | None) -> tuple[FindingSeverity, str]:
    """``security-severity`` of the result or its rule, a CVSS base score; else the level, "warning" where none says."""
    score = result.score if result.score is not None else rule.score if rule else None
    if score is not None:
        return severity_of_score(Cvss("3.1", "", score)), f"sarif: security-severity {score}"
    level = result.level or (rule.level if rule else "") or "warning"
    return _LEVELS[level], f"sarif: level {level}"


def _level(parent: JsonObject, reader: Reader, place: str) -> str:
    level = reader.text(parent, "level", place)
    if level and level not in _LEVELS:
        raise reader.refuse(f"{place}.level", f"is none of {', '.join(_LEVELS)}")
    return level


def _score(properties: JsonObject, reader: Reader, place: str) -> Decimal | None:
    """``security-severity``, which tools write as a text and some as a number."""
    told = properties.get("security-severity")
    if told is None or told == "":
        return None
    try:
        score = Decimal(str(told)[:_SCORE_LENGTH_MAX]) if isinstance(told, str | float | int) else None
    except InvalidOperation:
        score = None
    if score is None or not score.is_finite() or not 0 <= score <= SCORE_MAX:
        raise reader.refuse(f"{place}.security-severity", f"is not a score from 0 to {SCORE_MAX}")
    return score.quantize(Decimal("0.1"))


def _index(parent: JsonObject, key: str, reader: Reader, place: str) -> int | None:
    """The index under ``key``; None where it is absent, or -1, which SARIF writes for "none"."""
    value = parent.get(key)
    if value is None or value == -1:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise reader.refuse(f"{place}.{key}", "is not a whole number")
    return value


def _purl(properties: JsonObject, reader: Reader, place: str) -> str:
    """The component that Grype names in its rules, where it is one only."""
    purls = reader.texts(properties, "purls", place)
    return purls[0] if len(purls) == 1 else ""
