"""How events are written down. Importing the package registers every event of the domain."""

from eucora.codec import (
    artifact,
    break_glass,
    cab_delegation,
    cab_review,
    change_window,
    connector,
    deployment_intent,
    drift,
    evidence_pack,
    gate_policy,
    governance_policy,
    incident,
    policy_exception,
    risk_model,
    service_token,
    trust_maturity,
)
from eucora.codec.registry import EVENTS

for _noun in (
    artifact,
    break_glass,
    cab_delegation,
    cab_review,
    change_window,
    connector,
    deployment_intent,
    drift,
    evidence_pack,
    gate_policy,
    governance_policy,
    incident,
    policy_exception,
    risk_model,
    service_token,
    trust_maturity,
):
    EVENTS.add(_noun.STORED_AS)
