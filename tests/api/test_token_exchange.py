"""Workload identity: a CI job's token for a short-lived one of ours, under a trust that says whose job it is."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
from access_world import bearer, token
from api_rig import ADMIN, API, AUDITOR, ISSUER, NOBODY, PACKAGER, START, Rig, id_of, problem, subject_of
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import Mount

from eucora.api.app import create_app
from eucora.api.auth.keys import OidcSettings
from eucora.api.auth.workloads import WorkloadIssuers
from eucora.api.house import ApiDeps
from eucora.api.limits import HttpLimits
from eucora.application.workload_trusts import exchange as exchanged
from eucora.domain.people import Grant, Role
from eucora.domain.workload_trust import TrustUnknown
from eucora.domain.workload_trust_issuers import IssuerList
from eucora.lab.clock import ManualClock
from eucora.lab.oidc import create_issuer
from eucora.lab.oidc.issuer import Issuer
from eucora.store.ids import RandomIds
from eucora.store.log import EventLog

CI = "https://ci.test/oidc"
LISTED = IssuerList((CI, "https://ci.test/elsewhere"))
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
        ways_in = {"oidc": OidcSettings(ISSUER, "eucora", out), "workload_issuers": WorkloadIssuers(LISTED, out)}
        app = create_app(replace(rig.app.state.house.deps, **ways_in))
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
    assert (issued["trust_id"], issued["valid"]) == (trust, True)
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
        {"exp": int(START.timestamp()) - 30},
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
    told = problem(
        await ci.post("/workload-trusts", ADMIN, but(issuer="https://169.254.169.254")),
        422,
        "workload-issuer-not-allowed",
    )
    assert told["errors"][0]["pointer"] == "#/issuer"
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


def replica(rig: Rig, **changes: Any) -> FastAPI:
    """Another app over the same database, with a log of its own."""
    deps: ApiDeps = rig.app.state.house.deps
    world = replace(deps.world, store=EventLog(deps.pool, RandomIds()))
    return create_app(replace(deps, world=world, **changes))


def reached(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://eucora.test")


async def test_a_token_of_a_ci_is_good_for_one_exchange(ci: Rig, pipeline: Starlette) -> None:
    trust, other = [await ci.made("/workload-trusts", ADMIN, TRUST | {"name": name}) for name in ("one", "two")]
    named, unnamed = job(ci, pipeline, jti="j-1"), job(ci, pipeline, jti=None)
    for shown in (named, unnamed):
        assert (await exchange(ci, trust, shown)).status_code == 200
        before = await ci.events()
        told = problem(await exchange(ci, trust, shown), 401, "workload-token-spent")
        assert "get a new one from the CI" in told["detail"]
        problem(await exchange(ci, other, shown), 401, "workload-token-spent")
        assert await ci.events() == before
    # A token that another run signs anew is another one; its issuer's own id for it is what counts.
    problem(await exchange(ci, trust, job(ci, pipeline, jti="j-1", run="2")), 401, "workload-token-spent")
    assert (await exchange(ci, trust, job(ci, pipeline, jti="j-2"))).status_code == 200


@pytest.mark.parametrize("jti", ["j-1", None])
async def test_of_exchanges_that_race_over_two_replicas_one_is_answered(
    ci: Rig, pipeline: Starlette, jti: str | None
) -> None:
    trust = await ci.made("/workload-trusts", ADMIN, TRUST)
    shown, other = job(ci, pipeline, jti=jti), replica(ci)
    async with reached(other) as http:
        doors = [ci, replace(ci, http=http)]
        answers = await asyncio.gather(*(exchange(doors[number % 2], trust, shown) for number in range(16)))
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 15
    for answer in answers:
        if answer.status_code == 401:
            problem(answer, 401, "workload-token-spent")
    assert len((await ci.get("/service-tokens")).json()["items"]) == 1
    await other.state.house.deps.world.store.close()


async def test_with_a_trust_end_the_tokens_that_were_exchanged_under_it_in_every_replica(
    ci: Rig, pipeline: Starlette
) -> None:
    trusts = [await ci.made("/workload-trusts", ADMIN, TRUST | {"name": name}) for name in ("one", "two")]
    secrets = [(await exchange(ci, trust, job(ci, pipeline, jti=trust))).json()["access_token"] for trust in trusts]
    async with reached(replica(ci)) as other:

        async def seen(secret: str) -> list[int]:
            return [
                (await http.get(f"{API}/people/me", headers=bearer(secret))).status_code for http in (ci.http, other)
            ]

        assert [await seen(secret) for secret in secrets] == [[200, 200], [200, 200]]
        await ci.made(f"/workload-trusts/{trusts[0]}/revocations", ADMIN, {"reason": "the pipeline moved"})
        assert [await seen(secret) for secret in secrets] == [[401, 401], [200, 200]]
    told = {one["trust_id"]: one["valid"] for one in (await ci.get("/service-tokens")).json()["items"]}
    assert told == {trusts[0]: False, trusts[1]: True}
    answer = await ci.ask("GET", "/people/me", headers=bearer(secrets[0]))
    assert "revoked" in problem(answer, 401, "token-refused")["detail"]


async def test_no_exchange_gets_past_a_revocation(ci: Rig, pipeline: Starlette) -> None:
    """The job's token was judged while the trust stood; what it leads to is appended only while it still does."""
    trust = await ci.made("/workload-trusts", ADMIN, TRUST)
    claims = {"iss": CI, "jti": "j-1"} | JOB
    ends = ci.clock.now() + timedelta(minutes=10)
    log = ci.world.store

    class Overtaken(EventLog):
        """The revocation commits between the reading of the trust and the append."""

        async def append(self, *args: Any, **named: Any) -> Any:
            await ci.made(f"/workload-trusts/{trust}/revocations", ADMIN, {"reason": "the pipeline moved"})
            return await super().append(*args, **named)

    assert isinstance(log, EventLog)
    overtaken = Overtaken(ci.app.state.house.deps.pool, RandomIds())
    with pytest.raises(TrustUnknown):
        await exchanged(
            replace(ci.world, store=overtaken), trust, claims, "signed", token_ends=ends, correlation_id="race"
        )
    await overtaken.close()
    assert (await ci.get("/service-tokens")).json()["items"] == []


