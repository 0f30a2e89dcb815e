"""What a rollout will do before it does it: changes by group, devices by ring, time, what it runs into, what risk."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal, localcontext
from enum import StrEnum
from typing import Final

from eucora.domain.assignment import WHOLE, Share, without
from eucora.domain.deployment_intent import grounds as judged
from eucora.domain.deployment_intent.events import DeploymentIntentProposed
from eucora.domain.deployment_intent.evolve import covered_time
from eucora.domain.deployment_intent.offered import group_of
from eucora.domain.deployment_intent.state import DeploymentIntent
from eucora.domain.forecast import Forecast, RingOutlook, Wait, forecast, needed_installs
from eucora.domain.gate_measures import Totals, too_few_tried
from eucora.domain.grounds import Grounds, Overlap
from eucora.domain.planes import Plane
from eucora.domain.ring_sizes import size_warning
from eucora.domain.rings import Measurement, OfferAs, Ring, RingSpec
from eucora.domain.risk_types import History, RiskAssessment
from eucora.domain.statistics import ARITHMETIC

UNFORESEEN: Final = "rests on people who install it when they like, and nobody knows when enough have tried"
_SHARE_MAX: Final = Decimal("0.99")  # a forecast needs some attempts that succeed
_SHARE_STEP: Final = Decimal("0.0001")

Place = tuple[Plane, str, Share]  # a plane, its own id of a group, and how much of the group
Slot = tuple[Ring, Plane, str]  # one target of a plan: its ring, its plane, and the group


class Action(StrEnum):
    """What happens to a group or a share of it, against what the former release of the application left there.

    A device is in the same share in every release of an application. ``change``: the former release is offered to some
    of its devices at least. ``remove``: it is offered to these, and this plan does not name them. Nothing takes it away
    by itself: they keep the former release until that is rolled back.
    """

    ADD = "add"
    CHANGE = "change"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class Former:
    """The rollout of the application that came before: its version, its score, and where it is offered."""

    intent_id: str
    version: str
    risk: RiskAssessment
    offers: frozenset[Place]


@dataclass(frozen=True, slots=True)
class GroupChange:
    """``ring`` is None for a removal, ``share`` for the whole group. Versions are empty where there is none.

    ``offer_as`` and ``excluded`` are the target's; nothing is said of a removal's.
    """

    action: Action
    plane: Plane
    group: str
    ring: Ring | None
    from_version: str
    to_version: str
    share: Share | None = None
    offer_as: OfferAs = OfferAs.REQUIRED
    excluded: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RingDevices:
    """Devices of one ring. ``devices``: frozen, or in its groups now; None: a plane did not answer.

    ``delta``: against ``planned``, the count that was proposed and approved. ``remark``: on a ring in which nobody
    must install the release, as a warning is written; empty: somebody must.
    """

    ring: Ring
    planned: int
    devices: int | None
    frozen: bool
    remark: str = ""

    @property
    def delta(self) -> int | None:
        return None if self.devices is None else self.devices - self.planned

    @property
    def warning(self) -> str:
        """What its size is worth a word for; empty: nothing."""
        size = size_warning(self.ring, self.planned if self.devices is None else self.devices)
        return "; ".join(text for text in (size, self.remark) if text)


@dataclass(frozen=True, slots=True)
class FactorDelta:
    """A risk factor that weighs otherwise than in the former release."""

    name: str
    before: Decimal | None
    after: Decimal | None


@dataclass(frozen=True, slots=True)
class RiskDelta:
    """The score against the former release's. ``model_changed``: other models scored them, so read it with care."""

    former_intent: str
    former_version: str
    former_score: Decimal
    score: Decimal
    model_changed: bool
    factors: tuple[FactorDelta, ...]


@dataclass(frozen=True, slots=True)
class RolloutPlan:
    """``conflicts``: sentences on freezes and windows in the way. ``risk``: None without a former release."""

    changes: tuple[GroupChange, ...]
    rings: tuple[RingDevices, ...]
    overlaps: tuple[Overlap, ...]
    forecast: Forecast
    conflicts: tuple[str, ...]
    risk: RiskDelta | None


def plan(
    state: DeploymentIntent,
    proposed: DeploymentIntentProposed,
    grounds: Grounds,
    at: datetime,
    *,
    former: Former | None = None,
    counted: Mapping[Slot, int] | None = None,
    measurement: Measurement | None = None,
) -> RolloutPlan:
    """The plan of an intent at ``at`` (UTC).

    ``counted``: devices of each target now, where its plane answered. ``measurement``: of the open ring, None: unread.
    """
    outlook = [
        _outlook(state, proposed, spec, at, measurement if spec.ring is state.ring else None)
        for spec in proposed.ring_plan.rings
        if state.ring is None or spec.ring >= state.ring
    ]
    foreseen = forecast(outlook, at, grounds.calendar)
    closed = judged.window_problem(grounds)
    return RolloutPlan(
        changes=_changes(proposed, former),
        rings=tuple(
            _remarked(proposed, spec, _devices(state, spec, counted or {})) for spec in proposed.ring_plan.rings
        ),
        overlaps=grounds.overlaps,
        forecast=foreseen,
        conflicts=tuple(text for text in (closed or "", foreseen.warning) if text),
        risk=None if former is None else _risk(proposed.risk, former),
    )


