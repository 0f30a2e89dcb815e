"""Routes of workload identity: trusts, and the exchange of a CI job's token for a short-lived one of ours."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

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
    Told,
    fresh,
    receipt,
)
from eucora.api.auth.compact import TOKEN_MAX, TokenRefused
from eucora.api.auth.keys import ProviderAway
from eucora.api.house import House
from eucora.api.intent_moves import ReasonAsked
from eucora.api.problems import Problem, Refused, Row, correlation_id, problem_responses
from eucora.api.routes import noun, permits, public
from eucora.api.service_tokens import GrantAsked
from eucora.api.words import Line
from eucora.application import workload_trusts as use
from eucora.application.execute import load
from eucora.domain import workload_trust
from eucora.domain.people import Grant, Role, Scope
from eucora.domain.workload_trust import CONDITIONS_MAX, VALID_FOR_MAX_S, ClaimCondition, Match, Terms

trusts = noun("workload-trusts")
exchanges = noun("token-exchanges")
ISSUED_TYPE: Final = "urn:ietf:params:oauth:token-type:access_token"
NOT_TRUSTED: Final = Row(401, "workload-not-trusted", "The token of the workload is not accepted")
AWAY: Final = Row(503, "workload-issuer-away", "The issuer of the workload's token does not answer")
NO_CLIENT: Final = Row(503, "workload-identity-not-set-up", "Nobody's keys can be read here")


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
    valid_s: Annotated[int, Field(description=f"Seconds that a token lives, {VALID_FOR_MAX_S} at the most")] = 900

    def to_terms(self) -> Terms:
        return Terms(
            name=self.name,
            issuer=self.issuer,
            audience=self.audience,
            conditions=tuple(ClaimCondition(one.claim, one.value, one.match) for one in self.conditions),
            grants=tuple(Grant(one.role, Scope(**one.scope.model_dump())) for one in self.grants),
            valid_s=self.valid_s,
        )


class TrustBody(Told):
    """A trust; ``revoked_at`` null: it stands."""

    id: str
    version: int
    terms: Terms
    made_by: str
    made_at: datetime
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
    """Trust the jobs of a CI that fit: they exchange their tokens for ours. A trust without a condition is refused."""
    people = "" if house.deps.oidc is None else house.deps.oidc.issuer
    return await receipt(
        house, response, await use.make_trust(house.deps.world, caller, body.to_terms(), people=people)
    )


@trusts.get("", dependencies=[fresh("workload_trusts")])
@permits(Role.PLATFORM_ADMIN, Role.AUDITOR)
async def list_workload_trusts(house: HouseDep, page: PagingDep) -> Listing[TrustBody]:
    """Workload trusts, newest first; revoked ones too."""
    found = await house.reads.workload_trusts.page(after=page.after, limit=page.limit)
    items: Sequence[TrustBody] = [TrustBody.model_validate(view) for view in found.items]
    return Listing(items=items, next_cursor=page.next(found.next))


@trusts.post("/{trust_id}/revocations", status_code=201, responses=problem_responses(400, 404, 409, 413, 415))
@permits(Role.PLATFORM_ADMIN)
async def revoke_workload_trust(
    trust_id: Id, body: ReasonAsked, response: Response, house: HouseDep, caller: CallerDep
) -> ReceiptBody:
    """Exchange nothing under the trust from now on. Tokens that were exchanged end by themselves, within the hour."""
    return await receipt(house, response, await use.revoke_trust(house.deps.world, caller, str(trust_id), body.reason))


@exchanges.post("", responses=problem_responses(400, 401, 413, 415, 503))
@public()
async def exchange_token(body: ExchangeAsked, request: Request, response: Response, house: HouseDep) -> ExchangedBody:
    """Exchange the token of a CI job for a short-lived one of ours, under a trust that an admin made (RFC 8693).

    The token in the body is what the job signs in with; there is no other. A trust that does not exist, one that was
    revoked and a token that does not fit are refused alike.
    """
    world = house.deps.world
    trust = await load(world.store, workload_trust.DECIDER, str(body.trust_id))
    if trust.terms is None or trust.made is None:
        raise _not_trusted("no standing trust has this id and fits the token")
    claims = await _claims(house, request, trust.terms, body.subject_token)
    if not trust.terms.fits(claims):
        raise _not_trusted("no standing trust has this id and fits the token")
    ends = datetime.fromtimestamp(claims["exp"], UTC)
    issued = await use.exchange(world, trust.made, claims, token_ends=ends, correlation_id=correlation_id(request))
    response.headers["Cache-Control"] = "no-store"
    lives = workload_trust.ends_at(trust.terms, world.clock.now(), ends) - world.clock.now()
    return ExchangedBody(
        access_token=issued.secret,
        issued_token_type=ISSUED_TYPE,
        token_type="Bearer",
        expires_in=int(lives.total_seconds()),
    )


async def _claims(house: House, request: Request, terms: Terms, token: str) -> dict[str, Any]:
    people = house.deps.oidc
    if people is None:
        raise Refused(
            Problem(NO_CLIENT, "Set EUCORA_OIDC_ISSUER: workloads sign in beside people, and by the same way.")
        )
    try:
        return (await house.workloads.of(terms, people, house.deps.world.clock).read(token)).claims
    except TokenRefused as error:
        raise _not_trusted(str(error)) from error
    except ProviderAway as error:
        detail = "The keys of the workload's issuer cannot be read; ask again in a moment."
        raise Refused(Problem(AWAY, detail, headers={"Retry-After": "10"})) from error


def _not_trusted(why: str) -> Refused:
    return Refused(Problem(NOT_TRUSTED, f"{why[0].upper()}{why[1:]}."))
