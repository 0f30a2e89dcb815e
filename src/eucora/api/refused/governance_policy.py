"""Problem rows of governance policies."""

from typing import Final

from eucora.api.problems import Row
from eucora.domain import governance_policy
from eucora.domain.errors import DomainError

ROWS: Final[dict[type[DomainError], Row]] = {
    governance_policy.ProposerMayNotActivateGovernance: Row(
        403, "proposer-may-not-activate-governance-policy", "The proposer may not activate the governance policy"
    ),
    governance_policy.GovernancePolicyUnknown: Row(
        404, "governance-policy-unknown", "There is no such governance policy"
    ),
    governance_policy.GovernancePolicyInvalid: Row(
        422, "governance-policy-invalid", "The governance policy contradicts itself", "#/policy"
    ),
    governance_policy.GovernancePolicyVersionTaken: Row(
        409, "governance-policy-version-taken", "The version stands with other content"
    ),
    governance_policy.GovernancePolicyNotActive: Row(
        409, "governance-policy-not-active", "The governance policy is not active"
    ),
    governance_policy.GovernancePolicyOutOfUse: Row(
        409, "governance-policy-out-of-use", "The governance policy was retired"
    ),
}
