"""Findings of several scans as one list: one finding for a vulnerability in a component, whoever reported it how often.

The order of scans, findings and statements never matters. A severity that scanners disagree on is the worst of them. A
VEX statement can take a finding out of the count, never out of the list, and a critical one not even out of the count:
who packages a release could otherwise waive what takes an approved exception.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from eucora.domain.cves import is_cve
from eucora.domain.exception_needs import LISTED_MAX
from eucora.domain.findings import Component, Cvss, Finding, FindingSeverity, ScanFacts, VexFacts
from eucora.domain.purls import Identities, Key
from eucora.domain.risk_types import FindingCounts
from eucora.domain.vex import VexBook, VexMark

CRITICAL_LISTED_MAX: Final = LISTED_MAX
WORST_FIRST: Final = (
    FindingSeverity.CRITICAL,
    FindingSeverity.HIGH,
    FindingSeverity.MEDIUM,
    FindingSeverity.LOW,
    FindingSeverity.UNKNOWN,
    FindingSeverity.NONE,
)
_RANK: Final = {severity: rank for rank, severity in enumerate(WORST_FIRST)}


@dataclass(frozen=True, slots=True)
class FindingSource:
    """What one scanner said. ``id``: what it called the vulnerability; ``database``: where it had that from."""

    tool: str
    id: str
    severity: FindingSeverity
    rule: str
    database: str


@dataclass(frozen=True, slots=True)
class MergedFinding:
    """One vulnerability in one component. ``id``: the CVE where one is known; ``aliases``: its other ids.

    ``related``: ids that scanners name beside it and that may mean another one. ``rule`` says what gave the severity.
    ``fixed_in``: versions, as the scanners write them. ``vex`` None: nobody stated anything about it.
    """

    id: str
    aliases: tuple[str, ...]
    related: tuple[str, ...]
    component: Component
    severity: FindingSeverity
    rule: str
    fixed_in: tuple[str, ...]
    cvss: tuple[Cvss, ...]
    sources: tuple[FindingSource, ...]
    vex: VexMark | None = None

    @property
    def suppressed(self) -> bool:
        """Whether the statement that holds says not affected, or fixed."""
        return self.vex is not None and self.vex.suppresses

    @property
    def counted(self) -> bool:
        return self.severity is FindingSeverity.CRITICAL or not self.suppressed


class VulnerabilityNames:
    """Brings the ids of one vulnerability to one: its CVE, else the first of its ids.

    Two CVEs are never taken for one: ids that several of them claim stay apart, each by itself, so that a waiver or a
    statement for one CVE cannot cover another.
    """

    def __init__(self, findings: Iterable[Finding]) -> None:
        self._parents: dict[str, str] = {}
        claims: list[tuple[str, str]] = []
        for finding in findings:
            if not finding.aliases:
                continue
            ids = (finding.id, *finding.aliases)
            others = [id for id in ids if not is_cve(id)]
            for other in others[1:]:
                self._join(others[0], other)
            if others:
                claims += [(others[0], id.upper()) for id in ids if is_cve(id)]
        self._cves: dict[str, set[str]] = {}
        for other, cve in claims:
            self._cves.setdefault(self._root(other), set()).add(cve)
        # The root of a group depends on the order in which it grew; its smallest member does not.
        self._first: dict[str, str] = {}
        for id in self._parents:
            root = self._root(id)
            self._first[root] = min(self._first.get(root, id), id)

    def name(self, id: str) -> str:
        """What the vulnerability goes by."""
        if is_cve(id):
            return id.upper()
        root = self._root(id)
        cves = self._cves.get(root)
        if cves is None:
            return self._first.get(root, id)
        return next(iter(cves)) if len(cves) == 1 else id

    def _root(self, id: str) -> str:
        path = []
        while (parent := self._parents.get(id, id)) != id:
            path.append(id)
            id = parent
        for passed in path:
            self._parents[passed] = id
        return id

    def _join(self, one: str, other: str) -> None:
        for id in (one, other):
            self._parents.setdefault(id, id)
        self._parents[self._root(other)] = self._root(one)


def merge(
    scans: Iterable[ScanFacts], statements: Iterable[VexFacts] = (), subjects: Sequence[Component] = ()
) -> Sequence[MergedFinding]:
    """Every finding once, worst first, then by id and component. ``subjects``: what the SBOMs are about."""
    told = [(scan.tool, finding) for scan in scans for finding in scan.findings]
    names = VulnerabilityNames(finding for _, finding in told)
    identities = Identities(finding.component for _, finding in told)
    groups: dict[tuple[str, Key], list[tuple[str, Finding]]] = {}
    for tool, finding in told:
        groups.setdefault((names.name(finding.id), identities.key(finding.component)), []).append((tool, finding))
    book = VexBook(statements, names.name, subjects)
    merged = [_merged(name, group, names, book) for (name, _), group in groups.items()]
    return tuple(sorted(merged, key=_order))


def _merged(name: str, group: Sequence[tuple[str, Finding]], names: VulnerabilityNames, book: VexBook) -> MergedFinding:
    ids = {id for _, finding in group for id in (finding.id, *finding.aliases)} - {name}
    same = {id for id in ids if names.name(id) == name}
    component = min((finding.component for _, finding in group), key=_most_telling)
    sources = sorted(
        {FindingSource(tool, one.id, one.severity, one.severity_rule, one.source) for tool, one in group},
        key=lambda source: (source.tool, source.id, _RANK[source.severity], source.rule, source.database),
    )
    severity = min((source.severity for source in sources), key=_RANK.__getitem__)
    return MergedFinding(
        id=name,
        aliases=tuple(sorted(same)),
        related=tuple(sorted(ids - same)),
        component=component,
        severity=severity,
        rule=_rule(severity, sources),
        fixed_in=tuple(sorted({finding.fixed_in for _, finding in group} - {""})),
        cvss=tuple(
            sorted(
                {rating for _, finding in group for rating in finding.cvss},
                key=lambda c: (c.version, c.vector, c.score),
            )
        ),
        sources=tuple(sources),
        vex=book.mark(name, component),
    )


def _rule(severity: FindingSeverity, sources: Sequence[FindingSource]) -> str:
    """What gave the severity: the rule of a scanner, or that the worst counts where they disagree."""
    said = sorted({(source.tool, _RANK[source.severity]) for source in sources})
    if len({rank for _, rank in said}) > 1:
        words = ", ".join(f"{tool}: {WORST_FIRST[rank]}" for tool, rank in said)
        return f"the scanners disagree ({words}); the worst counts"
    rules = sorted({source.rule for source in sources if source.rule})
    return rules[0] if rules else f"{sources[0].tool} says {severity}"


def _most_telling(component: Component) -> tuple[bool, str, str, str]:
    return not component.purl, component.purl, component.name, component.version


def _order(finding: MergedFinding) -> tuple[int, str, str, str, str]:
    component = finding.component
    return _RANK[finding.severity], finding.id, component.name, component.version, component.purl


def counts(findings: Iterable[MergedFinding], excepted: AbstractSet[str] = frozenset()) -> FindingCounts:
    """Findings that count, by severity; NONE counts as low. ``excepted``: vulnerability ids that are waived."""
    by_severity: Counter[FindingSeverity] = Counter()
    waived = 0
    for finding in findings:
        if finding.counted:
            by_severity[finding.severity] += 1
            if finding.severity is FindingSeverity.CRITICAL and not excepted.isdisjoint((finding.id, *finding.aliases)):
                waived += 1
    return FindingCounts(
        critical=by_severity[FindingSeverity.CRITICAL],
        high=by_severity[FindingSeverity.HIGH],
        medium=by_severity[FindingSeverity.MEDIUM],
        low=by_severity[FindingSeverity.LOW] + by_severity[FindingSeverity.NONE],
        unknown=by_severity[FindingSeverity.UNKNOWN],
        excepted=waived,
    )


def critical_ids(findings: Iterable[MergedFinding]) -> tuple[str, ...]:
    """Ids of the critical findings that count, each once, sorted; the first ``CRITICAL_LISTED_MAX`` of them.

    Exceptions waive by these ids. Of more, some cannot be waived; so many block the release, as they should.
    """
    found = {one.id for one in findings if one.counted and one.severity is FindingSeverity.CRITICAL}
    return tuple(sorted(found)[:CRITICAL_LISTED_MAX])


def suppressed(findings: Iterable[MergedFinding]) -> int:
    """How many findings a VEX statement says not affected or fixed of; critical ones among them count all the same."""
    return sum(finding.suppressed for finding in findings)
