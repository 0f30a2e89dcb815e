"""Who gets in: every route asks, every forged token is refused, and roles count."""

import asyncio
import base64
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from api_rig import ADMIN, AUDITOR, CAB, ISSUER, NOBODY, OPERATOR, PACKAGER, Rig, id_of, problem, subject_of
from fastapi import APIRouter, FastAPI
from joserfc import jws, jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

from eucora.api.app import ROUTERS, assemble
from eucora.api.auth.grants import grants_of
from eucora.api.auth.keys import OidcSettings, ProviderAway, ProviderKeys
from eucora.api.routes import GuardedRoute, PermissionUndeclared
from eucora.domain.people import Grant, Role, Scope
from eucora.lab.clock import ManualClock
from eucora.lab.oidc.issuer import new_key

ROUTES = [route for router in ROUTERS for route in router.routes if isinstance(route, GuardedRoute)]
PROTECTED = [(method, route) for route in ROUTES if not route.permission.public for method in sorted(route.methods)]
FILLED = {"{sha256}": "0" * 64, "{pack}": "0" * 64, "{version}": "1.1", "{job_id}": "1"}


def filled(path: str) -> str:
    for name, value in FILLED.items():
        path = path.replace(name, value)
    return "/".join(NOBODY if part.startswith("{") else part for part in path.split("/"))


async def test_no_route_answers_without_a_token(rig: Rig) -> None:
    """Not even with a body that cannot be parsed: nothing is read before the token is."""
    for method, route in PROTECTED:
        content = b"{" if method == "POST" else None
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


def test_the_public_routes_are_the_probes_and_nothing_else() -> None:
    assert {route.path for route in ROUTES if route.permission.public} == {"/livez", "/readyz", "/startupz"}
    assert len(PROTECTED) > 40


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


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def unsigned(rig: Rig) -> str:
    _, body, _ = rig.token(AUDITOR).split(".")
    return f"{part({'alg': 'none', 'typ': 'at+jwt', 'kid': rig.issuer.kid})}.{body}."


def with_public_key_as_secret(rig: Rig) -> str:
    """The classic: the public key is no secret, so a token "signed" with it as HMAC secret proves nothing."""
    _, body, _ = rig.token(AUDITOR).split(".")
    public = RSAKey.import_key(rig.issuer.jwks()["keys"][0]).as_pem(private=False)
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    with_pem = OctKey.import_key(base64.b64encode(public).decode())
    return jwt.encode({"alg": "HS256", "kid": rig.issuer.kid, "typ": "at+jwt"}, claims, with_pem, ["HS256"])


def with_own_key_inside(rig: Rig) -> str:
    own = ECKey.generate_key("P-256")
    claims = json.loads(base64.urlsafe_b64decode(rig.token(AUDITOR).split(".")[1] + "=="))
    head = {"alg": "ES256", "typ": "at+jwt", "kid": rig.issuer.kid, "jwk": own.as_dict(private=False)}
    return jwt.encode(head, claims, own)


def with_another_body(rig: Rig) -> str:
    head, body, signature = rig.token(AUDITOR).split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    return f"{head}.{part(claims | {'groups': ['eucora-platform-admin']})}.{signature}"


def at(rig: Rig, seconds: int) -> int:
    return int(rig.clock.now().timestamp()) + seconds