def _changes(proposed: DeploymentIntentProposed, former: Former | None) -> tuple[GroupChange, ...]:
    version, before = proposed.release.application.version, former.version if former else ""
    held = former.offers if former else frozenset()
    changes, named = [], defaultdict(list)
    for spec in proposed.ring_plan.rings:
        for target in spec.targets:
            share = target.share or WHOLE
            named[target.plane, target.group].append(share)
            held_here = [one for plane, group, one in held if (plane, group) == (target.plane, target.group)]
            there = without(share, held_here) != [share]
            action, from_version = (Action.CHANGE, before) if there else (Action.ADD, "")
            place = (target.plane, target.group, spec.ring)
            ways = (target.share, target.offer_as, target.excluded)
            changes.append(GroupChange(action, *place, from_version, version, *ways))
    gone = [
        GroupChange(Action.REMOVE, plane, group, None, before, "", None if left == WHOLE else left)
        for plane, group, share in sorted(held)
        for left in without(share, named[plane, group])
    ]
    return (*changes, *gone)


def held_by(state: DeploymentIntent) -> frozenset[Place]:
    """Where the intent offers its release now, in the words of its plan: groups that people named, none of ours."""
    if state.proposed is None:
        return frozenset()
    held = set()
    for spec in state.proposed.ring_plan.rings:
        for target in spec.targets:
            offer = state.offers.get((target.plane, group_of(state, spec.ring, target) or ""))
            if offer is not None and offer.offer != "uninstall":
                held.add((target.plane, target.group, target.share or WHOLE))
    return frozenset(held)


def _devices(state: DeploymentIntent, spec: RingSpec, counted: Mapping[Slot, int]) -> RingDevices:
    planned, progress = sum(target.devices for target in spec.targets), state.rings.get(spec.ring)
    if progress is not None and progress.frozen_at is not None:
        frozen = sum(count.devices for cohort in progress.cohorts.values() for count in cohort.counts)
        return RingDevices(spec.ring, planned, frozen, frozen=True)
    known = [counted.get((spec.ring, target.plane, target.group)) for target in spec.targets]
    if any(count is None for count in known):
        return RingDevices(spec.ring, planned, None, frozen=False)
    return RingDevices(spec.ring, planned, sum(count or 0 for count in known), frozen=False)


def _remarked(proposed: DeploymentIntentProposed, spec: RingSpec, counted: RingDevices) -> RingDevices:
    """With what a ring of available targets alone waits for; that it can never be met is nothing to refuse."""
    if any(target.offer_as is OfferAs.REQUIRED for target in spec.targets):
        return counted
    size, policy = counted.planned if counted.devices is None else counted.devices, proposed.policy
    least = min(size, policy.halt.finished_min)
    remark = f"nobody must install it in ring {spec.ring:d}, so it is not left before {least} devices have tried"
    if size < policy.sample_min:
        remark += f"; the gate policy asks for {policy.sample_min} that have finished, and the ring never has as many"
    return replace(counted, remark=remark)


def _outlook(
    state: DeploymentIntent,
    proposed: DeploymentIntentProposed,
    spec: RingSpec,
    at: datetime,
    measurement: Measurement | None,
) -> RingOutlook:
    """What is left of one ring. Each device is expected by its site class's time to comply, since nothing says more."""
    rule, limits = proposed.policy.of(spec.ring), dict(proposed.policy.time_to_compliance_s)
    progress = state.rings.get(spec.ring)
    elapsed_s = None
    if progress is not None and progress.frozen_at is not None:
        whole = at - progress.frozen_at
        counts = covered_time(progress, proposed.policy, at) if proposed.policy.soak_needs_coverage else whole
        elapsed_s = max(0, counts // timedelta(seconds=1))
    history = proposed.history or History()
    if measurement is None:
        asked = [target for target in spec.targets if target.offer_as is OfferAs.REQUIRED and target.devices]
        waits = tuple(Wait(limits.get(target.site_class, 0), target.devices, silent=True) for target in asked)
        return RingOutlook(
            ring=spec.ring,
            needed=needed_installs(sum(target.devices for target in asked), rule.success_min),
            installed=0,
            remaining=waits,
            soak_s=rule.soak_s,
            elapsed_s=elapsed_s,
            failure_share=_share(history.devices_failed, history.devices_finished),
            unforeseen="" if asked else UNFORESEEN,
        )
    totals = Totals.of(measurement.counts)
    left = [
        (limits.get(one.site_class, 0), one.pending + one.not_installed + one.unknown) for one in measurement.counts
    ]
    return RingOutlook(
        ring=spec.ring,
        needed=needed_installs(totals.base, rule.success_min),
        installed=totals.installed,
        remaining=tuple(Wait(limit_s, devices, silent=True) for limit_s, devices in left if devices),
        soak_s=rule.soak_s,
        elapsed_s=elapsed_s,
        failure_share=_share(totals.failed, totals.installed + totals.failed),
        unforeseen=UNFORESEEN if too_few_tried(proposed.policy, totals) else "",
    )


def _share(failed: int, finished: int) -> Decimal:
    if not finished:
        return Decimal(0)
    with localcontext(ARITHMETIC):
        return min(_SHARE_MAX, (Decimal(failed) / finished).quantize(_SHARE_STEP))


def _risk(now: RiskAssessment, former: Former) -> RiskDelta:
    before = {factor.name: factor.contribution for factor in former.risk.factors}
    after = {factor.name: factor.contribution for factor in now.factors}
    changed = [name for name in dict.fromkeys((*after, *before)) if before.get(name) != after.get(name)]
    return RiskDelta(
        former_intent=former.intent_id,
        former_version=former.version,
        former_score=former.risk.score,
        score=now.score,
        model_changed=former.risk.model != now.model,
        factors=tuple(FactorDelta(name, before.get(name), after.get(name)) for name in changed),
    )
