"""Routes of workload identity: trusts, and the exchange of a CI job's token for a short-lived one of ours."""

from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import httpx
from fastapi import Request, Response
from pydantic import ConfigDict, Field

from eucora.api.asking import (
    Asked,
    CallerDep,
    HouseDep,
    Id,
    Listing,
    PagingDep,
    ReceiptBody,
    TagDep,
    Told,
    fresh,
    receipt,
)
from eucora.api.auth.compact import TOKEN_MAX, TokenRefused
from eucora.api.auth.keys import ProviderAway
from eucora.api.house import House
from eucora.api.intent_moves import ReasonAsked
from eucora.api.preconditions import UNCHANGED
from eucora.api.problems import Problem, Refused, Row, correlation_id, problem_responses
from eucora.api.routes import noun, permits, public
from eucora.api.service_tokens import GrantAsked
from eucora.api.words import Line
from eucora.application import workload_trusts as use
from eucora.application.handing_on import standing_trust
from eucora.domain import workload_trust
from eucora.domain.people import Role
from eucora.domain.workload_trust import CONDITIONS_MAX, VALID_FOR_MAX_S, ClaimCondition, Match, Terms, TrustUnknown

trusts = noun("workload-trusts")
exchanges = noun("token-exchanges")
ISSUED_TYPE: Final = "urn:ietf:params:oauth:token-type:access_token"
NOT_TRUSTED: Final = Row(401, "workload-not-trusted", "The token of the workload is not accepted")
AWAY: Final = Row(503, "workload-issuer-away", "The issuer of the workload's token does not answer")
NOT_SET_UP: Final = Row(503, "workload-identity-not-set-up", "Nobody's keys can be read here")
NO_TRUST: Final = "no standing trust has this id and fits the token"


class ClaimConditionAsked(Asked):
    """A claim that a token must have. ``value`` of a prefix ends with ``/`` or ``:``."""

    claim: Line
    value: Line
    match: Match = Match.EXACT


class TrustAsked(Asked):
    """Whose jobs are trusted, and for what. At least one condition says whose job it is: ``sub``, ``repository``, …"""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "notes pipeline",
                    "issuer": "https://token.actions.githubusercontent.com",
                    "audience": "eucora",
                    "conditions": [
                        {"claim": "repository", "value": "acme/notes"},
                        {"claim": "sub", "value": "repo:acme/notes:", "match": "prefix"},
                    ],
                    "grants": [{"role": "packaging_engineer", "scope": {"business_unit": "retail"}}],
                    "valid_s": 900,
                }
            ]
        }
    )

    name: Line
    issuer: Line
    audience: Line
    conditions: Annotated[list[ClaimConditionAsked], Field(max_length=CONDITIONS_MAX)]
    grants: Annotated[list[GrantAsked], Field(max_length=20)]
    valid_s: Annotated[
        int,
        Field(
            description=f"Seconds that a token lives, {VALID_FOR_MAX_S} at the most",
            json_schema_extra={"minimum": 1, "maximum": VALID_FOR_MAX_S},  # the domain says what a wrong one means
        ),
    ] = 900

    def to_terms(self) -> Terms:
        return Terms(
            name=self.name,
            issuer=self.issuer,
            audience=self.audience,
            conditions=tuple(ClaimCondition(one.claim, one.value, one.match) for one in self.conditions),
            grants=tuple(one.to_grant() for one in self.grants),
            valid_s=self.valid_s,
        )


class TrustBody(Told):
    """A trust; ``revoked_at`` null: it stands, until ``until`` where its maker holds what it gives for no longer.

    ``made_with``: the service token with which it was made, and with whose revocation it ends; empty: with none.
    """

    id: str
    version: int
    terms: Terms
    made_by: str
    made_at: datetime
    until: datetime | None
    made_with: str
    revoked_by: str
    revoke_reason: str
    revoked_at: datetime | None


class ExchangeAsked(Asked):
    """Names as in RFC 8693, as JSON; ``trust_id``: the trust under which it is asked."""

    grant_type: Literal["urn:ietf:params:oauth:grant-type:token-exchange"]
    subject_token: Annotated[str, Field(min_length=1, max_length=TOKEN_MAX)]
    subject_token_type: Literal["urn:ietf:params:oauth:token-type:jwt", "urn:ietf:params:oauth:token-type:id_token"]
    trust_id: UUID


class ExchangedBody(Told):
    """``expires_in``: seconds. The token is shown here and nowhere again."""

    access_token: str
    issued_token_type: str
    token_type: str
    expires_in: int


@trusts.post("", status_code=201, responses=problem_responses(400, 409, 413, 415))
@permits(Role.PLATFORM_ADMIN)
async def make_workload_trust(body: TrustAsked, response: Response, house: HouseDep, caller: CallerDep) -> ReceiptBody:
    """Trust the jobs of a CI that fit: they exchange their tokens for ours. A trust without a condition is refused, and
    so is an issuer that the installation was not told of. What you hold for a time, the trust gives for no longer; one
    that is made with a service token ends with that. The roles cab_approver, security_reviewer and break_glass are not
    given: a pipeline judges nobody's work.
    """
    people = "" if house.deps.oidc is None else house.deps.oidc.issuer
    allowed = house.deps.workload_issuers.allowed
    written = await use.make_trust(house.deps.world, caller, body.to_terms(), people=people, allowed=allowed)
    return await receipt(house, response, written)


