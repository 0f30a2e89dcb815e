"""Words of policy exceptions that other streams know, too."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from eucora.domain.rings import Ring


class ExceptionKind(StrEnum):
    """What is waived."""

    VULNERABILITY = "vulnerability"
    UNSIGNED_PACKAGE = "unsigned_package"
    CROSS_BOUNDARY = "cross_boundary"
    GATE_OVERRIDE = "gate_override"
    PRIVILEGED_TOOLING = "privileged_tooling"


class ExceptionStatus(StrEnum):
    """``requested → approved | denied | changes_requested → expired | revoked``."""

    REQUESTED = "requested"
    APPROVED = "approved"
    DENIED = "denied"
    CHANGES_REQUESTED = "changes_requested"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class ExceptionFact:
    """An exception as a decision on an intent sees it.

    ``subjects``: what is waived, in the words of its kind: vulnerability ids; artifact digests; the scope as
    ``business_unit/boundary/site``; gate names; application ids. ``ring`` is set for gate overrides, and for them only.
    """

    exception_id: str
    kind: ExceptionKind
    status: ExceptionStatus
    subjects: tuple[str, ...]
    expires_at: datetime
    ring: Ring | None = None

    def in_force(self, at: datetime) -> bool:
        return self.status is ExceptionStatus.APPROVED and at < self.expires_at
