"""The events of what is waived: an exception that ran out, and a break-glass session that was reviewed."""

from datetime import UTC, datetime, timedelta
from typing import Final

from eucora.domain import break_glass as glass
from eucora.domain import policy_exception as waiver
from eucora.domain.exception_types import ExceptionKind
from eucora.domain.governance_types import BreakGlassLimits, ExceptionLimits
from eucora.domain.people import Scope
from eucora.domain.policy_exception import Capacity, Decision, Question

BEGUN: Final = datetime(2026, 3, 2, 8, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ASKER, SECURITY, FIRST, SECOND = "idp|pat", "idp|sven", "idp|olaf", "idp|ada"
TERMS: Final = waiver.Terms(
    ExceptionKind.VULNERABILITY, "zlib", "no fix yet", ("firewall",), FIRST, ("CVE-2026-1",), BEGUN + 30 * DAY,
    application_id="edge-tunnel",
)  # fmt: skip


def asked_for(id: str) -> waiver.ExceptionRequested:
    return waiver.ExceptionRequested(id, TERMS, (Capacity.SECURITY_REVIEWER,), ExceptionLimits(), ASKER, BEGUN)


WAIVER_STORY: Final[tuple[tuple[str, tuple[object, ...]], ...]] = (
    (
        "policy_exception-x-1",
        (
            asked_for("x-1"),
            waiver.ExceptionDecisionGiven(
                Question.EXCEPTION, Capacity.SECURITY_REVIEWER, Decision.APPROVE, "the firewall holds", SECURITY, BEGUN
            ),
            waiver.ExceptionApproved(BEGUN + 30 * DAY, BEGUN),
        ),
    ),
    (
        "break_glass-b-1",
        (
            glass.BreakGlassRequested(
                "b-1", glass.ReasonCode.INCIDENT, "nobody on call", Scope(), 3600, BreakGlassLimits(), BEGUN + HOUR,
                FIRST, BEGUN,
            ),
            glass.BreakGlassActivated((FIRST, SECOND), BEGUN + HOUR, BEGUN),
        ),
    ),
)  # fmt: skip
DEED: Final = waiver.ExceptionDenied("asked in haste", BEGUN)  # done inside the session
