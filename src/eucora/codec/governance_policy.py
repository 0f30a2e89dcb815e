"""Stored names of the events of a governance policy."""

from typing import Final

from eucora.domain import governance_policy

STORED_AS: Final[dict[type, tuple[str, int]]] = {
    governance_policy.GovernancePolicyProposed: ("governance_policy.proposed", 1),
    governance_policy.GovernancePolicyActivated: ("governance_policy.activated", 1),
    governance_policy.GovernancePolicyRetired: ("governance_policy.retired", 1),
}
