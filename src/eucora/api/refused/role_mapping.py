"""Problem rows of role mappings."""

from typing import Final

from eucora.api.problems import Row
from eucora.domain import role_mapping
from eucora.domain.errors import DomainError

ROWS: Final[dict[type[DomainError], Row]] = {
    role_mapping.ProposerMayNotActivateRoleMapping: Row(
        403, "proposer-may-not-activate-role-mapping", "The proposer may not activate the role mapping"
    ),
    role_mapping.RuleNotHeld: Row(403, "rule-not-held", "Nobody grants what he does not hold", "#/mapping/rules"),
    role_mapping.RoleMappingInBreakGlass: Row(
        403, "role-mapping-in-break-glass", "A break-glass session does not change role mappings"
    ),
    role_mapping.RoleMappingByToken: Row(403, "role-mapping-by-token", "A service token puts no role mapping in force"),
    role_mapping.RoleMappingUnknown: Row(404, "role-mapping-unknown", "There is no such role mapping"),
    role_mapping.RoleMappingInvalid: Row(422, "role-mapping-invalid", "The role mapping cannot hold", "#/mapping"),
    role_mapping.RoleMappingVersionTaken: Row(
        409, "role-mapping-version-taken", "The version stands with other content"
    ),
    role_mapping.RoleMappingOutOfUse: Row(409, "role-mapping-out-of-use", "The role mapping was retired"),
    role_mapping.RoleMappingOutdated: Row(
        409, "role-mapping-outdated", "Another role mapping came into force since the proposal"
    ),
    role_mapping.ActivatorLocksHimselfOut: Row(
        409, "activator-locks-himself-out", "The activator would lose the role that he activates with"
    ),
}
