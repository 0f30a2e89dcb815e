"""What the story reads of the API's answers: only the fields that it uses, checked on the way in."""

from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

RINGS = ("lab", "canary", "pilot", "department", "global")


class _Shape(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Counts(_Shape):
    """Devices of one plane (and site class) in one ring."""

    plane: str
    targeted: int
    exempt: int = 0
    installed: int
    failed: int
    pending: int
    not_installed: int
    unknown: int


class Measurement(_Shape):
    counts: tuple[Counts, ...]


class GateResult(_Shape):
    gate: str
    verdict: str
    value: str
    threshold: str
    reason: str


class GateRun(_Shape):
    verdict: str
    results: tuple[GateResult, ...]


class Target(_Shape):
    plane: str
    group: str
    devices: int


class RingState(_Shape):
    """One ring of the plan; ``opened_at`` None: not reached."""

    ring: int
    targets: tuple[Target, ...]
    opened_at: str | None = None
    opened_automatically: bool = False
    frozen_at: str | None = None
    measurement: Measurement | None = None
    gate_run: GateRun | None = None
    left_at: str | None = None

    @property
    def name(self) -> str:
        return RINGS[self.ring]

    def rows(self) -> Iterator[Counts]:
        """Counts by plane; before the first measurement everybody is unknown."""
        if self.measurement is not None:
            yield from self.measurement.counts
            return
        for target in self.targets:
            yield Counts(
                plane=target.plane,
                targeted=target.devices,
                installed=0,
                failed=0,
                pending=0,
                not_installed=0,
                unknown=target.devices,
            )

    @property
    def all_installed(self) -> bool:
        counts = self.measurement.counts if self.measurement else ()
        return bool(counts) and all(row.installed == row.targeted - row.exempt for row in counts)


class Factor(_Shape):
    name: str
    contribution: str
    rule: str
    provenance: str


class Risk(_Shape):
    score: str
    blast_radius_class: str
    class_reason: str
    factors: tuple[Factor, ...]


class Route(_Shape):
    cab_from_ring: int | None
    quorum: int
    reasons: tuple[str, ...]


class Condition(_Shape):
    kind: str
    value: str


class Approval(_Shape):
    status: str
    source: str = ""
    conditions: tuple[Condition, ...] = ()


class Hold(_Shape):
    kind: str
    reason: str


class Rehearsal(_Shape):
    passed: bool | None = None
    reverted: int = 0
    devices: int = 0


class Rollback(_Shape):
    """How far a rollback is; ``remaining`` None: not measured yet."""

    reverted: int = 0
    remaining: int | None = None


class Incident(_Shape):
    """An incident with its blast radius."""

    severity: str
    status: str
    affected_devices: int
    blast_radius_class: str | None = None


class Operation(_Shape):
    """What was done on a plane; ``ref`` is the vendor's own id of its object."""

    plane: str
    operation: str
    outcome: str
    ref: str = ""


class Application(_Shape):
    application_id: str
    name: str
    version: str


class Release(_Shape):
    application: Application


class Intent(_Shape):
    """A deployment intent as it stands. ``ring`` is the open one, None before the lab."""

    id: str
    status: str
    release: Release
    risk: Risk
    route: Route
    approval: Approval
    ring: int | None = None
    rings: tuple[RingState, ...]
    operations: tuple[Operation, ...] = ()
    hold: Hold | None = None
    rehearsal: Rehearsal | None = None
    rollback: Rollback | None = None

    @property
    def title(self) -> str:
        application = self.release.application
        return f"{application.name} {application.version}"

    @property
    def planes(self) -> Sequence[str]:
        return sorted({target.plane for ring in self.rings for target in ring.targets})

    def published(self, plane: str) -> frozenset[str]:
        """The vendor's ids of what was published on ``plane``."""
        done = (one for one in self.operations if one.operation == "publish" and one.outcome == "done")
        return frozenset(one.ref for one in done if one.plane == plane)


class Vote(_Shape):
    voter: str
    vote: str
    reason: str


class RefusedVote(_Shape):
    voter: str
    rule: str


class Review(_Shape):
    """A CAB review with its votes, and those that were refused."""

    id: str
    status: str
    intent_id: str
    quorum: int
    votes: tuple[Vote, ...] = ()
    refused_votes: tuple[RefusedVote, ...] = ()
    conditions: tuple[Condition, ...] = ()


class Happened(_Shape):
    """One line of an intent's timeline."""

    position: int
    type: str
    actor: str
    summary: str


class Timeline(_Shape):
    items: tuple[Happened, ...]
    next_cursor: str | None = None


class FeedEvent(_Shape):
    """``entry`` is what was stored; its canonical form (RFC 8785) has the stored bytes."""

    position: int
    entry: dict[str, Any]


class Checksum(_Shape):
    algorithm: str
    value: str


class FeedPage(_Shape):
    """A page of the event feed. ``head``: the position of the last event there is, -1 for none."""

    events: tuple[FeedEvent, ...]
    next_cursor: str
    has_more: bool
    head: int
    checksum: Checksum
