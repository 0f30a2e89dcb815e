"""What leads to an evaluation of trust maturity: a policy that asks for it, a week that passed, an incident."""

from datetime import datetime, timedelta

from eucora.application.ports import NewJob
from eucora.application.priorities import UPKEEP
from eucora.domain.governance_policy import GovernancePolicyActivated, GovernanceVersion
from eucora.domain.governance_types import GovernanceMode
from eucora.domain.incident import IncidentReclassified, IncidentReported
from eucora.domain.trust_maturity import MaturityEvaluated


def on_trust_maturity(state: object, event: object, at: datetime) -> list[NewJob]:
    """Jobs for ``event``; ``state`` is its aggregate's state after it.

    The first policy that lives by trust starts the weekly watch, and each evaluation asks for the next. A second policy
    asks in vain, because no evaluation is due then.
    """
    match event:
        case GovernancePolicyActivated() if isinstance(state, GovernanceVersion) and state.proposed is not None:
            if state.proposed.policy.mode is GovernanceMode.TRUST_MATURITY:
                return [_evaluation(at, weekly=True)]
        case MaturityEvaluated(next_at=next_at):
            # A moment early would find nothing due, and the chain of weeks would end there.
            return [_evaluation(next_at + timedelta(milliseconds=1), weekly=True)]
        case IncidentReported() | IncidentReclassified():
            return [_evaluation(at, weekly=False)]
    return []


def _evaluation(at: datetime, *, weekly: bool) -> NewJob:
    key = f"evaluate_maturity:{at.isoformat() if weekly else 'incident'}"
    return NewJob(
        "evaluate_maturity", {"weekly": weekly}, at, lock_key="trust_maturity", dedupe_key=key, priority=UPKEEP
    )
