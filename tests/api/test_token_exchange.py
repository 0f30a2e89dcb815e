"""Workload identity: a CI job's token for a short-lived one of ours, under a trust that says whose job it is."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
from access_world import bearer
from api_rig import ADMIN, API, AUDITOR, ISSUER, NOBODY, PACKAGER, START, Rig, id_of, problem, subject_of
from starlette.applications import Starlette
from starlette.routing import Mount

from eucora.api.app import create_app
from eucora.api.auth.keys import OidcSettings
from eucora.lab.clock import ManualClock
from eucora.lab.oidc import create_issuer
from eucora.lab.oidc.issuer import Issuer

CI = "https://ci.test/oidc"
JOB = {"sub": "repo:acme/notes:ref:refs/heads/main", "repository": "acme/notes", "ref": "refs/heads/main"}
TRUST: dict[str, Any] = {
    "name": "notes pipeline",
    "issuer": CI,
    "audience": "eucora",
    "conditions": [
        {"claim": "repository", "value": "acme/notes"},
        {"claim": "sub", "value": "repo:acme/notes:", "match": "prefix"},
    ],
    "grants": [{"role": "platform_admin", "scope": {"business_unit": "retail"}}],
    "valid_s": 900,
}


@pytest.fixture(scope="module")
def pipeline() -> Starlette:
    """The CI's issuer, with a key of its own."""
    issuer = create_issuer(CI, 11, ManualClock(START))
    app = Starlette(routes=[Mount("/oidc", issuer)])
    app.state.issuer = issuer.state.issuer
    return app


@pytest.fixture
async def ci(rig: Rig, provider: Starlette, pipeline: Starlette) -> AsyncIterator[Rig]:
    """The rig with a way to both issuers."""
    ways = {"all://idp.test": httpx.ASGITransport(provider), "all://ci.test": httpx.ASGITransport(pipeline)}
    async with httpx.AsyncClient(mounts=ways) as out:
        app = create_app(replace(rig.app.state.house.deps, oidc=OidcSettings(ISSUER, "eucora", out)))
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://eucora.test") as http:
            yield replace(rig, app=app, http=http)


def job(rig: Rig, pipeline: Starlette, **claims: Any) -> str:
    issuer: Issuer = pipeline.state.issuer
    now = int(rig.clock.now().timestamp())
    return issuer.mint(subject_of(PACKAGER), **({"iat": now, "nbf": now, "exp": now + 600} | JOB | claims))


async def exchange(rig: Rig, trust: str, token: str, **changes: Any) -> httpx.Response:
    body = {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token": token,
        "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
        "trust_id": trust,
    } | changes
    return await rig.http.post(f"{API}/token-exchanges", json=body)


async def test_a_job_gets_a_token_that_ends_with_its_own(ci: Rig, pipeline: Starlette) -> None:
    trust = await ci.made("/workload-trusts", ADMIN, TRUST)
    answer = await exchange(ci, trust, job(ci, pipeline))
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert answer.headers["Cache-Control"] == "no-store"
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 600)
    assert body["issued_token_type"] == "urn:ietf:params:oauth:token-type:access_token"
    me = await ci.ask("GET", "/people/me", headers=bearer(body["access_token"]))
    assert me.json()["id"] == id_of(ADMIN), "a pipeline is nobody's second pair of eyes"
    [issued] = (await ci.get("/service-tokens")).json()["items"]
    assert issued["name"] == f"notes pipeline: {JOB['sub']}"
    assert issued["grants"] == [
        {"role": "platform_admin", "scope": {"business_unit": "retail", "boundary": "*", "site": "*"}}
    ]
    recorded = (await ci.world.store.read_recorded(f"service_token-{issued['id']}"))[0]
    assert recorded.actor == f"eucora|{trust}"
    ci.later(seconds=600)
    assert (await ci.ask("GET", "/people/me", headers=bearer(body["access_token"]))).status_code == 401


