"""The app: routes, layers, and the house that bootstrap builds it for."""

from collections.abc import Iterable
from typing import Final

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
    rollout_plans,
    service_tokens,
    trust_maturity,
)
from eucora.api.auth.authenticator import Authenticator
from eucora.api.correlation import Correlation
from eucora.api.cursors import Cursors
from eucora.api.house import ApiDeps, House, Reads
from eucora.api.routes import GuardedRoute, PermissionUndeclared

ROUTERS: Final[tuple[APIRouter, ...]] = (
    artifacts.router,
    evidence.documents,
    evidence.packs,
    evidence_answers.router,
    deployment_intents.router,
    intent_moves.router,
    rollout_plans.router,
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
    service_tokens.router,
    audit_feed.router,
    operations.jobs,
    connectors.connectors,
    people.router,
    health.router,
)


def create_app(deps: ApiDeps) -> FastAPI:
    """The API on what it is given. Raises PermissionUndeclared, and ValueError for too short a cursor key."""
    reads, world = Reads(deps.pool), deps.world
    authenticator = Authenticator(reads.tokens, world.store, world.clock, deps.oidc)
    house = House(deps, reads, authenticator, Cursors(deps.cursor_key))
    app = assemble(deps.version)
    app.state.house = house
    return app


def assemble(version: str, routers: Iterable[APIRouter] = ROUTERS) -> FastAPI:
    """The app without a house: enough to be described, not to be called."""
    routers = tuple(routers)
    for router in routers:
        for route in router.routes:
            if isinstance(route, APIRoute) and not isinstance(route, GuardedRoute):
                raise PermissionUndeclared(f"{route.path}: the route is not guarded")
    app = FastAPI(
        title="EUCORA",
        version=version,
        summary="Deployment governance for endpoint applications",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.router.route_class = GuardedRoute  # also what is added to the app later declares its permission
    handlers.install(app)
    for router in routers:
        app.include_router(router)
    app.add_middleware(Correlation)
    return app
