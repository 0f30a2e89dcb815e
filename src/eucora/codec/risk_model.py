"""Stored names of the events of a risk model."""

from typing import Final

from eucora.domain import risk_model

STORED_AS: Final[dict[type, tuple[str, int]]] = {
    risk_model.RiskModelProposed: ("risk_model.proposed", 1),
    risk_model.RiskModelApproved: ("risk_model.approved", 1),
    risk_model.RiskModelActivated: ("risk_model.activated", 1),
    risk_model.RiskModelRetired: ("risk_model.retired", 1),
}
