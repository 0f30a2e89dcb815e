"""All projections of the house."""

from eucora.projections.artifacts import ARTIFACTS, EVIDENCE_PACKS
from eucora.projections.base import DocumentProjection, Projection
from eucora.projections.cab_desk import CAB_DESK
from eucora.projections.gate_policies import GATE_POLICIES
from eucora.projections.history import HISTORY
from eucora.projections.incidents import INCIDENTS
from eucora.projections.intents import IntentProjection
from eucora.projections.operations import OperationProjection
from eucora.projections.timeline import TimelineProjection
from eucora.projections.tokens import TOKENS


def all_projections() -> list[Projection]:
    """One of each, on the live tables, for a :class:`eucora.projections.runner.ProjectionRunner`."""
    return [
        IntentProjection(),
        TimelineProjection(),
        OperationProjection(),
        DocumentProjection(CAB_DESK),
        DocumentProjection(ARTIFACTS),
        DocumentProjection(EVIDENCE_PACKS),
        DocumentProjection(INCIDENTS),
        DocumentProjection(HISTORY),
        DocumentProjection(GATE_POLICIES),
        DocumentProjection(TOKENS),
    ]
