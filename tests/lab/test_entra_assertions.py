"""Client assertions: which ones Entra takes for the application, and what it says to the others."""

import base64
import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc import jwt
from joserfc.jwk import RSAKey
from lab_world import APPS, BASE, START, World

from eucora.lab.app import WORKLOAD
from eucora.lab.client_assertions import ASSERTION_TYPE, EXCHANGE_AUDIENCE
from eucora.lab.oidc.issuer import Issuer
from eucora.lab.oidc.people import client_secret_for

SEED = 7  # of the world's lab
Changes = dict[str, Any]


@cache
def key(number: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@cache
def certificate(number: int, begins: datetime = START - timedelta(days=1), days: int = 365) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "eucora")])
    builder = x509.CertificateBuilder(name, name, key(number).public_key(), 1000 + number)
    return builder.not_valid_before(begins).not_valid_after(begins + timedelta(days=days)).sign(key(number), SHA256())


def thumbprint(held: x509.Certificate, algorithm: str) -> str:
    digest = hashlib.new(algorithm, held.public_bytes(Encoding.DER)).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


class Applicant:
    """Somebody who signs assertions for the application of a world; its certificate 0 is registered there."""

    def __init__(self, world: World) -> None:
        self.world, self.client_id = world, world.lab.directory.credentials.client_id
        world.lab.directory.assertions.certificates.append(certificate(0))
        self.jti = 0

    def assertion(self, *, number: int = 0, alg: str = "PS256", header: Changes | None = None, **claims: Any) -> str:
        """A right one but for the changes; None leaves a member out."""
        self.jti += 1
        now = int(self.world.clock.now().timestamp())
        stated = {
            "aud": f"{BASE}/entra/{self.world.lab.directory.credentials.tenant}/oauth2/v2.0/token",
            "iss": self.client_id,
            "sub": self.client_id,
            "jti": f"jti-{self.jti}",
            "nbf": now,
            "exp": now + 300,
        } | claims
        named = {"x5t#S256": thumbprint(certificate(0), "sha256")} if alg == "PS256" else {}
        named |= {"x5t": thumbprint(certificate(0), "sha1")} if alg == "RS256" else {}
        head = {"alg": alg, "typ": "JWT", **named, **(header or {})}
        pem = key(number).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return jwt.encode(_without_none(head), _without_none(stated), RSAKey.import_key(pem), algorithms=[alg])

    async def send(self, assertion: str, **changes: str) -> tuple[int, str, int]:
        """Status, error and AADSTS number; 0 for a token."""
        form = {"client_secret": "", "client_assertion": assertion, "client_assertion_type": ASSERTION_TYPE}
        answer = await self.world.token(**(form | changes))
        body = answer.json()
        if answer.status_code == 200:
            assert body["access_token"]
            return 200, "", 0
        assert body["error_description"].startswith(f"AADSTS{body['error_codes'][0]}: ")
        return answer.status_code, body["error"], body["error_codes"][0]


def _without_none(values: Changes) -> Changes:
    return {name: value for name, value in values.items() if value is not None}


GRANTED = (200, "", 0)
UNPROVEN = (401, "invalid_client", 700027)
MALFORMED = (400, "invalid_request", 50027)


@pytest.mark.parametrize("alg", ["PS256", "RS256"])
async def test_both_ways_to_sign_are_taken(alg: str) -> None:
    async with World() as world:
        applicant = Applicant(world)
        assert await applicant.send(applicant.assertion(alg=alg)) == GRANTED


@pytest.mark.parametrize(
    ("made", "answer"),
    [
        (lambda a: a.assertion(number=1), UNPROVEN),
        (lambda a: a.assertion(header={"x5t#S256": thumbprint(certificate(1), "sha256")}), UNPROVEN),
        (lambda a: a.assertion(header={"x5t#S256": None}), MALFORMED),
        (lambda a: a.assertion(alg="RS512", header={"x5t": thumbprint(certificate(0), "sha1")}), MALFORMED),
        (lambda a: a.assertion(aud="https://login.microsoftonline.com/t"), (401, "invalid_client", 700023)),
        (lambda a: a.assertion(aud=None), (401, "invalid_client", 700023)),
        (lambda a: a.assertion(iss="somebody"), (401, "invalid_client", 700021)),
        (lambda a: a.assertion(sub="somebody"), (401, "invalid_client", 700021)),
        (lambda a: a.assertion(exp=int(START.timestamp())), (401, "invalid_client", 700024)),
        (lambda a: a.assertion(nbf=int(START.timestamp()) + 1), (401, "invalid_client", 700024)),
        (lambda a: a.assertion(exp=None), MALFORMED),
        (lambda a: a.assertion(jti=None), MALFORMED),
        (lambda _: "no.token.here", MALFORMED),
        (lambda _: "nothing", MALFORMED),
        (lambda a: a.assertion().rpartition(".")[0], MALFORMED),
        (lambda a: a.assertion().rpartition(".")[0] + ".AAAA", UNPROVEN),
    ],
)
async def test_an_assertion_that_proves_nothing_is_refused(
    made: Callable[[Applicant], str], answer: tuple[int, str, int]
) -> None:
    async with World() as world:
        applicant = Applicant(world)
        assert await applicant.send(made(applicant)) == answer


