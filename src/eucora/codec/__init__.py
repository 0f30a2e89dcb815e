"""How events are written down. Importing the package registers every event of the domain."""

from eucora.codec import (
    artifact,
    audit_access,
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
    role_mapping,
    service_token,
    trust_maturity,
    workload_trust,
)
from eucora.codec.registry import EVENTS

for _noun in (
    artifact,
    audit_access,
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
    role_mapping,
    service_token,
    trust_maturity,
    workload_trust,
):
    EVENTS.add(_noun.STORED_AS)
