"""Read model ``risk_models``: versions of the rubric."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from eucora.application.ports import Recorded
from eucora.domain import risk_model as e
from eucora.domain.risk_factors import MODEL_1_0, RiskModel
from eucora.projections.versions import (
    Versions,
    VersionView,
    activated,
    after,
    from_product,
    from_proposal,
    retired,
    versions_shape,
)


@dataclass(frozen=True, slots=True)
class ModelApproval:
    part: e.Part
    by: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskModelView(VersionView):
    model: RiskModel
    approvals: tuple[ModelApproval, ...] = ()


def built_in(position: int = 0, version: int = 0) -> RiskModelView:
    """Version 1.0, as it stands while no event speaks of it."""
    return RiskModelView(model=MODEL_1_0, **from_product(MODEL_1_0.version, position, version))


def evolve(view: RiskModelView | None, recorded: Recorded) -> RiskModelView | None:
    """The version after an event of its stream."""
    match recorded.event:
        case e.RiskModelProposed() as event:
            view = RiskModelView(model=event.model, **from_proposal(event.model.version, recorded, event))
        case e.RiskModelApproved(part=part, by=by, at=at) if view:
            view = replace(view, approvals=(*view.approvals, ModelApproval(part, by, at)))
        case e.RiskModelActivated(at=at) if view:
            view = activated(view, recorded, at)
        case e.RiskModelRetired() as event:
            view = retired(view or built_in(recorded.position, recorded.version), event)
    return after(view, recorded)


RISK_MODELS = versions_shape("risk_models", "risk_model", 1, RiskModelView, evolve)


class RiskModels(Versions[RiskModelView]):
    """Queries on risk models."""

    def __init__(self, pool: Any) -> None:
        super().__init__(pool, RISK_MODELS)
