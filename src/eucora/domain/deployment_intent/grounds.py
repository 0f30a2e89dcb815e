"""How an intent judges the grounds of a decision: exceptions, calendar, overlaps, and whether approvals still hold."""

from collections.abc import Sequence, Set
from dataclasses import replace
from datetime import datetime

from eucora.domain import brevity, freshness
from eucora.domain.deployment_intent.events import (
    SERVICE,
    ApprovalGroundsChanged,
    DeploymentIntentProposed,
    Event,
    RolloutHalted,
)
from eucora.domain.deployment_intent.state import MOVING, DeploymentIntent
from eucora.domain.exception_needs import lapsed, told, waived
from eucora.domain.exception_types import ExceptionKind
from eucora.domain.freshness import Basis
from eucora.domain.governance_types import FreshnessRules
from eucora.domain.grounds import Grounds
from eucora.domain.planes import Plane
from eucora.domain.rings import Ring

OVERLAPS_MAX = 20  # so many are kept in a gate run; an event stays small
OVERRIDES_MAX = 100  # more gates than there are; what is named beyond them is no gate
CRITICAL_MAX = 400  # ids that a basis keeps: those of the newest scan first


def rules_of(proposed: DeploymentIntentProposed) -> FreshnessRules:
    """The rules that the intent was proposed under; those of version 1.0 where none are on record."""
    return FreshnessRules() if proposed.governance is None else proposed.governance.freshness


def basis_now(state: DeploymentIntent, proposed: DeploymentIntentProposed, grounds: Grounds, at: datetime) -> Basis:
    """What a decision taken at ``at`` would rest on. What nobody looked at stays as it was."""
    before = basis_of(state, proposed)
    critical = before.critical
    if grounds.findings is not None:
        excepted = waived(ExceptionKind.VULNERABILITY, grounds.exceptions, at)
        open_now = {*grounds.critical_findings} - excepted
        critical = _kept(open_now, {*before.critical} - open_now)
    over = lapsed(proposed.needs, grounds.exceptions, at)
    return Basis(
        score=before.score if grounds.score is None else grounds.score,
        devices=devices_of(state, proposed) if grounds.devices is None else grounds.devices,
        critical=critical,
        lapsed=tuple(sorted({need.exception_id for need in over})),
        precedents=before.precedents if grounds.precedents is None else grounds.precedents,
    )


def _kept(now: Set[str], earlier: Set[str]) -> tuple[str, ...]:
    """What is known now and was known earlier, sorted. What finds no room counts as new when it is found again."""
    return tuple(sorted([*sorted(now), *sorted(earlier)][:CRITICAL_MAX]))


def basis_of(state: DeploymentIntent, proposed: DeploymentIntentProposed) -> Basis:
    """What the approvals rest on: the proposal, or what a later review was shown."""
    return state.basis or first_basis(proposed)


def first_basis(proposed: DeploymentIntentProposed) -> Basis:
    """What an approval rests on that is given with the proposal itself."""
    devices = proposed.ring_plan.devices
    return Basis(proposed.risk.score, devices, proposed.critical_findings, precedents=proposed.precedents)


def devices_of(state: DeploymentIntent, proposed: DeploymentIntentProposed) -> int:
    """Devices over all rings and planes: frozen cohorts where there are any, the plan's count elsewhere."""
    whole = 0
    for spec in proposed.ring_plan.rings:
        progress = state.rings.get(spec.ring)
        for plane in spec.planes:
            cohort = None if progress is None else progress.cohorts.get(plane)
            if cohort is not None:
                whole += sum(count.devices for count in cohort.counts)
            else:
                whole += sum(target.devices for target in spec.targets if target.plane is plane)
    return whole


def changed(
    state: DeploymentIntent, proposed: DeploymentIntentProposed, ring: Ring, grounds: Grounds, at: datetime
) -> ApprovalGroundsChanged | None:
    """What voids the approvals now; None while they are fresh."""
    now = basis_now(state, proposed, grounds, at)
    reasons = freshness.changes(basis_of(state, proposed), now, rules_of(proposed))
    return ApprovalGroundsChanged(ring, reasons, now, at) if reasons else None


