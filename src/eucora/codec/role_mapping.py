"""Stored names of the events of a role mapping."""

from typing import Final

from eucora.domain import role_mapping

STORED_AS: Final[dict[type, tuple[str, int]]] = {
    role_mapping.RoleMappingProposed: ("role_mapping.proposed", 1),
    role_mapping.RoleMappingActivated: ("role_mapping.activated", 1),
    role_mapping.RoleMappingRetired: ("role_mapping.retired", 1),
    role_mapping.RoleMappingReplaced: ("role_mapping.replaced", 1),
}