FORGED: dict[str, Callable[[Rig], str]] = {
    "nothing signed": unsigned,
    "the public key as a secret": with_public_key_as_secret,
    "a key of its own in the header": with_own_key_inside,
    "another body under the signature": with_another_body,
    "another key under our key's id": lambda rig: rig.token(AUDITOR, signed_by=RSAKey.generate_key(2048)),
    "a key that nobody publishes": lambda rig: rig.token(AUDITOR, header={"kid": "unknown"}),
    "a kid that is a path": lambda rig: rig.token(AUDITOR, header={"kid": "../../dev/null"}),
    "no kid": lambda rig: rig.token(AUDITOR, header={"kid": None}),
    "an address for its key": lambda rig: rig.token(AUDITOR, header={"jku": "http://evil.test/jwks"}),
    "another type": lambda rig: rig.token(AUDITOR, header={"typ": "logout+jwt"}),
    "expired beyond the skew": lambda rig: rig.token(AUDITOR, exp=at(rig, -60)),
    "not valid yet": lambda rig: rig.token(AUDITOR, nbf=at(rig, 61)),
    "issued in the future": lambda rig: rig.token(AUDITOR, iat=at(rig, 61)),
    "no expiry": lambda rig: rig.token(AUDITOR, exp=None),
    "an expiry that is no number": lambda rig: rig.token(AUDITOR, exp="never"),
    "for another audience": lambda rig: rig.token(AUDITOR, aud="somebody-else"),
    "for no audience": lambda rig: rig.token(AUDITOR, aud=None),
    "of another issuer": lambda rig: rig.token(AUDITOR, iss="http://evil.test/oidc"),
    "of our issuer with a slash": lambda rig: rig.token(AUDITOR, iss=ISSUER + "/"),
    "without a subject": lambda rig: rig.token(AUDITOR, sub=None),
    "with an unprintable subject": lambda rig: rig.token(AUDITOR, sub="ada\x00"),
    "no token at all": lambda rig: "not.a.token",
    "two parts": lambda rig: ".".join(rig.token(AUDITOR).split(".")[:2]),
    "far too long": lambda rig: rig.token(AUDITOR, padding="x" * 20_000),
    "a service token that is cut off": lambda rig: "eucora_abc",
    "a service token with a letter that is none": lambda rig: "eucora_\xe4_12345678",
}


async def test_forged_tokens_are_refused(rig: Rig) -> None:
    for name, forge in FORGED.items():
        token = {"Authorization": b"Bearer " + forge(rig).encode("latin-1")}
        answer = await rig.ask("GET", "/people/me", headers=token, caught_up=False)
        assert answer.status_code == 401, name
        problem(answer, 401, "unauthenticated" if name == "far too long" else "token-refused")
        assert answer.headers["WWW-Authenticate"].startswith("Bearer"), name


async def test_a_claim_that_is_there_twice_is_refused(rig: Rig) -> None:
    key = rig.issuer._keys[-1]
    now = at(rig, 0)
    body = f'{{"iss":"{ISSUER}","aud":"eucora","exp":{now + 900},"sub":"somebody-else","sub":"{subject_of(AUDITOR)}"}}'
    token = jws.serialize_compact({"alg": "RS256", "kid": rig.issuer.kid}, body.encode(), key)
    problem(await rig.ask("GET", "/people/me", headers={"Authorization": f"Bearer {token}"}), 401, "token-refused")


@pytest.mark.parametrize("claims", [{"exp": 59}, {"nbf": 60}, {"iat": 60}])
async def test_clocks_may_differ_by_a_minute(rig: Rig, claims: dict[str, int]) -> None:
    name, offset = next(iter(claims.items()))
    token = rig.token(AUDITOR, **{name: at(rig, -offset if name == "exp" else offset)})
    answer = await rig.ask("GET", "/people/me", headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.json()["id"]) == (200, id_of(AUDITOR))


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
        (["eucora-god", "Eucora-auditor", "auditor", 7, None], ()),
        (["eucora-auditor", "eucora-auditor"], (Grant(Role.AUDITOR),)),
    ],
)
def test_groups_become_grants(groups: list[Any], grants: tuple[Grant, ...]) -> None:
    assert grants_of(groups) == grants


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
    authenticator = rig.app.state.house.authenticator
    alone = type(authenticator)(rig.app.state.house.reads.tokens, rig.world.store, rig.clock, None)
    assert (await alone.person(f"Bearer {secret}")).name == "reader"
    with pytest.raises(Exception, match="no identity provider"):
        await alone.person(f"Bearer {rig.token(CAB)}")


