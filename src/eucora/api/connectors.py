"""Routes that show the connectors: the planes, the services behind them, and how these fare."""

from collections.abc import Collection, Sequence
from datetime import datetime

from eucora.api.asking import HouseDep, Told, fresh
from eucora.api.routes import noun, readers
from eucora.application.connector_health import UpstreamState
from eucora.application.held_requests import HeldRequests
from eucora.domain.planes import REACHED_OVER, Plane
from eucora.projections.connectors import ConnectorView

connectors = noun("connectors", "operations")

_WORST_FIRST = ("open", "half_open", "closed")


class BudgetBody(Told):
    """Requests that the upstream may be sent: ``per_s`` a second on average, ``burst`` at once, over all replicas.

    ``used``: of the burst, not earned back yet. ``paused_s``: seconds for which nothing goes out, because the upstream
    asked for patience.
    """

    per_s: float
    burst: int
    used: float
    paused_s: float


class OutageBody(Told):
    """A time in which the circuit was open. ``closed_at`` null: it is open still."""

    opened_at: datetime
    closed_at: datetime | None
    failures: int
    error: str


class UpstreamBody(Told):
    """A service behind a plane, under one tenant. ``state``: closed, open or half_open.

    ``failures``: in a row. ``next_probe_at``: when one call may try whether it answers again. ``last_error`` is
    redacted, at most 500 characters. ``in_flight`` and ``waiting`` count requests of all replicas, a few seconds old.
    ``requests``: the budget of everything that is sent there. ``writes``: the smaller one of requests that change
    something, where there is one; ``questions``: as large as that, of POSTs that only ask, so that changes never wait
    behind them. ``outages``: the latest, newest first.
    """

    upstream: str
    tenant: str
    state: str
    failures: int
    opened_at: datetime | None
    next_probe_at: datetime | None
    last_error: str
    last_error_at: datetime | None
    last_success_at: datetime | None
    in_flight: int
    waiting: int
    requests: BudgetBody
    writes: BudgetBody | None
    questions: BudgetBody | None = None
    outages: Sequence[OutageBody]


class ConnectorBody(Told):
    """A plane that this installation is connected to. ``breaker``: the worst state of its upstreams; null: unknown.

    ``held_at``: when we last asked for a change that the plane queued for an approval by an administrator of its own
    (Intune: Multi Admin Approval). A time means that it guarded what we change, then. Null means that it never queued
    anything of ours: it guards nothing, or its policy leaves our application out, or nothing was changed there yet.
    These cannot be told apart, because a change that needs no approval is answered alike in each.
    """

    plane: Plane
    breaker: str | None
    upstreams: Sequence[UpstreamBody]
    held_at: datetime | None = None


@connectors.get("", dependencies=[fresh("connectors")])
@readers()
async def list_connectors(house: HouseDep) -> Sequence[ConnectorBody]:
    """The planes that are connected, and how the services behind them fare, over all replicas.

    Planes that share a connection, as Windows and macOS of one Intune tenant do, name the same upstreams.
    """
    states = [] if house.deps.health is None else await house.deps.health.states()
    bodies: list[ConnectorBody] = []
    for plane in sorted(house.deps.world.planes):
        own = [one for one in states if one.plane == REACHED_OVER.get(plane, plane)]
        upstreams = [_upstream(one, await house.reads.connectors.get(one.key)) for one in own]
        worst = min((one.state for one in own), key=_WORST_FIRST.index, default=None)
        held_at = await _held_at(house.deps.world.held, {one.tenant for one in own})
        bodies.append(ConnectorBody(plane=plane, breaker=worst, upstreams=upstreams, held_at=held_at))
    return bodies


async def _held_at(held: HeldRequests | None, tenants: Collection[str]) -> datetime | None:
    found = [] if held is None else [await held.last_held(tenant) for tenant in tenants]
    return max((at for at in found if at is not None), default=None)


def _upstream(state: UpstreamState, view: ConnectorView | None) -> UpstreamBody:
    return UpstreamBody(
        upstream=state.upstream,
        tenant=state.tenant,
        state=state.state,
        failures=state.failures,
        opened_at=state.opened_at,
        next_probe_at=state.next_probe_at,
        last_error=state.last_error,
        last_error_at=state.last_error_at,
        last_success_at=state.last_success_at,
        in_flight=state.in_flight,
        waiting=state.waiting,
        requests=BudgetBody.model_validate(state.requests),
        writes=None if state.writes is None else BudgetBody.model_validate(state.writes),
        questions=None if state.questions is None else BudgetBody.model_validate(state.questions),
        outages=[OutageBody.model_validate(outage) for outage in (view.outages if view else ())],
    )
