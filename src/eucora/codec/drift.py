"""Stored names of the events of drift."""

from typing import Final

from eucora.domain import drift

STORED_AS: Final[dict[type, tuple[str, int]]] = {
    drift.DriftFound: ("drift.found", 1),
    drift.DriftCleared: ("drift.cleared", 1),
    drift.DriftRemediationRequested: ("drift.remediation-requested", 1),
    drift.DriftRemediationFailed: ("drift.remediation-failed", 1),
    drift.DriftEscalated: ("drift.escalated", 1),
    drift.DriftAccepted: ("drift.accepted", 1),
}