async def test_an_assertion_is_taken_once() -> None:
    async with World() as world:
        applicant = Applicant(world)
        assertion = applicant.assertion()
        assert await applicant.send(assertion) == GRANTED
        assert await applicant.send(assertion) == (401, "invalid_client", 50027)
        world.clock.advance(300)
        assert await applicant.send(assertion) == (401, "invalid_client", 700024)


async def test_a_certificate_past_its_end_proves_nothing() -> None:
    async with World() as world:
        applicant = Applicant(world)
        world.clock.advance(365 * 86_400)
        assert await applicant.send(applicant.assertion()) == UNPROVEN


async def test_the_type_of_an_assertion_must_be_named() -> None:
    async with World() as world:
        applicant = Applicant(world)
        missing = (400, "invalid_request", 900144)
        assert await applicant.send(applicant.assertion(), client_assertion_type="") == missing
        assert await applicant.send(applicant.assertion(), client_assertion_type="jwt") == missing


async def workload_token(world: World, resource: str = EXCHANGE_AUDIENCE) -> str:
    form = {"grant_type": "client_credentials", "resource": resource}
    auth = (WORKLOAD, client_secret_for(WORKLOAD, SEED))
    return str((await world.http.post("/oidc/token", data=form, auth=auth)).json()["access_token"])


async def test_a_token_of_the_trusted_issuer_is_taken_again_and_again() -> None:
    async with World() as world:
        applicant, token = Applicant(world), await workload_token(world)
        assert await applicant.send(token) == GRANTED
        assert await applicant.send(token) == GRANTED
        world.clock.advance(15 * 60)
        assert await applicant.send(token) == (401, "invalid_client", 700024)


async def test_a_token_for_somebody_else_is_none_for_entra() -> None:
    async with World() as world:
        applicant = Applicant(world)
        assert await applicant.send(await workload_token(world, "eucora")) == (401, "invalid_client", 700212)


@pytest.mark.parametrize(
    ("claims", "number"),
    [({"iss": "https://elsewhere.example"}, 700211), ({"sub": WORKLOAD.upper()}, 700213), ({"sub": None}, 700213)],
)
async def test_issuer_and_subject_must_be_the_registered_ones(claims: Changes, number: int) -> None:
    async with World() as world:
        token = issuer(world).mint(WORKLOAD, **({"aud": EXCHANGE_AUDIENCE} | claims))
        assert await Applicant(world).send(token) == (401, "invalid_client", number)


async def test_a_token_with_the_signature_of_another_key_is_refused() -> None:
    async with World() as world:
        pem = key(1).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        token = issuer(world).mint(WORKLOAD, signed_by=RSAKey.import_key(pem), aud=EXCHANGE_AUDIENCE)
        assert await Applicant(world).send(token) == UNPROVEN


async def test_a_new_key_of_the_issuer_is_known_at_once() -> None:
    async with World() as world:
        assert (await world.http.post("/oidc/keys")).status_code == 201
        assert await Applicant(world).send(await workload_token(world)) == GRANTED


def issuer(world: World) -> Issuer:
    """The lab's own issuer, with its keys."""
    (trusted,) = world.lab.directory.assertions.federated
    held = trusted.jwks.__self__  # type: ignore[attr-defined]  # a bound method of the issuer
    assert isinstance(held, Issuer)
    return held


async def test_an_expired_secret_is_told_from_a_wrong_one() -> None:
    async with World() as world:
        assert (await world.http.put("/admin/entra/expired-secret")).status_code == 204
        refused = (await world.token()).json()
        assert (refused["error"], refused["error_codes"]) == ("invalid_client", [7000222])
        assert (await world.token(client_secret="wrong")).json()["error_codes"] == [7000215]
        assert (await world.http.delete("/admin/entra/expired-secret")).status_code == 204
        assert (await world.token()).status_code == 200


async def test_tokens_can_be_taken_back_before_their_end() -> None:
    async with World() as world:
        assert (await world.graph("GET", APPS)).status_code == 200
        assert (await world.http.post("/admin/entra/token-revocations")).status_code == 204
        refused = await world.graph("GET", APPS)
        assert (refused.status_code, refused.json()["error"]["code"]) == (401, "InvalidAuthenticationToken")
        assert "revocation" in refused.json()["error"]["message"]
        await world.sign_in()
        assert (await world.graph("GET", APPS)).status_code == 200


async def test_certificates_are_registered_over_http() -> None:
    async with World() as world:
        pem = certificate(0).public_bytes(Encoding.PEM)
        answer = await world.http.post("/admin/entra/certificates", content=pem)
        assert answer.json() == {"thumbprint": certificate(0).fingerprint(SHA256()).hex()}
        assert world.lab.directory.assertions.certificates == [certificate(0)]
        assert (await world.http.post("/admin/entra/certificates", content=b"MZ")).status_code == 422
        assert (await world.http.post("/admin/entra/certificates", content=b"x" * 70_000)).status_code == 413
        assert (await world.http.delete("/admin/entra/certificates")).status_code == 204
        assert world.lab.directory.assertions.certificates == []


async def test_answers_are_dated_by_the_labs_clock() -> None:
    async with World() as world:
        assert (await world.token()).headers["date"] == "Mon, 23 Nov 2026 09:00:00 GMT"
        world.clock.advance(90)
        assert (await world.graph("GET", APPS)).headers["date"] == "Mon, 23 Nov 2026 09:01:30 GMT"
