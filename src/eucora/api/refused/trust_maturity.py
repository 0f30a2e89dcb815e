"""Problem rows of trust maturity."""

from typing import Final

from eucora.api.problems import Row
from eucora.domain import trust_maturity
from eucora.domain.errors import DomainError

ROWS: Final[dict[type[DomainError], Row]] = {
    trust_maturity.RiseNotProposed: Row(409, "maturity-rise-not-proposed", "No such rise of maturity is proposed"),
    trust_maturity.RiseNoLongerEarned: Row(
        409, "maturity-rise-no-longer-earned", "The rise of trust maturity is no longer earned"
    ),
}
