"""Stored names of the events of audit access."""

from typing import Final

from eucora.domain import audit_access

STORED_AS: Final[dict[type, tuple[str, int]]] = {
    audit_access.EvidenceRead: ("audit_access.evidence-read", 1),
    audit_access.LogExported: ("audit_access.log-exported", 1),
}