class Idp:
    """A provider whose answers a test decides. ``calls`` are the paths that were asked for."""

    def __init__(self, clock: ManualClock) -> None:
        self.keys: list[dict[str, Any]] = []
        self.status, self.issuer, self.calls = 200, ISSUER, list[str]()
        http = httpx.AsyncClient(transport=httpx.MockTransport(self.answer))
        self.cache = ProviderKeys(OidcSettings(ISSUER, "eucora", http), clock)

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.calls.append(request.url.path)
        if request.url.path.endswith("/openid-configuration"):
            return httpx.Response(self.status, json={"issuer": self.issuer, "jwks_uri": f"{ISSUER}/jwks"})
        return httpx.Response(self.status, json={"keys": self.keys})


@pytest.fixture(scope="module")
def key() -> RSAKey:
    return new_key()


async def test_keys_are_read_once_in_five_minutes(rig: Rig, key: RSAKey) -> None:
    idp = Idp(rig.clock)
    idp.keys = [key.as_dict(private=False)]
    for _ in range(5):
        assert await idp.cache.key(str(key.kid)) is not None
    assert len(idp.calls) == 2
    rig.later(seconds=299)
    await idp.cache.key(str(key.kid))
    assert len(idp.calls) == 2
    rig.later(seconds=1)
    await idp.cache.key(str(key.kid))
    assert len(idp.calls) == 4


async def test_a_crowd_reads_the_keys_once(rig: Rig, key: RSAKey) -> None:
    idp = Idp(rig.clock)
    idp.keys = [key.as_dict(private=False)]
    found = await asyncio.gather(*[idp.cache.key(str(key.kid)) for _ in range(20)])
    assert None not in found
    assert len(idp.calls) == 2


async def test_an_unknown_key_is_looked_for_at_most_every_ten_seconds(rig: Rig, key: RSAKey) -> None:
    idp = Idp(rig.clock)
    old = ECKey.generate_key("P-256", {"use": "sig"}, auto_kid=True)
    idp.keys = [old.as_dict(private=False)]
    assert await idp.cache.key(str(old.kid)) is not None
    idp.keys = [key.as_dict(private=False)]
    assert await idp.cache.key(str(key.kid)) is None
    assert len(idp.calls) == 2
    rig.later(seconds=10)
    assert await idp.cache.key(str(key.kid)) is not None, "a rotated key is found"
    assert await idp.cache.key(str(old.kid)) is None, "a withdrawn key is gone"


async def test_the_old_keys_serve_while_the_provider_is_away(rig: Rig, key: RSAKey) -> None:
    idp = Idp(rig.clock)
    idp.status = 500
    with pytest.raises(ProviderAway):
        await idp.cache.key(str(key.kid))
    rig.later(seconds=10)
    idp.status, idp.keys = 200, [key.as_dict(private=False)]
    assert await idp.cache.key(str(key.kid)) is not None
    idp.status = 503
    rig.later(hours=2)
    assert await idp.cache.key(str(key.kid)) is not None


@pytest.mark.parametrize("wrong", ["issuer", "secret key", "encryption key", "short key", "no keys"])
async def test_keys_that_are_never_used(rig: Rig, key: RSAKey, wrong: str) -> None:
    idp = Idp(rig.clock)
    public = key.as_dict(private=False)
    short = {**public, "n": public["n"][:160]}
    secret = {"kty": "oct", "k": "c2VjcmV0", "kid": key.kid}
    idp.keys = {
        "issuer": [public],
        "secret key": [secret],
        "encryption key": [public | {"use": "enc"}],
        "short key": [short],
        "no keys": [],
    }[wrong]
    if wrong == "issuer":
        idp.issuer = "http://evil.test"
    with pytest.raises(ProviderAway):
        await idp.cache.key(str(key.kid))


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
    last = (await rig.get("/audit/events", ADMIN)).json()["events"][-1]
    entry = last.get("entry", last)
    assert entry["actor"] == f"eucora|{answer['id']}"
    assert entry["data"]["by"] == (await rig.get("/people/me", ADMIN)).json()["id"]
