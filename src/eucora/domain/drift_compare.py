"""What a plane should hold of a release, held against what it does hold. Pure: the connectors fetch, this compares."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from eucora.domain.deployment_intent.offered import groups_reached
from eucora.domain.deployment_intent.state import DeploymentIntent, Rehearsal
from eucora.domain.planes import Plane
from eucora.domain.rings import Ring

NAMED_MAX = 5  # foreign members that a finding names
FREE = "available"
_WITHOUT = "without "
LEFT_OUT = "left out"  # of a group that is offered the release and excluded from it


class DriftKind(StrEnum):
    """How a plane differs from what was decided."""

    MISSING_APP = "missing_app"
    WRONG_VERSION = "wrong_version"
    CHANGED_CONTENT = "changed_content"
    MISSING_ASSIGNMENT = "missing_assignment"
    WRONG_SCOPE = "wrong_scope"
    UNKNOWN_ASSIGNMENT = "unknown_assignment"
    MISSING_GROUP = "missing_group"
    MISSING_MEMBERS = "missing_members"
    FOREIGN_MEMBERS = "foreign_members"


class Remedy(StrEnum):
    """What EUCORA itself can do about it. ``NONE``: it would have to touch what others own, or content.

    ``GATHER``: make the group of our own hold its frozen devices, and no others.
    """

    ASSIGN = "assign"
    WITHDRAW = "withdraw"
    GATHER = "gather"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class DesiredOffer:
    """``offer``: install, available where people choose it, or uninstall while a rollback is rehearsed."""

    group: str
    offer: str
    ring: Ring


@dataclass(frozen=True, slots=True)
class DesiredGroup:
    """A group of our own, ``ref``, that something is offered to: for the share of ``source`` that ``ring`` holds."""

    ref: str
    source: str
    ring: Ring


@dataclass(frozen=True, slots=True)
class Desired:
    """What was decided for one plane. ``undecided``: groups that an offer may be under way to, or may be stale at.

    ``ring``: the furthest that the release was opened for. ``kept``: the groups of our own among those offered to.
    ``excluded``: groups that are to be kept out of every offer.
    """

    plane: Plane
    ref: str
    version: str
    content_version: str
    offers: tuple[DesiredOffer, ...]
    undecided: frozenset[str]
    ring: Ring
    kept: tuple[DesiredGroup, ...] = ()
    excluded: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ActualGroup:
    """A group of our own as it is. ``devices`` were frozen for it, ``missing`` of them are not in it, though they are
    in its source; ``foreign`` are members that nobody froze, in the plane's words.
    """

    ref: str
    exists: bool
    devices: int
    missing: int = 0
    foreign: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Actual:
    """What the plane holds. ``offers``: (group, install, uninstall or available); ``wide``: offers that go beyond
    groups, in the plane's words; ``excluded``: groups that are kept out."""

    ref: str | None
    version: str
    content_version: str
    offers: tuple[tuple[str, str], ...]
    wide: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    kept: tuple[ActualGroup, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference. ``group`` is empty where it is about the whole object; ``ring`` is the furthest then."""

    plane: Plane
    kind: DriftKind
    ring: Ring
    group: str
    expected: str
    found: str
    remedy: Remedy

    @property
    def key(self) -> tuple[str, ...]:
        """The same difference, seen again. Another content is another difference, also when one was accepted."""
        return (self.plane, self.kind, self.group, self.expected, self.found)


def desired_of(state: DeploymentIntent, plane: Plane, also: frozenset[str] = frozenset()) -> Desired | None:
    """What the intent holds on the plane; None while it holds nothing. ``also``: groups that others' decisions cover.

    The groups of every ring that was opened are undecided where no offer is on record, or one that is about to turn: it
    may stand there, and its worker died before it could say so.
    """
    proposed = state.proposed
    held = {ring: event for (ring, of_plane), event in state.published.items() if of_plane is plane}
    if proposed is None or not held or state.ring is None:
        return None
    latest = held[max(held)]
    rehearsing = state.rehearsal is Rehearsal.RUNNING
    offers = tuple(
        DesiredOffer(group, event.offer, event.ring)
        for (of_plane, group), event in sorted(state.offers.items())
        # The lab's offer turns with a rehearsal: until the other one is on record, either may stand.
        if of_plane is plane and (event.offer == "uninstall") is (rehearsing and event.ring is Ring.LAB)
    )
    undecided = (groups_reached(state, plane) | also) - {offer.group for offer in offers}
    version = proposed.release.application.version
    kept = tuple(
        DesiredGroup(one.ref, one.group, ring)
        for ring, progress in sorted(state.rings.items())
        if (cohort := progress.cohorts.get(plane)) is not None
        for one in cohort.kept
        if any(offer.group == one.ref for offer in offers)
    )
    out = frozenset(
        group
        for spec in proposed.ring_plan.rings
        for target in spec.targets
        for group in target.excluded
        if target.plane is plane
    )
    content = latest.content_version
    return Desired(
        plane, latest.ref, version, content, offers, undecided, max(state.rings), kept, out if offers else frozenset()
    )


def compare(desired: Desired, actual: Actual) -> tuple[Finding, ...]:
    """Every difference, in a fixed order. Of an object that is gone nothing else can be said."""
    whole = _Findings(desired.plane, desired.ring)
    if actual.ref != desired.ref:
        return (whole.of(DriftKind.MISSING_APP, desired.ref, actual.ref or "nothing"),)
    findings = []
    if actual.version != desired.version:
        findings.append(whole.of(DriftKind.WRONG_VERSION, desired.version, actual.version or "unreadable"))
    if actual.content_version != desired.content_version:
        found = actual.content_version or "none"
        findings.append(whole.of(DriftKind.CHANGED_CONTENT, desired.content_version, found))
    findings += [whole.of(DriftKind.WRONG_SCOPE, "groups", wide) for wide in sorted(set(actual.wide))]
    return (*findings, *_of_kept(desired, actual), *_of_groups(desired, actual))


def to_assign(desired: Desired, finding: Finding) -> tuple[DesiredOffer, ...]:
    """The offers that are to be made again where the remedy is to assign: that of the finding's group.

    All of them where a group is left out no more, because a plane may keep what is left out with each offer.
    """
    if finding.remedy is not Remedy.ASSIGN:
        return ()
    everywhere = finding.expected.startswith(_WITHOUT)
    return tuple(offer for offer in desired.offers if everywhere or offer.group == finding.group)


@dataclass(frozen=True, slots=True)
class _Findings:
    plane: Plane
    ring: Ring

    def of(self, kind: DriftKind, expected: str, found: str) -> Finding:
        return Finding(self.plane, kind, self.ring, "", expected, found, Remedy.NONE)


def _of_kept(desired: Desired, actual: Actual) -> Iterator[Finding]:
    """Foreign members get what nobody approved for them; missing ones go without what was."""
    found = {group.ref: group for group in actual.kept}
    for wanted in desired.kept:
        if (group := found.get(wanted.ref)) is None:
            continue  # it was not looked at
        place, held = (wanted.ring, wanted.ref), f"{group.devices} devices of {wanted.source}"
        if not group.exists:
            yield Finding(desired.plane, DriftKind.MISSING_GROUP, *place, held, "nothing", Remedy.GATHER)
            continue
        if group.foreign:
            told = f"{len(group.foreign)} more: {', '.join(group.foreign[:NAMED_MAX])}"
            told += ", …" if len(group.foreign) > NAMED_MAX else ""
            yield Finding(desired.plane, DriftKind.FOREIGN_MEMBERS, *place, held, told, Remedy.GATHER)
        if group.missing:
            told = f"{group.missing} fewer"
            yield Finding(desired.plane, DriftKind.MISSING_MEMBERS, *place, held, told, Remedy.GATHER)


def _of_groups(desired: Desired, actual: Actual) -> Iterator[Finding]:
    standing: dict[str, set[str]] = defaultdict(set)
    for group, offer in actual.offers:
        standing[group.casefold()].add(offer)
    excluded = {group.casefold() for group in actual.excluded}
    gone = {group.ref for group in actual.kept if not group.exists}
    for wanted in desired.offers:
        if wanted.group in gone:
            standing.pop(wanted.group.casefold(), None)
            continue  # told as the group that is gone; there is nothing to offer it to
        found = standing.pop(wanted.group.casefold(), set())
        if wanted.offer != FREE:
            found.discard(FREE)  # somebody else's, beside ours
        place = (wanted.ring, wanted.group, wanted.offer)
        if not found:
            yield Finding(desired.plane, DriftKind.MISSING_ASSIGNMENT, *place, "nothing", Remedy.ASSIGN)
        elif found != {wanted.offer}:
            told = " and ".join(sorted(found))
            yield Finding(desired.plane, DriftKind.WRONG_SCOPE, *place, told, Remedy.ASSIGN)
        if wanted.group.casefold() in excluded:
            yield Finding(desired.plane, DriftKind.WRONG_SCOPE, *place, LEFT_OUT, Remedy.NONE)
    ring, first = min(((offer.ring, offer.group) for offer in desired.offers), default=(desired.ring, ""))
    for group in sorted(desired.excluded):
        if group.casefold() not in excluded:
            without = f"{_WITHOUT}{group}"
            yield Finding(desired.plane, DriftKind.WRONG_SCOPE, ring, first, without, "not left out", Remedy.ASSIGN)
    undecided = {group.casefold() for group in desired.undecided}
    for group, found in sorted(standing.items()):
        found.discard(FREE)  # it makes nobody install anything, and others may offer so what they like
        if found and group not in undecided:
            told = " and ".join(sorted(found))
            yield Finding(
                desired.plane, DriftKind.UNKNOWN_ASSIGNMENT, desired.ring, group, "nothing", told, Remedy.WITHDRAW
            )
