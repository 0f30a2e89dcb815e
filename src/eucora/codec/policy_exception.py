"""Stored names of the events of a policy exception."""

from typing import Final

from eucora.domain import policy_exception as ex

STORED_AS: Final[dict[type, tuple[str, int]]] = {
    ex.ExceptionRequested: ("policy_exception.requested", 1),
    ex.ExceptionAmended: ("policy_exception.amended", 1),
    ex.ExceptionDecisionGiven: ("policy_exception.decision-given", 1),
    ex.ExceptionDecisionRefused: ("policy_exception.decision-refused", 1),
    ex.ExceptionApproved: ("policy_exception.approved", 1),
    ex.ExceptionDenied: ("policy_exception.denied", 1),
    ex.ExceptionChangesRequested: ("policy_exception.changes-requested", 1),
    ex.ExceptionExtensionRequested: ("policy_exception.extension-requested", 1),
    ex.ExceptionExtended: ("policy_exception.extended", 1),
    ex.ExceptionExtensionRefused: ("policy_exception.extension-refused", 1),
    ex.ExceptionReminded: ("policy_exception.reminded", 1),
    ex.ExceptionExpired: ("policy_exception.expired", 1),
    ex.ExceptionRevoked: ("policy_exception.revoked", 1),
}
