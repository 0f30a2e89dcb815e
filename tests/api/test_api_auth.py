"""Who gets in: every route asks, every forged token is refused, and roles count."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from api_rig import ADMIN, AUDITOR, CAB, NOBODY, OPERATOR, PACKAGER, START, Rig, problem, sign_in_of, subject_of
from fastapi import APIRouter, FastAPI

from eucora.api.app import ROUTERS, assemble
from eucora.api.auth.compact import TOKEN_MAX
from eucora.api.auth.grants import Held, held_at, named_by
from eucora.api.reach import INSTALLATION_WIDE, SCOPED
from eucora.api.routes import GuardedRoute, PermissionUndeclared
from eucora.domain.people import Grant, Role, Scope
from eucora.lab.oidc.issuer import new_key

ROUTES = [route for router in ROUTERS for route in router.routes if isinstance(route, GuardedRoute)]
PROTECTED = [
    (method, route) for route in ROUTES if not route.permission.public for method in sorted(route.methods or ())
]
FILLED = {"{sha256}": "0" * 64, "{pack}": "0" * 64, "{version}": "1.1", "{job_id}": "1"}


def filled(path: str) -> str:
    for name, value in FILLED.items():
        path = path.replace(name, value)
    return "/".join(NOBODY if part.startswith("{") else part for part in path.split("/"))


async def test_no_route_answers_without_a_token(rig: Rig) -> None:
    """Not even with a body that cannot be parsed: nothing is read before the token is."""
    for number, (method, route) in enumerate(PROTECTED):
        content = b"{" if method == "POST" else None
        if number % 50 == 0:  # more refusals from one address would be refused for their number
            here = httpx.ASGITransport(rig.app, raise_app_exceptions=False, client=(f"10.0.0.{number}", 1))
            rig.http = httpx.AsyncClient(transport=here, base_url="http://eucora.test")
        answer = await rig.ask(method, filled(route.path), caught_up=False, content=content)
        problem(answer, 401, "unauthenticated")
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="eucora"', route.path
    assert await rig.events() == 0


async def test_no_route_answers_to_a_person_without_its_role(rig: Rig) -> None:
    lacking = {"Authorization": f"Bearer {rig.token(AUDITOR, groups=['staff'])}"}
    for method, route in PROTECTED:
        answer = await rig.ask(method, filled(route.path), headers=lacking, caught_up=False)
        if not route.permission.roles:
            assert (route.path, answer.status_code) == ("/api/v1/people/me", 200)
            continue
        told = problem(answer, 403, "role-missing")
        assert told["roles"] == [role.value for role in route.permission.roles], route.path
    assert await rig.events() == 0


def test_the_public_routes_are_the_probes_and_where_to_sign_in() -> None:
    probes = {"/livez", "/readyz", "/startupz"}
    assert {route.path for route in ROUTES if route.permission.public} == probes | {
        "/api/v1/sign-in",
        "/api/v1/token-exchanges",
    }
    assert len(PROTECTED) > 40


def test_whether_it_stands_in_a_scope_is_said_of_what_paths_name_and_of_nothing_else() -> None:
    named = {name for route in ROUTES for name in re.findall(r"\{(\w+)", route.path)}
    assert named == SCOPED.keys() | INSTALLATION_WIDE
    assert not SCOPED.keys() & INSTALLATION_WIDE


def test_a_route_without_a_permission_stops_the_start() -> None:
    async def forgotten() -> None: ...

    with pytest.raises(PermissionUndeclared, match="forgotten"):
        APIRouter(route_class=GuardedRoute).add_api_route("/forgotten", forgotten)
    unguarded = APIRouter()
    unguarded.add_api_route("/forgotten", forgotten)
    with pytest.raises(PermissionUndeclared):
        assemble("test", [unguarded])
    app: FastAPI = assemble("test")
    with pytest.raises(PermissionUndeclared):
        app.add_api_route("/forgotten", forgotten)


FORGED: dict[str, Callable[[Rig], str]] = {
    "another key under our key's id": lambda rig: rig.token(AUDITOR, signed_by=new_key()),
    "an address for its key": lambda rig: rig.token(AUDITOR, header={"jku": "http://evil.test/jwks"}),
    "expired": lambda rig: rig.token(AUDITOR, exp=at(rig, -60)),
    "no token at all": lambda rig: "not.a.token",
    "far too long": lambda rig: rig.token(AUDITOR, padding="x" * 20_000),
    "an ID token of the same provider": lambda rig: rig.issuer.id_token(subject_of(AUDITOR), "eucora", "n-1"),
    "roles in no form that anybody can read": lambda rig: rig.token(AUDITOR, groups={"eucora-auditor": True}),
    "a service token that is cut off": lambda rig: "eucora_abc",
    "a service token with a letter that is none": lambda rig: "eucora_\xe4_12345678",
}


def at(rig: Rig, seconds: int) -> int:
    return int(rig.clock.now().timestamp()) + seconds


async def test_what_is_refused_is_told_as_a_problem_with_a_challenge(rig: Rig) -> None:
    """The rules of tokens themselves stand in test_forged_tokens."""
    for name, forge in FORGED.items():
        token = {"Authorization": b"Bearer " + forge(rig).encode("latin-1")}
        answer = await rig.ask("GET", "/people/me", headers=token, caught_up=False)
        assert answer.status_code == 401, name
        problem(answer, 401, "token-refused")
        assert answer.headers["WWW-Authenticate"].startswith("Bearer"), name


@pytest.mark.parametrize("begins", ["", "eucora_"])
async def test_a_token_that_is_too_long_is_told_so_with_the_bound(rig: Rig, begins: str) -> None:
    token = begins.ljust(TOKEN_MAX + 1, "x")
    answer = await rig.ask("GET", "/people/me", headers={"Authorization": f"Bearer {token}"}, caught_up=False)
    told = problem(answer, 401, "token-refused")["detail"]
    assert told == "The token has 16,385 characters and is too long; 16,384 are the most that are read."
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]
    within = {"Authorization": f"Bearer {token[:-1]}"}
    assert "too long" not in (await rig.ask("GET", "/people/me", headers=within, caught_up=False)).text


async def test_groups_that_are_not_to_be_had_are_told_as_503(rig: Rig) -> None:
    """Never as a person without roles: 403 would say that somebody took them away."""
    token = rig.token(AUDITOR, groups=None, oid=subject_of(AUDITOR), _claim_names={"groups": "src1"})
    answer = await rig.ask("GET", "/incidents", headers={"Authorization": f"Bearer {token}"})
    told = problem(answer, 503, "groups-unavailable")
    assert "role mapping 1.0 reads names of groups" in told["detail"]
    assert answer.headers["Retry-After"] == "30"


@pytest.mark.parametrize(("offset", "status"), [(-59, 200), (-60, 401)])
async def test_clocks_may_differ_by_less_than_a_minute(rig: Rig, offset: int, status: int) -> None:
    token = rig.token(AUDITOR, exp=at(rig, offset))
    answer = await rig.ask("GET", "/people/me", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == status


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer  ", "Basic YTpi", "Token abc"])
async def test_only_bearer_tokens_are_tokens(rig: Rig, authorization: str) -> None:
    answer = await rig.ask("GET", "/people/me", headers={"Authorization": authorization})
    problem(answer, 401, "unauthenticated")


async def test_roles_are_told_apart(rig: Rig) -> None:
    problem(await rig.post("/incidents", PACKAGER, {}), 403, "role-missing")
    problem(await rig.get("/audit/events", PACKAGER), 403, "role-missing")
    problem(await rig.get("/service-tokens", OPERATOR), 403, "role-missing")
    assert (await rig.get("/audit/events", ADMIN)).status_code == 200


@pytest.mark.parametrize(
    ("groups", "grants"),
    [
        (["eucora-cab-approver"], (Grant(Role.CAB_APPROVER),)),
        (["eucora-publisher@retail/emea"], (Grant(Role.PUBLISHER, Scope("retail", "emea")),)),
        (["eucora-publisher@retail/emea/oslo"], (Grant(Role.PUBLISHER, Scope("retail", "emea", "oslo")),)),
        (["eucora-publisher@*/*"], (Grant(Role.PUBLISHER, Scope()),)),
        (["eucora-publisher"], ()),
        (["eucora-publisher@retail//x", "eucora-publisher@a/b/c/d", "eucora-publisher@"], ()),
        (["eucora-god", "Eucora-auditor", "auditor"], ()),
        (["eucora-auditor", "eucora-auditor"], (Grant(Role.AUDITOR),)),
    ],
)
def test_groups_become_grants(groups: list[str], grants: tuple[Grant, ...]) -> None:
    assert held_at(named_by(groups), START) == Held(grants, ())


async def issued(rig: Rig, **changes: Any) -> httpx.Response:
    until = (rig.clock.now() + timedelta(days=1)).isoformat()
    body = {"name": "reader", "grants": [{"role": "platform_admin"}], "expires_at": until} | changes
    return await rig.post("/service-tokens", ADMIN, body)


async def test_a_service_token_works_at_once_and_until_it_is_revoked(rig: Rig) -> None:
    answer = await issued(rig)
    assert answer.headers["Cache-Control"] == "no-store"
    token_id, secret = answer.json()["id"], answer.json()["secret"]
    program = {"Authorization": f"Bearer {secret}"}
    me = await rig.ask("GET", "/people/me", headers=program, caught_up=False)
    assert (me.status_code, me.json()["credential"]) == (200, f"eucora|{token_id}")
    assert me.json()["id"] == (await rig.get("/people/me", ADMIN)).json()["id"]  # it acts for who issued it
    (listed,) = (await rig.get("/service-tokens", ADMIN)).json()["items"]
    assert listed["valid"]
    assert secret not in str(listed)
    assert (await rig.post(f"/service-tokens/{token_id}/revocations", ADMIN, {"reason": "leak"})).status_code == 201
    problem(await rig.ask("GET", "/people/me", headers=program, caught_up=False), 401, "token-refused")


async def test_a_service_token_ends(rig: Rig) -> None:
    program = {"Authorization": f"Bearer {(await issued(rig)).json()['secret']}"}
    rig.later(hours=23, minutes=59)
    assert (await rig.ask("GET", "/people/me", headers=program)).status_code == 200
    rig.later(minutes=1)
    problem(await rig.ask("GET", "/people/me", headers=program), 401, "token-refused")


async def test_a_secret_is_nowhere_in_the_log(rig: Rig) -> None:
    secret = (await issued(rig)).json()["secret"]
    assert secret not in (await rig.get("/audit/events")).text


@pytest.mark.parametrize(
    ("changes", "status", "slug"),
    [
        ({"grants": [{"role": "publisher"}]}, 403, "grant-not-held"),
        ({"grants": []}, 422, "grants-missing"),
        ({"name": " "}, 422, "token-name-missing"),
        ({"expires_at": "2030-01-01T00:00:00Z"}, 422, "token-expiry-invalid"),
        ({"expires_at": "2026-03-03T00:00:00"}, 422, "request-invalid"),
    ],
)
async def test_tokens_that_are_not_issued(rig: Rig, changes: dict[str, Any], status: int, slug: str) -> None:
    problem(await issued(rig, **changes), status, slug)
    assert await rig.events() == 0


async def test_without_a_provider_only_service_tokens_count(rig: Rig) -> None:
    secret = (await issued(rig)).json()["secret"]
    alone = sign_in_of(rig, None)
    assert (await alone.person(f"Bearer {secret}")).name == "reader"
    with pytest.raises(Exception, match="no identity provider"):
        await alone.person(f"Bearer {rig.token(CAB)}")


async def test_one_person_is_no_board_however_many_tokens_he_issues(rig: Rig) -> None:
    """Every token of his is he: what binds the person binds the programs that act for him."""
    secrets = [(await issued(rig, name=name)).json()["secret"] for name in ("one", "two")]
    ids = {
        (await rig.ask("GET", "/people/me", headers={"Authorization": f"Bearer {secret}"})).json()["id"]
        for secret in secrets
    }
    assert len(ids) == 1


async def test_the_log_says_which_token_it_was(rig: Rig) -> None:
    answer = (await issued(rig)).json()
    program = {"Authorization": f"Bearer {answer['secret']}"}
    until = (rig.clock.now() + timedelta(days=1)).isoformat()
    body = {"name": "second", "grants": [{"role": "platform_admin"}], "expires_at": until}
    made = await rig.ask("POST", "/service-tokens", headers=program, json=body)
    assert made.status_code == 201
    told = (await rig.get("/audit/events", ADMIN)).json()["events"]
    entries = [one.get("entry", one) for one in told]
    [*_, entry] = [one for one in entries if one["type"] == "service_token.issued"]
    assert entry["actor"] == f"eucora|{answer['id']}"
    assert entry["data"]["by"] == (await rig.get("/people/me", ADMIN)).json()["id"]
