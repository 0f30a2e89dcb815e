"""Problem rows of gate policies that are no longer in use."""

from typing import Final

from eucora.api.problems import Row
from eucora.domain import gate_policy
from eucora.domain.errors import DomainError

ROWS: Final[dict[type[DomainError], Row]] = {
    gate_policy.PolicyOutOfUse: Row(409, "gate-policy-out-of-use", "The gate policy was retired"),
}
