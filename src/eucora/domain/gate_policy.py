"""Gate policy: a version of the thresholds, proposed by one person and approved by another. Stream: ``gate_policy-<version>``."""

from dataclasses import dataclass
from datetime import datetime

from eucora.domain.gate_types import GatePolicy


@dataclass(frozen=True, slots=True)
class GatePolicyProposed:
    policy: GatePolicy
    reason: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class GatePolicyActivated:
    """Approved by somebody else than its proposer; intents may name it from now on."""

    by: str
    at: datetime


Event = GatePolicyProposed | GatePolicyActivated