async def test_with_the_token_that_a_trust_was_made_with_end_its_exchanges_and_what_they_led_to(
    ci: Rig, pipeline: Starlette
) -> None:
    parent = (await ci.post("/service-tokens", ADMIN, parent_asked(ci))).json()
    made = await ci.ask("POST", "/workload-trusts", headers=bearer(parent["secret"]), json=TRUST)
    trust = made.json()["id"]
    secret = (await exchange(ci, trust, job(ci, pipeline, jti="j-1"))).json()["access_token"]
    async with reached(replica(ci)) as other:

        async def seen() -> list[int]:
            return [
                (await http.get(f"{API}/people/me", headers=bearer(secret))).status_code for http in (ci.http, other)
            ]

        assert await seen() == [200, 200]
        await ci.made(f"/service-tokens/{parent['id']}/revocations", ADMIN, {"reason": "stolen"})
        assert await seen() == [401, 401]
    before = await ci.events()
    problem(await exchange(ci, trust, job(ci, pipeline, jti="j-2")), 401, "workload-not-trusted")
    assert await ci.events() == before
    told = {one["trust_id"]: one["valid"] for one in (await ci.get("/service-tokens")).json()["items"]}
    assert told == {trust: False, "": False}


async def test_a_token_that_was_exchanged_issues_nothing(ci: Rig, pipeline: Starlette) -> None:
    trust = await ci.made("/workload-trusts", ADMIN, TRUST | {"grants": [{"role": "platform_admin"}]})
    secret = (await exchange(ci, trust, job(ci, pipeline))).json()["access_token"]
    for path, body in (("/service-tokens", parent_asked(ci)), ("/workload-trusts", TRUST)):
        problem(await ci.ask("POST", path, headers=bearer(secret), json=body), 403, "token-hands-nothing-on")


async def test_no_exchange_gets_past_the_revocation_of_the_token_that_its_trust_was_made_with(ci: Rig) -> None:
    parent = (await ci.post("/service-tokens", ADMIN, parent_asked(ci))).json()
    made = await ci.ask("POST", "/workload-trusts", headers=bearer(parent["secret"]), json=TRUST)
    ends = ci.clock.now() + timedelta(minutes=10)

    class Overtaken(EventLog):
        """The revocation commits between the reading of the two and the append."""

        async def append(self, *args: Any, **named: Any) -> Any:
            await ci.made(f"/service-tokens/{parent['id']}/revocations", ADMIN, {"reason": "stolen"})
            return await super().append(*args, **named)

    overtaken = Overtaken(ci.app.state.house.deps.pool, RandomIds())
    with pytest.raises(TrustUnknown):
        await exchanged(
            replace(ci.world, store=overtaken),
            made.json()["id"],
            {"iss": CI, "jti": "j-1"} | JOB,
            "signed",
            token_ends=ends,
            correlation_id="race",
        )
    await overtaken.close()
    assert [one["id"] for one in (await ci.get("/service-tokens")).json()["items"]] == [parent["id"]]


def parent_asked(rig: Rig) -> dict[str, Any]:
    ends = (rig.clock.now() + timedelta(minutes=30)).isoformat()
    return {"name": "parent", "grants": [{"role": "platform_admin"}], "expires_at": ends}


