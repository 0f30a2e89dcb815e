"""What happens to policies in the story of a log made by hand: versions come and go, and trust is earned and lost."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from eucora.domain import governance_policy as governance
from eucora.domain import risk_model as models
from eucora.domain import role_mapping as roles
from eucora.domain import trust_maturity as trust
from eucora.domain.governance_types import GOVERNANCE_1_0
from eucora.domain.people import Role
from eucora.domain.risk_factors import MODEL_1_0
from eucora.domain.role_rules import RoleMapping, RoleRule

ADMIN, BOARD, SECURITY = "idp|ada", "idp|cora", "idp|sana"
BEGUN: Final = datetime(2026, 3, 2, 9, tzinfo=UTC)
MONTH: Final = timedelta(weeks=4)
MODEL: Final = replace(MODEL_1_0, version="1.1", critical_devices=Decimal("1.5"))
POLICY: Final = replace(GOVERNANCE_1_0, version="2.0", score_max=Decimal(40))
MAPPING: Final = RoleMapping("2.0", (RoleRule("groups", "5ab3c2de", Role.AUDITOR),), convention=True)
RECORD: Final = trust.TrackRecord(BEGUN, BEGUN + MONTH, releases=80, incidents=1, p1=0, p2=1)

MODEL_EVENTS: Final = (
    models.RiskModelProposed(MODEL, "critical devices weigh more", ADMIN, BEGUN),
    models.RiskModelApproved(models.Part.CAB, BOARD, BEGUN),
    models.RiskModelApproved(models.Part.SECURITY, SECURITY, BEGUN),
    models.RiskModelActivated(BEGUN),
)
GOVERNANCE_EVENTS: Final = (
    governance.GovernancePolicyProposed(POLICY, "two bad releases", ADMIN, BEGUN),
    governance.GovernancePolicyActivated(BOARD, BEGUN),
)
TRUST_EVENTS: Final = (
    trust.MaturityEvaluated(0, "2.0", RECORD, ("level 1 asks for 4 weeks",), BEGUN, BEGUN + trust.WEEK),
    trust.MaturityEvaluated(0, "2.0", RECORD, (), BEGUN + MONTH, BEGUN + MONTH + trust.WEEK),
    trust.MaturityRiseProposed(0, 1, "2.0", RECORD, BEGUN + MONTH),
)
MAPPING_EVENTS: Final = (
    roles.RoleMappingProposed(MAPPING, "1.0", "groups have ids", ADMIN, BEGUN),
    roles.RoleMappingActivated(BOARD, BEGUN),
)
POLICY_STORY: Final[tuple[tuple[str, tuple[object, ...]], ...]] = (
    ("risk_model-1.1", MODEL_EVENTS),
    ("governance_policy-2.0", GOVERNANCE_EVENTS),
    ("trust_maturity-installation", TRUST_EVENTS),
    ("role_mapping-2.0", MAPPING_EVENTS),
)
