"""Rings, the plan that names their targets, and what is counted in them."""

from dataclasses import dataclass
from enum import IntEnum, StrEnum

from eucora.domain.assignment import Share
from eucora.domain.planes import Plane, SiteClass


class Ring(IntEnum):
    """The five rings, in the order in which a release meets them."""

    LAB = 0
    CANARY = 1
    PILOT = 2
    DEPARTMENT = 3
    GLOBAL = 4


class OfferAs(StrEnum):
    """How a release is offered: every device of the target gets it, or its people take it when they like."""

    REQUIRED = "required"
    AVAILABLE = "available"


@dataclass(frozen=True, slots=True)
class RingTarget:
    """One group on one plane, or a share of it. ``devices`` is the count resolved when the plan was proposed.

    Devices of groups in ``excluded`` (the plane's own ids, each once, sorted) are no part of it.
    """

    plane: Plane
    group: str  # the plane's own id of the group
    devices: int
    site_class: SiteClass = SiteClass.ONLINE
    critical: bool = False  # the group holds critical devices
    share: Share | None = None  # of the group's devices, by :mod:`eucora.domain.assignment`; None: all of them
    offer_as: OfferAs = OfferAs.REQUIRED
    excluded: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RingSpec:
    """The targets of one ring."""

    ring: Ring
    targets: tuple[RingTarget, ...]

    @property
    def planes(self) -> tuple[Plane, ...]:
        return tuple(sorted({target.plane for target in self.targets}))


@dataclass(frozen=True, slots=True)
class RingPlan:
    """Rings in ascending order without a gap, beginning with the lab."""

    rings: tuple[RingSpec, ...]

    @property
    def devices(self) -> int:
        """Devices over all rings and planes."""
        return sum(target.devices for spec in self.rings for target in spec.targets)

    @property
    def last(self) -> Ring:
        return self.rings[-1].ring

    @property
    def planes(self) -> tuple[Plane, ...]:
        return tuple(sorted({target.plane for spec in self.rings for target in spec.targets}))

    def planes_of(self, ring: Ring) -> tuple[Plane, ...]:
        """The planes that have a target in ``ring``; none for a ring that is not in the plan."""
        spec = self.of(ring)
        return () if spec is None else spec.planes

    def of(self, ring: Ring) -> RingSpec | None:
        return next((spec for spec in self.rings if spec.ring is ring), None)


@dataclass(frozen=True, slots=True)
class KeptGroup:
    """A group of our own (``ref``) that holds the frozen devices of a share of ``group``; plane's own ids both."""

    group: str
    ref: str


@dataclass(frozen=True, slots=True)
class CohortCount:
    """How many devices were frozen into a ring's cohort, by plane and site class."""

    plane: Plane
    site_class: SiteClass
    devices: int
    unenrolled: int = 0


@dataclass(frozen=True, slots=True)
class Counts:
    """Devices of one plane and site class in one ring, at one moment. Denominators are always there to be shown.

    ``targeted`` = exempt + installed + failed + pending + not_installed + unknown. ``reachable`` checked in lately
    enough to count for coverage, ``reported`` are those of the reachable that the plane has a state for.

    ``available``: those of the targeted that only ``available`` targets hold; nobody asks them for anything, so they
    count from when they have tried (installed or failed). ``untried``: those of them that have not; part of ``exempt``.
    ``compliance_p90_s`` is of the others, whose clock began when the cohort was frozen.
    """

    plane: Plane
    site_class: SiteClass
    targeted: int
    exempt: int
    installed: int
    failed: int
    pending: int
    not_installed: int
    unknown: int
    reachable: int
    reported: int
    compliance_p90_s: int | None = None  # None: fewer than 90 % are installed yet
    available: int = 0
    untried: int = 0

    @property
    def asked(self) -> int:
        """Devices that must have the release: targeted, neither exempt nor free to choose."""
        return self.targeted - self.available - (self.exempt - self.untried)


@dataclass(frozen=True, slots=True)
class Measurement:
    """One reading of a ring. ``failures`` are the vendors' codes and how often each was seen, most frequent first."""

    counts: tuple[Counts, ...]
    failures: tuple[tuple[str, int], ...] = ()