def changes_since(
    state: DeploymentIntent, proposed: DeploymentIntentProposed, grounds: Grounds, at: datetime
) -> tuple[str, ...]:
    """What changed since the last approval, for who votes on the next one: sentences without a full stop."""
    now = basis_now(state, proposed, grounds, at)
    return brevity.latest((*state.changes, *freshness.changes(basis_of(state, proposed), now, rules_of(proposed))))


def grown(
    state: DeploymentIntent, proposed: DeploymentIntentProposed, ring: Ring, plane: Plane, devices: int, at: datetime
) -> Sequence[Event]:
    """What follows when a ring's cohort on a plane is larger than what was approved: the approval is void.

    Where the ring rests on an approval the rollout halts before anything is offered. The lab needs none.
    """
    spec = proposed.ring_plan.of(ring)
    planned = sum(target.devices for target in spec.targets if target.plane is plane) if spec else 0
    if ring is Ring.LAB or not freshness.grew(planned, devices, rules_of(proposed).cohort_growth_max):
        return []
    reason = f"ring {ring:d} has {devices} devices on {plane}, and {planned} were planned"
    whole = devices_of(state, proposed) - planned + devices
    basis = replace(basis_of(state, proposed), devices=max(whole, basis_of(state, proposed).devices))
    from_ring = state.cab_from_ring
    rests = from_ring is None or ring >= from_ring
    void = ApprovalGroundsChanged(ring, (reason,), basis, at)
    return [void, *(halted_for_approval(state, reason, at) if rests else ())]


def halted_for_approval(state: DeploymentIntent, reason: str, at: datetime) -> Sequence[Event]:
    """The halt of a rollout whose approval is gone; nothing where it does not move."""
    if state.ring is None or state.status not in MOVING:
        return []
    return [RolloutHalted(state.ring, "approval", brevity.cut(reason), SERVICE, at, state.installed)]


def exceptions_problem(proposed: DeploymentIntentProposed, grounds: Grounds, at: datetime) -> str | None:
    """Why the exceptions that the proposal needs do not cover it any more; None while they do."""
    over = lapsed(proposed.needs, grounds.exceptions, at)
    return brevity.cut("; ".join(told(need, grounds.exceptions) for need in over)) or None


def window_problem(grounds: Grounds) -> str | None:
    """Why nothing may be changed now; None while the calendar is open."""
    calendar = grounds.calendar
    if calendar.open:
        return None
    reason = brevity.cut(calendar.reason, brevity.PROSE_MAX) or "no change window is open"
    again = "nothing says when it opens" if calendar.next_open is None else f"opens {calendar.next_open.isoformat()}"
    return f"{reason}; {again}"


def overrides(ring: Ring, grounds: Grounds, at: datetime) -> tuple[tuple[str, str], ...]:
    """The gates of ``ring`` that exceptions in force waive: (gate, id of the exception that does so longest)."""
    waivers = [
        fact
        for fact in grounds.exceptions
        if fact.kind is ExceptionKind.GATE_OVERRIDE and fact.ring is ring and fact.in_force(at)
    ]
    longest = sorted(waivers, key=lambda fact: (fact.expires_at, fact.exception_id))
    gates = {gate: fact.exception_id for fact in longest for gate in fact.subjects if len(gate) <= brevity.NAME_MAX}
    return tuple(sorted(gates.items())[:OVERRIDES_MAX])


def overlaps(grounds: Grounds) -> tuple[tuple[str, int], ...]:
    """Other rollouts on our devices, the largest overlap first: (intent id, devices)."""
    largest = sorted(grounds.overlaps, key=lambda one: (-one.devices, one.intent_id))
    return tuple((one.intent_id, one.devices) for one in largest[:OVERLAPS_MAX])
