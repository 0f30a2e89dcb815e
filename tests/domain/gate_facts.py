"""Counts of a ring, and the facts of a gate run in which nothing is wrong but what a test changes."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from eucora.domain.gate_types import GateFacts, IncidentFacts
from eucora.domain.planes import Plane, SiteClass
from eucora.domain.rings import Counts, Measurement

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
DAY = timedelta(hours=24)


def counted(
    installed: int,
    failed: int = 0,
    *,
    pending: int = 0,
    not_installed: int = 0,
    unknown: int = 0,
    exempt: int = 0,
    reachable: int | None = None,
    reported: int | None = None,
    p90: timedelta | None = timedelta(hours=2),
    plane: Plane = Plane.INTUNE,
    site: SiteClass = SiteClass.ONLINE,
) -> Counts:
    targeted = installed + failed + pending + not_installed + unknown + exempt
    reachable = targeted if reachable is None else reachable
    reported = reachable if reported is None else reported
    p90_s = None if p90 is None else int(p90.total_seconds())
    return Counts(
        plane, site, targeted, exempt, installed, failed, pending, not_installed, unknown, reachable, reported, p90_s
    )


def facts(*counts: Counts, after: timedelta = DAY, **changes: object) -> GateFacts:
    """A day after the ring opened, with nothing wrong but what a test changes."""
    measurement = Measurement(counts or (counted(100),))
    good = GateFacts(measurement, START, START + after, IncidentFacts(), rollback_validated=True, approval_problem=None)
    return replace(good, **changes)
