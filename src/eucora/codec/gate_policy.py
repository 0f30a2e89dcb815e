"""Stored names of the events of a gate policy."""

from typing import Final

from eucora.domain import gate_policy

STORED_AS: Final[dict[type, tuple[str, int]]] = {
    gate_policy.GatePolicyProposed: ("gate_policy.proposed", 1),
    gate_policy.GatePolicyActivated: ("gate_policy.activated", 1),
    gate_policy.GatePolicyRetired: ("gate_policy.retired", 1),
}
