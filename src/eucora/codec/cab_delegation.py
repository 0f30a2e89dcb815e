"""Stored names of the events of a CAB delegation."""

from typing import Final

from eucora.domain import cab_delegation

STORED_AS: Final[dict[type, tuple[str, int]]] = {
    cab_delegation.CabVoteDelegated: ("cab_delegation.granted", 1),
    cab_delegation.CabDelegationRevoked: ("cab_delegation.revoked", 1),
    cab_delegation.CabDelegationExpired: ("cab_delegation.expired", 1),
}