@trusts.get("", dependencies=[fresh("workload_trusts")])
@permits(Role.PLATFORM_ADMIN, Role.AUDITOR)
async def list_workload_trusts(house: HouseDep, page: PagingDep, made_with: UUID | None = None) -> Listing[TrustBody]:
    """Workload trusts, newest first; revoked ones too."""
    found = await house.reads.workload_trusts.page(
        made_with=None if made_with is None else str(made_with), after=page.after, limit=page.limit
    )
    items = [TrustBody.model_validate(view) for view in found.items]
    return Listing(items=items, next_cursor=page.next(found.next))


@trusts.get("/{trust_id}", dependencies=[fresh("workload_trusts")], responses=problem_responses(404) | UNCHANGED)
@permits(Role.PLATFORM_ADMIN, Role.AUDITOR)
async def get_workload_trust(house: HouseDep, tag: TagDep, trust_id: Id) -> TrustBody:
    """One workload trust, with its version as ETag."""
    view = await house.reads.workload_trusts.get(str(trust_id))
    if view is None:
        raise TrustUnknown
    tag.of(view.version)
    return TrustBody.model_validate(view)


@trusts.post("/{trust_id}/revocations", status_code=201, responses=problem_responses(400, 404, 409, 413, 415))
@permits(Role.PLATFORM_ADMIN)
async def revoke_workload_trust(
    trust_id: Id, body: ReasonAsked, response: Response, house: HouseDep, caller: CallerDep
) -> ReceiptBody:
    """Exchange nothing under the trust from now on; tokens that were exchanged under it are void with the next call."""
    return await receipt(house, response, await use.revoke_trust(house.deps.world, caller, str(trust_id), body.reason))


@exchanges.post("", responses=problem_responses(400, 401, 413, 415, 503))
@public()
async def exchange_token(body: ExchangeAsked, request: Request, response: Response, house: HouseDep) -> ExchangedBody:
    """Exchange the token of a CI job for a short-lived one of ours, under a trust that an admin made (RFC 8693).

    The token in the body is what the job signs in with; there is no other. It is good for one exchange: after a lost
    answer get another one from the CI. A trust that does not exist, one that was revoked and a token that does not fit
    are refused alike.
    """
    deps = house.deps
    if deps.workload_issuers.http is None:
        raise Refused(Problem(NOT_SET_UP, "EUCORA_WORKLOAD_ISSUERS names nobody whose keys could be read."))
    house.throttle.shown_in_body(request.scope)
    trust, claims = await _believed(house, deps.workload_issuers.http, body)
    house.throttle.admit(request.scope["state"], use.actor_of(trust.trust_id))
    ends = datetime.fromtimestamp(claims["exp"], UTC)
    signed, about = body.subject_token.rpartition(".")[0], correlation_id(request)
    try:
        issued = await use.exchange(deps.world, trust.trust_id, claims, signed, token_ends=ends, correlation_id=about)
    except workload_trust.TrustUnknown as error:  # revoked in this moment
        raise _not_trusted(NO_TRUST) from error
    response.headers["Cache-Control"] = "no-store"
    return ExchangedBody(
        access_token=issued.secret, issued_token_type=ISSUED_TYPE, token_type="Bearer", expires_in=issued.lives_s
    )


async def _believed(
    house: House, http: httpx.AsyncClient, body: ExchangeAsked
) -> tuple[workload_trust.WorkloadTrustMade, dict[str, Any]]:
    """The trust that was asked under, and the claims of the job's token. Raises Refused."""
    deps = house.deps
    trust = (await standing_trust(deps.world.store, str(body.trust_id), deps.world.clock.now())).trust
    if trust is None or not deps.workload_issuers.allowed.allows(trust.terms.issuer):
        raise _not_trusted(NO_TRUST)
    claims = await _claims(house, http, trust.terms, body.subject_token)
    # Believed for a minute more, as clocks differ; what it is good for is over.
    if datetime.fromtimestamp(claims["exp"], UTC) <= deps.world.clock.now():
        raise _not_trusted("the token has expired")
    if not trust.terms.fits(claims):
        raise _not_trusted(NO_TRUST)
    return trust, claims


async def _claims(house: House, http: httpx.AsyncClient, terms: Terms, token: str) -> dict[str, Any]:
    try:
        return (await house.workloads.of(terms, http, house.deps.world.clock).read(token)).claims
    except TokenRefused as error:
        raise _not_trusted(str(error)) from error
    except ProviderAway as error:
        detail = "The keys of the workload's issuer cannot be read; ask again in a moment."
        raise Refused(Problem(AWAY, detail, headers={"Retry-After": "10"})) from error


def _not_trusted(why: str) -> Refused:
    return Refused(Problem(NOT_TRUSTED, f"{why[0].upper()}{why[1:]}."))
