"""Problem rows of risk models."""

from typing import Final

from eucora.api.problems import Row
from eucora.domain import risk_model
from eucora.domain.errors import DomainError

ROWS: Final[dict[type[DomainError], Row]] = {
    risk_model.ProposerMayNotApproveModel: Row(
        403, "proposer-may-not-approve-risk-model", "The proposer may not approve the risk model"
    ),
    risk_model.ModelApprovedByYou: Row(
        403, "risk-model-needs-two-people", "The two approvals of a risk model are those of two people"
    ),
    risk_model.RiskModelUnknown: Row(404, "risk-model-unknown", "There is no such risk model"),
    risk_model.RiskModelInvalid: Row(422, "risk-model-invalid", "The risk model contradicts itself", "#/model"),
    risk_model.RiskModelVersionTaken: Row(409, "risk-model-version-taken", "The version stands with other content"),
    risk_model.ModelPartApproved: Row(409, "risk-model-part-approved", "This approval was given already"),
    risk_model.RiskModelNotActive: Row(409, "risk-model-not-active", "The risk model is not active"),
    risk_model.RiskModelOutOfUse: Row(409, "risk-model-out-of-use", "The risk model was retired"),
}
