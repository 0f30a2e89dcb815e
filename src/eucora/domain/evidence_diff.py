"""What changed from one evidence pack to another."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TypeVar

from eucora.domain.evidence_pack import Document, EvidencePackAssembled, InstallPlan
from eucora.domain.planes import Plane
from eucora.domain.purls import Identities, Key
from eucora.domain.risk_types import ApplicationProfile, DeclaredRisk
from eucora.domain.vulnerabilities import MergedFinding

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One declared field. Values as text; empty: there was none."""

    field: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class InstallChange:
    """How one plane installs; None: the pack does not install there."""

    plane: Plane
    before: InstallPlan | None
    after: InstallPlan | None


@dataclass(frozen=True, slots=True)
class PackDiff:
    """From one pack to another; empty tuples where nothing changed.

    Findings are matched by vulnerability and component. ``findings_changed``: (before, after) of those that are in both
    and differ in their severity or in whether they count.
    """

    application: tuple[FieldChange, ...]
    declared: tuple[FieldChange, ...]
    installs: tuple[InstallChange, ...]
    documents_added: tuple[Document, ...]
    documents_removed: tuple[Document, ...]
    findings_added: tuple[MergedFinding, ...]
    findings_removed: tuple[MergedFinding, ...]
    findings_changed: tuple[tuple[MergedFinding, MergedFinding], ...]
    rollout_plan: FieldChange | None


def diff(
    before: EvidencePackAssembled,
    after: EvidencePackAssembled,
    findings_before: Sequence[MergedFinding],
    findings_after: Sequence[MergedFinding],
) -> PackDiff:
    """What changed. Findings are those that the packs' documents lead to, in their order."""
    documents = _by_key(before.documents, after.documents)
    identities = Identities(one.component for one in (*findings_before, *findings_after))
    was, now = _found(findings_before, identities), _found(findings_after, identities)
    plans = ({plan.plane: plan for plan in pack.installs} for pack in (before, after))
    return PackDiff(
        application=_fields(before.application, after.application),
        declared=_fields(before.declared, after.declared),
        installs=tuple(InstallChange(plane, *pair) for plane, pair in sorted(_changed(*plans))),
        documents_added=documents[1],
        documents_removed=documents[0],
        findings_added=tuple(one for key, one in now.items() if key not in was),
        findings_removed=tuple(one for key, one in was.items() if key not in now),
        findings_changed=tuple(
            (was[key], one)
            for key, one in now.items()
            if key in was and (was[key].severity, was[key].counted) != (one.severity, one.counted)
        ),
        rollout_plan=None
        if before.rollout_plan == after.rollout_plan
        else FieldChange("rollout_plan", before.rollout_plan, after.rollout_plan),
    )


def _fields(
    before: ApplicationProfile | DeclaredRisk, after: ApplicationProfile | DeclaredRisk
) -> tuple[FieldChange, ...]:
    pairs = ((field.name, getattr(before, field.name), getattr(after, field.name)) for field in fields(before))
    return tuple(FieldChange(name, _text(was), _text(now)) for name, was, now in pairs if was != now)


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _by_key(before: Iterable[Document], after: Iterable[Document]) -> tuple[tuple[Document, ...], tuple[Document, ...]]:
    """Only in the first, only in the second: a document is its kind and digest, whatever the summary says."""
    was = {(one.kind, one.sha256): one for one in before}
    now = {(one.kind, one.sha256): one for one in after}
    return (
        tuple(one for key, one in was.items() if key not in now),
        tuple(one for key, one in now.items() if key not in was),
    )


def _changed(before: Mapping[K, V], after: Mapping[K, V]) -> Iterator[tuple[K, tuple[V | None, V | None]]]:
    for key in {**before, **after}:
        if (pair := (before.get(key), after.get(key)))[0] != pair[1]:
            yield key, pair


def _found(findings: Sequence[MergedFinding], identities: Identities) -> dict[tuple[str, Key], MergedFinding]:
    return {(one.id, identities.key(one.component)): one for one in findings}
