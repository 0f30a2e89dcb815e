"""All projections of the house."""

from eucora.projections.artifacts import ARTIFACTS, EVIDENCE_PACKS
from eucora.projections.base import DocumentProjection, Projection
from eucora.projections.break_glass import BREAK_GLASS, BreakGlassDeedProjection
from eucora.projections.cab_delegations import CAB_DELEGATIONS
from eucora.projections.cab_desk import CAB_DESK
from eucora.projections.calibration import CALIBRATION
from eucora.projections.change_windows import CHANGE_WINDOWS
from eucora.projections.connectors import CONNECTORS
from eucora.projections.drift import DRIFT_FINDINGS
from eucora.projections.gate_policies import GATE_POLICIES
from eucora.projections.governance_policies import GOVERNANCE_POLICIES
from eucora.projections.history import HISTORY
from eucora.projections.incidents import INCIDENTS
from eucora.projections.intents import IntentProjection
from eucora.projections.operations import OperationProjection
from eucora.projections.policy_exceptions import POLICY_EXCEPTIONS
from eucora.projections.risk_models import RISK_MODELS
from eucora.projections.role_mappings import ROLE_MAPPINGS
from eucora.projections.timeline import TimelineProjection
from eucora.projections.tokens import TOKENS
from eucora.projections.trust_maturity import TRUST_MATURITY
from eucora.projections.workload_trusts import WORKLOAD_TRUSTS


def all_projections() -> list[Projection]:
    """One of each, on the live tables, for a :class:`eucora.projections.runner.ProjectionRunner`."""
    return [
        IntentProjection(),
        TimelineProjection(),
        OperationProjection(),
        DocumentProjection(CAB_DESK),
        DocumentProjection(CAB_DELEGATIONS),
        DocumentProjection(ARTIFACTS),
        DocumentProjection(EVIDENCE_PACKS),
        DocumentProjection(INCIDENTS),
        DocumentProjection(CHANGE_WINDOWS),
        DocumentProjection(POLICY_EXCEPTIONS),
        DocumentProjection(BREAK_GLASS),
        BreakGlassDeedProjection(),
        DocumentProjection(DRIFT_FINDINGS),
        DocumentProjection(HISTORY),
        DocumentProjection(GATE_POLICIES),
        DocumentProjection(GOVERNANCE_POLICIES),
        DocumentProjection(RISK_MODELS),
        DocumentProjection(ROLE_MAPPINGS),
        DocumentProjection(TRUST_MATURITY),
        DocumentProjection(CALIBRATION),
        DocumentProjection(TOKENS),
        DocumentProjection(WORKLOAD_TRUSTS),
        DocumentProjection(CONNECTORS),
    ]
