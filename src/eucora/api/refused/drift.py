"""Problem rows of drift."""

from typing import Final

from eucora.api.problems import Row
from eucora.domain import drift
from eucora.domain.errors import DomainError

ROWS: Final[dict[type[DomainError], Row]] = {
    drift.DriftFindingUnknown: Row(404, "drift-finding-unknown", "There is no such drift finding"),
    drift.DriftFindingCleared: Row(409, "drift-finding-cleared", "What was found is gone"),
    drift.DriftNotRemediable: Row(409, "drift-not-remediable", "This is not put right from here"),
}
