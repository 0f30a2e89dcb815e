"""Scanners' severity words, and one finding for what a scanner reports twice."""

from collections.abc import Iterable, Sequence
from typing import Final

from eucora.domain.findings import Component, Finding, Severity

_WORDS: Final = {
    "critical": Severity.CRITICAL,
    "high": Severity.HIGH,
    "medium": Severity.MEDIUM,
    "low": Severity.LOW,
    "negligible": Severity.LOW,
    "none": Severity.NONE,
}
_WORST_FIRST: Final = (
    Severity.CRITICAL,
    Severity.HIGH,
    Severity.MEDIUM,
    Severity.LOW,
    Severity.NONE,
    Severity.UNKNOWN,
)


def severity_of(word: str) -> Severity:
    """The severity that a scanner's word means, in any case; a word that nobody told us is ``UNKNOWN``."""
    return _WORDS.get(word.lower(), Severity.UNKNOWN)


def once(findings: Iterable[Finding]) -> Sequence[Finding]:
    """The findings in their order, one for each id and component.

    Scanners repeat a finding for each place a component lies in, and for each data source; where sources disagree, the
    worst severity stands.
    """
    kept: dict[tuple[str, Component], Finding] = {}
    for finding in findings:
        key = (finding.id, finding.component)
        known = kept.get(key)
        if known is None or _WORST_FIRST.index(finding.severity) < _WORST_FIRST.index(known.severity):
            kept[key] = finding
    return tuple(kept.values())
