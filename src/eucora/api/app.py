"""The app: routes, layers, and the house that bootstrap builds it for."""

from collections.abc import Iterable
from typing import Any, Final

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute

from eucora.api import (
    artifacts,
    audit_feed,
    break_glass,
    cab_delegations,
    cab_reviews,
    change_windows,
    connectors,
    deployment_intents,
    description,
    drift,
    evidence,
    evidence_answers,
    gate_policies,
    governance_policies,
    handlers,
    health,
    incidents,
    intent_moves,
    operations,
    people,
    policy_exceptions,
    ring_board,
    risk_assessments,
    risk_models,
    role_mappings,
    rollout_plans,
    service_tokens,
    sign_in,
    streams,
    trust_maturity,
    workload_trusts,
)
from eucora.api.auth.authenticator import Authenticator
from eucora.api.auth.mapping import MappingInForce
from eucora.api.cursors import Cursors
from eucora.api.described import describe
from eucora.api.house import ApiDeps, House, Lifecycle, Reads
from eucora.api.locations import tell_locations
from eucora.api.routes import GuardedRoute, PermissionUndeclared, tell_literal
from eucora.api.surroundings import streams_of, surround, throttle_of

ROUTERS: Final[tuple[APIRouter, ...]] = (
    artifacts.router,
    evidence.documents,
    evidence.packs,
    evidence_answers.router,
    deployment_intents.router,
    intent_moves.router,
    rollout_plans.router,
    streams.timelines,
    ring_board.router,
    cab_reviews.router,
    cab_delegations.router,
    incidents.router,
    drift.router,
    policy_exceptions.router,
    break_glass.router,
    change_windows.router,
    change_windows.calendar,
    change_windows.feed,
    gate_policies.router,
    governance_policies.router,
    risk_models.router,
    trust_maturity.router,
    risk_assessments.router,
    risk_assessments.scores,
    role_mappings.router,
    service_tokens.router,
    workload_trusts.trusts,
    workload_trusts.exchanges,
    sign_in.router,
    audit_feed.router,
    streams.log,
    operations.jobs,
    connectors.connectors,
    people.router,
    health.router,
)


def create_app(deps: ApiDeps) -> FastAPI:
    """The API on what it is given. Raises PermissionUndeclared, and ValueError for too short a cursor key."""
    reads, world = Reads(deps.pool), deps.world
    authenticator = Authenticator(
        reads.tokens, world.store, world.clock, deps.oidc, MappingInForce(world), world.ids, reads.token_uses
    )
    lifecycle, cursors = Lifecycle(), Cursors(deps.cursor_key)
    house = House(deps, reads, authenticator, cursors, throttle_of(deps), streams_of(deps, lifecycle), lifecycle)
    app = assemble(deps.version)
    app.state.house = house
    surround(app, house, ROUTERS)
    return app


class Described(FastAPI):
    """An app whose description is complete: FastAPI's, and what :mod:`eucora.api.described` knows beside it."""

    def openapi(self) -> dict[str, Any]:
        """OpenAPI 3.1, made once. Raises KeyError: a noun or a parameter about which nothing is said there."""
        if self.openapi_schema is None:
            described = super().openapi()
            self.openapi_schema = None  # until it is complete
            describe(described)
            self.openapi_schema = described
        return self.openapi_schema


def assemble(version: str, routers: Iterable[APIRouter] = ROUTERS) -> FastAPI:
    """The app without a house: enough to be described, not to be called."""
    routers = tuple(routers)
    for router in routers:
        for route in router.routes:
            if isinstance(route, APIRoute) and not isinstance(route, GuardedRoute):
                raise PermissionUndeclared(f"{route.path}: the route is not guarded")
    app = Described(
        title="EUCORA",
        version=version,
        summary="Deployment governance for endpoint applications",
        openapi_url=None,  # ours is written once
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.router.route_class = GuardedRoute  # also what is added to the app later declares its permission
    handlers.install(app)
    app.add_route(description.PATH, description.Description(app.openapi).serve, include_in_schema=False)
    guarded = [route for router in routers for route in router.routes if isinstance(route, GuardedRoute)]
    tell_locations(guarded)
    tell_literal(app, guarded)
    for router in routers:
        # As they stand, for they know their whole paths: a router included in another is searched twice a request.
        app.router.routes.extend(router.routes)
    return app
