"""How severe a finding is and what says so: the scanner's own word, else a CVSS score."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from eucora.domain.findings import Component, Cvss, Finding, FindingSeverity

_WORDS: Final = {
    "critical": FindingSeverity.CRITICAL,
    "high": FindingSeverity.HIGH,
    "important": FindingSeverity.HIGH,  # Red Hat's word
    "medium": FindingSeverity.MEDIUM,
    "moderate": FindingSeverity.MEDIUM,  # GitHub's and Red Hat's word
    "low": FindingSeverity.LOW,
    "negligible": FindingSeverity.LOW,
    "none": FindingSeverity.NONE,
}
_WORST_FIRST: Final = (
    FindingSeverity.CRITICAL,
    FindingSeverity.HIGH,
    FindingSeverity.MEDIUM,
    FindingSeverity.LOW,
    FindingSeverity.NONE,
    FindingSeverity.UNKNOWN,
)
_WORD_SHOWN_MAX: Final = 40
# Lowest score of each severity, in tenths.
_BANDS: Final = (
    (90, FindingSeverity.CRITICAL),
    (70, FindingSeverity.HIGH),
    (40, FindingSeverity.MEDIUM),
    (1, FindingSeverity.LOW),
)


def severity_of(word: str) -> FindingSeverity:
    """The severity that a scanner's word means, in any case; a word that nobody told us is ``UNKNOWN``."""
    return _WORDS.get(word.lower(), FindingSeverity.UNKNOWN)


def severity_of_score(cvss: Cvss) -> FindingSeverity:
    """The severity of a score on the qualitative scale of its CVSS version.

    Source: FIRST, CVSS 3.1 specification section 5 (4.0 section 6 has the same bands); for 2.0 the ranges that NVD
    published, which begin at 0.0 with low and have no critical.
    """
    tenths = int(cvss.score * 10)
    found = next((severity for lowest, severity in _BANDS if tenths >= lowest), FindingSeverity.NONE)
    if cvss.version == "2.0":
        of_nvd = {FindingSeverity.CRITICAL: FindingSeverity.HIGH, FindingSeverity.NONE: FindingSeverity.LOW}
        return of_nvd.get(found, found)
    return found


def judge(tool: str, word: str, cvss: Sequence[Cvss]) -> tuple[FindingSeverity, str]:
    """The severity, and the rule that gave it.

    The tool's own word stands where it is one that is known and not "unknown". Else the highest CVSS score does, of
    version 3.0 or newer before 2.0.
    """
    severity = severity_of(word)
    if severity is not FindingSeverity.UNKNOWN:
        return severity, f"{tool}: {word}"
    if cvss:
        top = max(cvss, key=lambda rating: (rating.version != "2.0", rating.score, rating.version))
        return severity_of_score(top), f"cvss {top.version} base score {top.score}"
    return FindingSeverity.UNKNOWN, f"{tool}: {word[:_WORD_SHOWN_MAX] or 'no severity'}"


def worst(severities: Iterable[FindingSeverity]) -> FindingSeverity:
    """The worst of them, ``UNKNOWN`` last; ``UNKNOWN`` for none."""
    return min(severities, key=_WORST_FIRST.index, default=FindingSeverity.UNKNOWN)


def once(findings: Iterable[Finding]) -> Sequence[Finding]:
    """The findings in their order, one for each id and component.

    Scanners repeat a finding for each place a component lies in, and for each data source; where sources disagree, the
    worst severity stands, and the aliases of all are kept.
    """
    kept: dict[tuple[str, Component], Finding] = {}
    for finding in findings:
        key = (finding.id, finding.component)
        known = kept.get(key)
        if known is None:
            kept[key] = finding
            continue
        worse = worst((known.severity, finding.severity)) is not known.severity
        aliases = tuple(dict.fromkeys(known.aliases + finding.aliases))
        kept[key] = replace(finding if worse else known, aliases=aliases)
    return tuple(kept.values())
