"""The layers around the app, in one place, because their order matters."""

from collections.abc import Iterable
from functools import partial

from fastapi import APIRouter, FastAPI

from eucora.api.compression import Compression
from eucora.api.correlation import Correlation
from eucora.api.cors import Cors
from eucora.api.deadlines import Deadlines
from eucora.api.event_stream import Reached, Streams
from eucora.api.farewell import Farewell
from eucora.api.gate import Gate
from eucora.api.heads import Heads
from eucora.api.house import ApiDeps, House, Lifecycle
from eucora.api.quotas import Quotas
from eucora.api.reception import Reception
from eucora.api.security_headers import SecurityHeaders
from eucora.api.shedding import Shedding
from eucora.api.throttling import Throttle, Throttling
from eucora.api.traffic import Traffic
from eucora.projections.cursors import read_position
from eucora.projections.timeline import TimelineProjection
from eucora.projections.wake import listen
from eucora.store.quotas import SharedQuotas


def throttle_of(deps: ApiDeps) -> Throttle:
    """The rate limits of this replica; somebody has to run ``quotas.run()`` for the others to hear of it."""
    return Throttle(deps.limits, Quotas(SharedQuotas(deps.pool)))


def streams_of(deps: ApiDeps, lifecycle: Lifecycle) -> Streams:
    """The event streams of this process."""

    async def look() -> Reached:
        timelines = await read_position(deps.pool, TimelineProjection.name, TimelineProjection.version)
        return Reached(await deps.feed.head(), timelines)

    hear = None if deps.connect is None else partial(listen, deps.connect, stop=lifecycle.stopping)
    return Streams(look, lifecycle.stopping, deps.limits.streams, hear)


def surround(app: FastAPI, house: House, routers: Iterable[APIRouter]) -> None:
    """Add the layers, from the innermost out: what is refused further in has its correlation id and its headers."""
    limits = house.deps.limits
    app.add_middleware(Heads)
    app.add_middleware(Compression)
    app.add_middleware(Throttling, throttle=house.throttle)
    app.add_middleware(Shedding, limits=limits, whose=house.throttle.whose)
    app.add_middleware(Reception)
    app.add_middleware(Deadlines, limits=limits)
    app.add_middleware(Gate, traffic=Traffic(routers))
    app.add_middleware(Correlation)
    app.add_middleware(Farewell, lifecycle=house.lifecycle)
    app.add_middleware(Cors, origins=limits.origins)
    app.add_middleware(SecurityHeaders)
