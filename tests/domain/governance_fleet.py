"""Devices that say how an install went, as a plane would count them: no plane, no time of their own."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from eucora.domain.planes import Plane, SiteClass
from eucora.domain.rings import Counts, Ring

SITE = {Plane.INTUNE: SiteClass.ONLINE, Plane.JAMF: SiteClass.INTERMITTENT}
Place = tuple[str, Ring, Plane]  # intent, ring, plane


@dataclass
class Cohort:
    """The devices of one ring on one plane. ``silent`` devices are reachable and have not reported a state."""

    size: int
    since: datetime
    installed: int = 0
    failed: int = 0
    silent: int = 0
    p90: timedelta | None = None

    def report(self, installed: int, failed: int, silent: int, at: datetime) -> None:
        """More devices finished; no device un-finishes, and none is counted twice."""
        self.installed = min(self.size - self.failed, max(self.installed, installed))
        self.failed = min(self.size - self.installed, max(self.failed, failed))
        self.silent = min(self.size - self.installed - self.failed, silent)
        if self.p90 is None and self.installed * 10 >= self.size * 9:
            self.p90 = at - self.since

    def counts(self, plane: Plane) -> Counts:
        pending = self.size - self.installed - self.failed - self.silent
        return Counts(
            plane=plane,
            site_class=SITE[plane],
            targeted=self.size,
            exempt=0,
            installed=self.installed,
            failed=self.failed,
            pending=pending,
            not_installed=0,
            unknown=self.silent,
            reachable=self.size,
            reported=self.size - self.silent,
            compliance_p90_s=None if self.p90 is None else self.p90 // timedelta(seconds=1),
        )


class Fleet:
    """All cohorts, by intent, ring and plane."""

    def __init__(self) -> None:
        self.cohorts: dict[Place, Cohort] = {}

    def resolve(self, place: Place, size: int, at: datetime) -> None:
        self.cohorts.setdefault(place, Cohort(size, at))

    def of(self, intent_id: str, ring: Ring) -> dict[Plane, Cohort]:
        return {plane: one for (id, r, plane), one in self.cohorts.items() if (id, r) == (intent_id, ring)}

    def finish(self, intent_id: str, ring: Ring, failures: int, silent: int, at: datetime) -> None:
        """Every device of the ring finishes but ``silent`` ones; ``failures`` of each plane fail."""
        for one in self.of(intent_id, ring).values():
            one.report(one.size - failures - silent, failures, silent, at)
