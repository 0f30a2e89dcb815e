"""Why an intent is not moving: every unmet condition of its next step, with numbers, and who can do something about it.

The gates are judged on the facts handed in, at the moment handed in, by the same code that a promotion runs.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from eucora.domain import gates
from eucora.domain.conditions import ConditionKind
from eucora.domain.deployment_intent import grounds as judged
from eucora.domain.deployment_intent.approval import approval_refusal
from eucora.domain.deployment_intent.events import DeploymentIntentProposed
from eucora.domain.deployment_intent.rollout import gate_run
from eucora.domain.deployment_intent.state import (
    ENDED,
    NOT_STARTED,
    DeploymentIntent,
    IntentStatus,
    Rehearsal,
    next_ring,
    unacknowledged,
    unfrozen,
)
from eucora.domain.gate_types import GateResult, GateRun, Verdict
from eucora.domain.grounds import Grounds
from eucora.domain.people import Role
from eucora.domain.rings import Measurement, Ring

NOBODY: Final = "nobody: wait"


@dataclass(frozen=True, slots=True)
class Blocker:
    """One condition in the way. ``who``: the role that can do something about it, or "nobody: wait".

    ``evaluated_at``: what the verdict rests on was true then. ``next_evaluation_at``: when it is looked at again by
    itself (UTC); None: when somebody does something. ``source``: where threshold and value come from.
    """

    condition: str
    verdict: Verdict
    value: str
    threshold: str
    reason: str
    source: str
    who: str
    evaluated_at: datetime | None = None
    next_evaluation_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class OpenReview:
    """The CAB review under way: how many approving votes it has, and needs, and when it expires."""

    review_id: str
    votes: int
    quorum: int
    due_at: datetime


@dataclass(frozen=True, slots=True)
class RehearsalSoFar:
    """The rehearsal of the rollback that runs: of ``devices`` in the lab, how many came back, and still have it."""

    reverted: int
    remaining: int
    devices: int


def blockers(
    state: DeploymentIntent,
    grounds: Grounds,
    at: datetime,
    *,
    measurement: Measurement | None = None,
    review: OpenReview | None = None,
    rehearsal: RehearsalSoFar | None = None,
) -> tuple[Blocker, ...]:
    """What stands between the intent and its next step at ``at``; empty: nothing does, or the intent is over.

    ``measurement`` is a reading of the open ring (None: the latest on record), ``review`` the one that is open, and
    ``rehearsal`` how far the one that runs has come.
    """
    proposed = state.proposed
    if proposed is None or state.status in ENDED or state.status is IntentStatus.ROLLING_BACK:
        return tuple(awaited(state, at))  # what takes the release off may have to wait for people, too
    found = [*_stopped(state), *_approvals(state, proposed, grounds, at, review), *awaited(state, at)]
    if state.ring is not None:
        found += [*_planes(state, state.ring), *_ring(state, proposed, state.ring, grounds, at, measurement, rehearsal)]
    return tuple(found)


def _stopped(state: DeploymentIntent) -> Iterator[Blocker]:
    if state.status in NOT_STARTED:
        yield Blocker(
            "start", Verdict.INCONCLUSIVE, state.status, "started", "nobody started the rollout yet",
            "deployment intent", Role.PUBLISHER,
        )  # fmt: skip
        return
    stop = state.stop
    if state.status not in (IntentStatus.PAUSED, IntentStatus.HALTED) or stop is None:
        return
    who, reason = str(Role.PUBLISHER), f"{state.status} by {stop.by}: {state.stop_reason}"
    halt = state.halt
    decided = any(one.review_id is not None and one.at > stop.at for one in state.approvals)
    if state.rejected_by is not None:
        reason += f"; CAB rejected the release in review {state.rejected_by}: roll back or abort"
    elif halt is not None and halt.trigger == "incident" and not decided:
        who, reason = Role.CAB_APPROVER, f"{reason}; CAB must approve anew before it may be resumed"
    yield Blocker("hold", Verdict.FAILED, state.status, "rolling_out", reason, "deployment intent", who, stop.at)


def _approvals(
    state: DeploymentIntent,
    proposed: DeploymentIntentProposed,
    grounds: Grounds,
    at: datetime,
    review: OpenReview | None,
) -> Iterator[Blocker]:
    following = Ring.LAB if state.ring is None else next_ring(state)
    if following is None:
        return
    if state.ring is not None and (changed := judged.changed(state, proposed, state.ring, grounds, at)) is not None:
        yield Blocker(
            "freshness", Verdict.FAILED, "; ".join(changed.reasons), "as it was when it was approved",
            "what the approval rests on changed, so the next look at the ring voids it", _governance(proposed),
            Role.PACKAGING_ENGINEER, at,
        )  # fmt: skip
    refusal = approval_refusal(state, following, at)
    if refusal is not None:
        value, who, again = "none in force", str(Role.PACKAGING_ENGINEER), None
        if review is not None:
            value = f"{review.votes} of {review.quorum} votes in review {review.review_id}"
            who, again = Role.CAB_APPROVER, review.due_at
        yield Blocker(
            "approval", Verdict.FAILED, value, "valid, and bound to this content", refusal.message,
            _governance(proposed), who, at, again,
        )  # fmt: skip
    for text in unacknowledged(state):
        yield Blocker("condition", Verdict.FAILED, "not acknowledged", "acknowledged", text, "CAB", Role.PUBLISHER, at)


def _planes(state: DeploymentIntent, ring: Ring) -> Iterator[Blocker]:
    """What is missing or failed on the planes of the open ring."""
    progress = state.rings[ring]
    for plane, reason in unfrozen(state, ring).items():
        told = reason or "the devices of the ring are being resolved"
        yield Blocker(
            "cohort", Verdict.INCONCLUSIVE, "not frozen", "frozen", told, plane,
            Role.ENDPOINT_OPERATOR if reason else NOBODY, progress.opened_at,
        )  # fmt: skip
    for (where, plane, operation), failure in state.failures.items():
        if where is ring and operation != "resolve_cohort":
            yield Blocker(
                "plane", Verdict.ERROR, f"{failure.attempts} attempts", "done",
                f"{operation} failed ({failure.kind}): {failure.detail}", plane, Role.PLATFORM_ADMIN, failure.at,
            )  # fmt: skip


def awaited(state: DeploymentIntent, at: datetime) -> Iterator[Blocker]:
    """Changes that a plane makes only once a second administrator of its own approves them.

    What was asked for on the way in is left out once the rollout is over or goes back: nobody completes it any more.
    """
    passed = ("publish", "assign") if state.status in ENDED else ("publish",)
    going_in = state.status not in ENDED and state.status is not IntentStatus.ROLLING_BACK
    for waiting in state.awaiting.values():
        late = waiting.expires_at is not None and waiting.expires_at <= at
        if late or (waiting.operation in passed and not going_in):
            continue
        request = f"request {waiting.code}" if waiting.code else "the request that holds the object"
        until = f" by {waiting.expires_at:%Y-%m-%d %H:%M} UTC" if waiting.expires_at else ""
        yield Blocker(
            "plane_approval", Verdict.INCONCLUSIVE, "awaiting approval", "approved",
            f"{waiting.operation} waits for a second administrator of {waiting.plane}: approve {request}{until} "
            f"({waiting.reason})", waiting.plane, f"an administrator of {waiting.plane} in its approver group",
            waiting.at,
        )  # fmt: skip


def _ring(
    state: DeploymentIntent,
    proposed: DeploymentIntentProposed,
    ring: Ring,
    grounds: Grounds,
    at: datetime,
    measurement: Measurement | None,
    rehearsal: RehearsalSoFar | None,
) -> Iterator[Blocker]:
    """The gates of the open ring that are not met now."""
    progress = state.rings[ring]
    if progress.frozen_at is None:
        return
    reading = measurement or progress.measured
    run = None if reading is None else gate_run(state, proposed, ring, reading, grounds, at)
    every = timedelta(seconds=proposed.policy.measure_every_s)
    again = max(at, (progress.measured_at or progress.frozen_at) + every)
    if run is None:
        yield Blocker(
            "gates", Verdict.INCONCLUSIVE, "not measured", "measured", "the ring has not been read yet",
            _policy(proposed), NOBODY, progress.frozen_at, again,
        )  # fmt: skip
        return
    for result in run.results:
        if result.gate == "rollback_validated" and state.rehearsal is Rehearsal.RUNNING:
            yield _rehearsing(state, proposed, result, rehearsal, at, again)
        elif not result.met and result.gate != "approval":  # which is told with its review
            yield Blocker(
                result.gate, result.verdict, result.value, result.threshold, result.reason,
                _source(result, proposed), _WHO.get(result.gate, Role.ENDPOINT_OPERATOR), at,
                _next_look(result, proposed, run, grounds, again),
            )  # fmt: skip


def _rehearsing(
    state: DeploymentIntent,
    proposed: DeploymentIntentProposed,
    result: GateResult,
    seen: RehearsalSoFar | None,
    at: datetime,
    again: datetime,
) -> Blocker:
    """The gate knows only rehearsals that are over; this one is watched."""
    value, since = "a rehearsal is running", state.rehearsal_started_at
    if seen is not None:
        value = f"{seen.reverted} of {seen.devices} devices came back, {seen.remaining} still have the release"
    share = (proposed.policy.rehearsal_min * 100).normalize()
    threshold = f"{share:f} % came back, and none still has it"
    reason = "the rehearsal of the rollback is running" + (f" since {since:%Y-%m-%d %H:%M} UTC" if since else "")
    return Blocker(
        result.gate, Verdict.INCONCLUSIVE, value, threshold, reason, _source(result, proposed), NOBODY, at, again
    )


def _next_look(
    result: GateResult, proposed: DeploymentIntentProposed, run: GateRun, grounds: Grounds, again: datetime
) -> datetime | None:
    """When the gate may be met by itself at the earliest, as far as that is known."""
    facts = run.facts
    if result.gate == "change_window":
        return grounds.calendar.next_open
    if result.gate in _PEOPLE or result.verdict is Verdict.ERROR or facts is None:
        return None if result.gate in _PEOPLE else again
    if result.gate == "soak":
        left_s = gates.soak_asked_s(proposed.policy, run.ring, facts.conditions) - gates.soaked_s(
            proposed.policy, facts
        )
        return run.at + timedelta(seconds=left_s)
    if result.gate == "condition_monitor_until":
        texts = [one.value for one in facts.conditions if one.kind is ConditionKind.MONITOR_UNTIL]
        return max(datetime.fromisoformat(text) for text in texts)
    return again


def _source(result: GateResult, proposed: DeploymentIntentProposed) -> str:
    if result.gate.startswith("condition_"):
        return "CAB"
    return _SOURCES.get(result.gate, _policy(proposed))


def _policy(proposed: DeploymentIntentProposed) -> str:
    return f"gate policy {proposed.policy.version}"


def _governance(proposed: DeploymentIntentProposed) -> str:
    return "governance policy " + (proposed.governance.version if proposed.governance else "1.0")


_WHO: Final[Mapping[str, str]] = {
    "soak": NOBODY,
    "time_to_compliance": NOBODY,
    "condition_monitor_until": NOBODY,
    "sample": NOBODY,
    "overlap": Role.PUBLISHER,
    "security_incidents": Role.SECURITY_REVIEWER,
    "rollback_validated": Role.PUBLISHER,
    "exceptions": Role.SECURITY_REVIEWER,
    "change_window": NOBODY,
    "condition_max_ring": Role.CAB_APPROVER,
}
_PEOPLE: Final[Sequence[str]] = ("exceptions", "rollback_validated", "condition_max_ring")
_SOURCES: Final[Mapping[str, str]] = {
    "security_incidents": "incidents",
    "p1_p2_incidents": "incidents",
    "exceptions": "policy exceptions",
    "change_window": "change windows",
    "overlap": "cohorts of other rollouts",
}