async def test_a_pipeline_is_given_no_role_that_judges(ci: Rig) -> None:
    holder = {"Authorization": f"Bearer {ci.token(ADMIN, groups=['eucora-platform-admin', 'eucora-cab-approver'])}"}
    asked = TRUST | {"grants": [{"role": "platform_admin"}, {"role": "cab_approver"}]}
    answer = await ci.ask("POST", "/workload-trusts", headers=holder, json=asked)
    told = problem(answer, 422, "workload-trust-role-judges")
    assert (told["roles"], told["errors"][0]["pointer"]) == (["cab_approver"], "#/grants")
    assert (await ci.get("/workload-trusts")).json()["items"] == []


async def test_refused_exchanges_are_guesses_of_their_address_whatever_else_is_shown(
    ci: Rig, pipeline: Starlette
) -> None:
    trust = await ci.made("/workload-trusts", ADMIN, TRUST)
    async with reached(replica(ci, limits=HttpLimits(guesses=3))) as http:
        guesser = replace(ci, http=http)
        known = {"Authorization": f"Bearer {ci.token(ADMIN)}"}
        assert (await guesser.ask("GET", "/people/me", headers=known)).status_code == 200
        http.headers.update(known)
        assert (await exchange(guesser, trust, job(ci, pipeline))).status_code == 200, "a good one is no guess"
        spent = job(ci, pipeline, jti="spent")
        assert (await exchange(guesser, trust, spent)).status_code == 200
        problem(await exchange(guesser, trust, spent), 401, "workload-token-spent")
        for number in range(2):
            wrong = job(ci, pipeline, jti=f"wrong {number}", repository="acme/other")
            problem(await exchange(guesser, trust, wrong), 401, "workload-not-trusted")
        good = job(ci, pipeline, jti="good")
        problem(await exchange(guesser, trust, good), 429, "abnormal-usage-detected")
        assert (await guesser.ask("GET", "/people/me", headers=known)).status_code == 200
        del http.headers["Authorization"]
        problem(await exchange(guesser, trust, good), 429, "abnormal-usage-detected")
    assert (await exchange(ci, trust, good)).status_code == 200, "it was spent nowhere"


async def test_a_trust_has_a_quota_like_any_principal(ci: Rig, pipeline: Starlette) -> None:
    trust, other = [await ci.made("/workload-trusts", ADMIN, TRUST) for _ in range(2)]
    async with reached(replica(ci, limits=HttpLimits(rate=3))) as http:
        eager = replace(ci, http=http)
        for number in range(3):
            answer = await exchange(eager, trust, job(ci, pipeline, jti=f"j-{number}"))
            assert (answer.status_code, "RateLimit" in answer.headers) == (200, True)
        before = await ci.events()
        answer = await exchange(eager, trust, job(ci, pipeline, jti="one more"))
        problem(answer, 429, "quota-exceeded")
        assert int(answer.headers["Retry-After"]) > 0
        assert await ci.events() == before
        assert (await exchange(eager, other, job(ci, pipeline, jti="another"))).status_code == 200


async def test_an_issuer_that_is_listed_no_more_signs_nobody_in(ci: Rig, pipeline: Starlette) -> None:
    trust = await ci.made("/workload-trusts", ADMIN, TRUST)
    out = ci.app.state.house.deps.workload_issuers.http
    for issuers, status, slug in (
        (WorkloadIssuers(IssuerList(("https://other.test",)), out), 401, "workload-not-trusted"),
        (WorkloadIssuers(), 503, "workload-identity-not-set-up"),
    ):
        async with reached(replica(ci, workload_issuers=issuers)) as http:
            problem(await exchange(replace(ci, http=http), trust, job(ci, pipeline)), status, slug)
    assert (await exchange(ci, trust, job(ci, pipeline))).status_code == 200


async def test_a_trust_gives_for_no_longer_than_its_maker_holds(ci: Rig, pipeline: Starlette) -> None:
    """Made with a service token of a day: so it ends with that day, and so does what is exchanged just before."""
    secret = await token(ci, Grant(Role.PLATFORM_ADMIN))
    made = await ci.ask("POST", "/workload-trusts", headers=bearer(secret), json=TRUST)
    trust = made.json()["id"]
    [told] = (await ci.get("/workload-trusts")).json()["items"]
    assert told["until"] == f"{START + timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}"
    ci.later(days=1, seconds=-60)
    assert (await exchange(ci, trust, job(ci, pipeline, jti="j-1"))).json()["expires_in"] == 60
    ci.later(seconds=60)
    problem(await exchange(ci, trust, job(ci, pipeline, jti="j-2")), 401, "workload-not-trusted")