@pytest.mark.parametrize(
    "claims",
    [
        {"repository": "acme/other"},
        {"repository": None},
        {"repository": ["acme/notes"]},
        {"sub": "repo:acme/notes-evil:ref:refs/heads/main"},
        {"aud": "somebody-else"},
        {"iss": ISSUER},
        {"exp": int(START.timestamp()) - 120},
        {"nbf": int(START.timestamp()) + 300},
    ],
    ids=str,
)
async def test_a_job_that_does_not_fit_gets_nothing(ci: Rig, pipeline: Starlette, claims: dict[str, Any]) -> None:
    trust = await ci.made("/workload-trusts", ADMIN, TRUST)
    before = await ci.events()
    problem(await exchange(ci, trust, job(ci, pipeline, **claims)), 401, "workload-not-trusted")
    assert await ci.events() == before


async def test_tokens_of_people_and_trusts_that_do_not_stand_get_nothing(ci: Rig, pipeline: Starlette) -> None:
    trust = await ci.made("/workload-trusts", ADMIN, TRUST)
    problem(await exchange(ci, trust, ci.token(PACKAGER)), 401, "workload-not-trusted")
    unknown = problem(await exchange(ci, NOBODY, job(ci, pipeline)), 401, "workload-not-trusted")
    revoked = await ci.post(f"/workload-trusts/{trust}/revocations", ADMIN, {"reason": "the pipeline moved"})
    assert revoked.status_code == 201
    gone = problem(await exchange(ci, trust, job(ci, pipeline)), 401, "workload-not-trusted")
    assert gone["detail"] == unknown["detail"]
    answer = await ci.ask("GET", "/people/me", headers=bearer(job(ci, pipeline)))
    problem(answer, 401, "token-refused")  # by itself it opens nothing


async def test_a_trust_says_whose_jobs_it_means_and_grants_what_is_held(ci: Rig) -> None:
    def but(**changes: Any) -> dict[str, Any]:
        return TRUST | changes

    loose = [{"claim": "ref", "value": "refs/heads/main"}]
    for conditions in ([], loose):
        refused = await ci.post("/workload-trusts", ADMIN, but(conditions=conditions))
        problem(refused, 422, "workload-trust-not-conditioned")
    for issuer in (ISSUER, "http://ci.test/oidc"):
        problem(await ci.post("/workload-trusts", ADMIN, but(issuer=issuer)), 422, "workload-trust-invalid")
    publisher = [{"role": "publisher", "scope": {"business_unit": "retail"}}]
    refused = await ci.post("/workload-trusts", ADMIN, but(grants=publisher))
    problem(refused, 403, "workload-trust-grant-not-held")
    problem(await ci.post("/workload-trusts", AUDITOR, TRUST), 403, "role-missing")
    assert (await ci.get("/workload-trusts")).json()["items"] == []


async def test_trusts_are_listed_with_who_made_and_revoked_them(ci: Rig) -> None:
    trust = await ci.made("/workload-trusts", ADMIN, TRUST)
    await ci.post(f"/workload-trusts/{trust}/revocations", ADMIN, {"reason": "the pipeline moved"})
    [told] = (await ci.get("/workload-trusts")).json()["items"]
    assert (told["id"], told["made_by"], told["revoke_reason"]) == (trust, id_of(ADMIN), "the pipeline moved")
    assert told["terms"]["conditions"][0] == {"claim": "repository", "value": "acme/notes", "match": "exact"}


async def test_an_issuer_that_does_not_answer_is_told_as_such(ci: Rig, pipeline: Starlette) -> None:
    away = await ci.made("/workload-trusts", ADMIN, TRUST | {"issuer": "https://ci.test/elsewhere"})
    problem(await exchange(ci, away, job(ci, pipeline)), 503, "workload-issuer-away")


async def test_a_job_asks_as_the_standard_says(ci: Rig, pipeline: Starlette) -> None:
    trust = await ci.made("/workload-trusts", ADMIN, TRUST)
    for changes in ({"grant_type": "client_credentials"}, {"subject_token_type": "saml"}, {"trust_id": "x"}):
        problem(await exchange(ci, trust, job(ci, pipeline), **changes), 422, "request-invalid")
    ci.later(seconds=(timedelta(hours=1)).total_seconds())
    problem(await exchange(ci, trust, job(ci, pipeline, exp=int(START.timestamp()))), 401, "workload-not-trusted")
