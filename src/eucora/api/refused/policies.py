"""Problem rows of everything that policies are made of, joined."""

from typing import Final

from eucora.api.problems import Row
from eucora.api.refused import gate_policy, governance_policy, risk_model, role_mapping, trust_maturity
from eucora.application.policies import VersionInForce
from eucora.domain.errors import DomainError

_OF_ALL: Final[dict[type[DomainError], Row]] = {
    VersionInForce: Row(409, "policy-version-in-force", "The version is in force"),
}
ROWS: Final[dict[type[DomainError], Row]] = (
    _OF_ALL | gate_policy.ROWS | governance_policy.ROWS | risk_model.ROWS | role_mapping.ROWS | trust_maturity.ROWS
)
