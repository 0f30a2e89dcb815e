"""Every way in which a token may be forged or stale that we know of, each refused for its own reason."""

import base64
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from token_forge import AUDIENCE, ISSUER, SUBJECT, Keys, Provider, Signer, b64, public

from eucora.api.auth.claims import LIFETIME_MAX_S, check, texts_of
from eucora.api.auth.compact import TokenRefused, unfolded
from eucora.api.auth.tokens import TokenReader
from eucora.connectors.redaction import redact
from eucora.lab.clock import ManualClock

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
Forge = Callable[[Provider], str]


def unsigned(algorithm: str) -> Forge:
    def forge(idp: Provider) -> str:
        head = b64(json.dumps({"alg": algorithm, "kid": "rsa-1", "typ": "at+jwt"}).encode())
        return f"{head}.{b64(json.dumps(idp.claims()).encode())}."

    return forge


def pem(idp: Provider) -> bytes:
    return idp.made.first.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def by(pick: Callable[[Keys], Signer], **header: Any) -> Forge:
    return lambda idp: idp.token(header, key=pick(idp.made))


def headed(**header: Any) -> Forge:
    return lambda idp: idp.token(header)


def claiming(**claims: Any) -> Forge:
    return lambda idp: idp.token(None, **claims)


def timed(**offsets: float) -> Forge:
    def forge(idp: Provider) -> str:
        times: dict[str, Any] = {name: idp.at(offset) for name, offset in offsets.items()}
        return idp.token(None, **times)

    return forge


def mangled(change: Callable[[str, str, str], str]) -> Forge:
    return lambda idp: change(*idp.token().split("."))


def written(payload: Callable[[Provider], str]) -> Forge:
    """A payload written by hand."""
    return lambda idp: idp.signed({}, payload(idp).encode())


def plus(idp: Provider, more: str) -> str:
    """The JSON of good claims with more members at its end."""
    return json.dumps(idp.claims())[:-1] + f",{more}}}"


def twisted(signature: str) -> str:
    """Other letters for the same bytes: the last character of 256 bytes has four bits that mean nothing."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return signature[:-1] + alphabet[alphabet.index(signature[-1]) + 1]


def own_key(idp: Provider) -> dict[str, Any]:
    return public(idp.made.other, "rsa-1")


OTHER_HEADER: Final = b'{"typ":"JWT","alg":"RS256","kid":"rsa-1"}'
NOT_SIGNED, UNKNOWN_KEY = "is not signed with", "a key that its issuer does not publish"
NO_KID, FIT, NO_TEXTS = "does not name the key", "signature of the token does not fit", "neither a text nor a list"
OWN_KEY, CHARACTERS, PARTS = "names a key of its own", "characters that none has", "has not three parts"
SECONDS, AUDIENCES, TYPE = "not a whole number of seconds", "neither a name nor a list", "another type"
PRINTABLE, BASE64, NO_JSON = "not a printable name", "not base64url", "no JSON object"

FORGED: Final[dict[str, tuple[Forge, str]]] = {
    # algorithms
    "alg none": (unsigned("none"), NOT_SIGNED),
    "alg None": (unsigned("None"), NOT_SIGNED),
    "alg NONE": (unsigned("NONE"), NOT_SIGNED),
    "alg empty": (unsigned(""), NOT_SIGNED),
    "alg missing": (lambda idp: idp.token({"alg": ...}), NOT_SIGNED),
    "alg in a list": (headed(alg=["RS256"]), NOT_SIGNED),
    "alg in lower case": (lambda idp: idp.token({"alg": "rs256"}, key=idp.made.first), NOT_SIGNED),
    "alg HS256 with the public key as the secret": (lambda idp: idp.token({"alg": "HS256"}, key=pem(idp)), NOT_SIGNED),
    "alg HS512 with an empty secret": (lambda idp: idp.token({"alg": "HS512"}, key=b""), NOT_SIGNED),
    "alg RS512 of our key": (headed(alg="RS512"), NOT_SIGNED),
    "alg PS256 of our key": (headed(alg="PS256"), NOT_SIGNED),
    "alg EdDSA": (by(lambda keys: keys.edwards, alg="EdDSA"), NOT_SIGNED),
    "alg ES384": (by(lambda keys: keys.curve384, alg="ES384", kid="ec-384"), NOT_SIGNED),
    "alg ES256 on a curve that is not its own": (
        by(lambda keys: keys.curve384, alg="ES256", kid="ec-384"),
        UNKNOWN_KEY,
    ),
    "alg ES256 under an RSA key": (by(lambda keys: keys.curve, alg="ES256"), "another algorithm than its key is for"),
    "alg RS256 under an EC key": (headed(kid="ec-1"), "another algorithm than its key is for"),
    "alg RS256 said, PS256 done": (
        lambda idp: ".".join([*idp.token().split(".")[:2], idp.token({"alg": "PS256"}).split(".")[2]]),
        FIT,
    ),
    # key ids
    "kid missing": (headed(kid=...), NO_KID),
    "kid empty": (headed(kid=""), NO_KID),
    "kid a number": (headed(kid=1), NO_KID),
    "kid a list": (headed(kid=["rsa-1"]), NO_KID),
    "kid very long": (headed(kid="k" * 201), NO_KID),
    "kid unknown": (headed(kid="rsa-2"), UNKNOWN_KEY),
    "kid a path": (headed(kid="../../../../dev/null"), UNKNOWN_KEY),
    "kid an address": (headed(kid="https://evil.test/key"), UNKNOWN_KEY),
    "kid with SQL": (headed(kid="x' or '1'='1"), UNKNOWN_KEY),
    "kid with a zero byte": (headed(kid="rsa-1\x00"), UNKNOWN_KEY),
    "kid in capitals": (headed(kid="RSA-1"), UNKNOWN_KEY),
    # keys that the token brings along
    "jwk, and signed by it": (
        lambda idp: idp.token({"jwk": own_key(idp)}, key=idp.made.other),
        OWN_KEY,
    ),
    "jku": (headed(jku="https://evil.test/jwks"), OWN_KEY),
    "jku of the issuer itself": (headed(jku=f"{ISSUER}/jwks"), OWN_KEY),
    "x5u": (headed(x5u="https://evil.test/chain.pem"), OWN_KEY),
    "x5c": (headed(x5c=["MIIB"]), OWN_KEY),
    # extensions and other tokens
    "crit": (headed(crit=["exp"], exp=1), "extension that is not known"),
    "crit empty": (headed(crit=[]), "extension that is not known"),
    "b64 false": (headed(b64=False), "extension that is not known"),
    "cty: a token in a token": (headed(cty="JWT"), "holds another token"),
    "zip": (headed(zip="DEF"), "is encrypted"),
    "enc": (headed(enc="A256GCM"), "is encrypted"),
    "five parts, as an encrypted token has": (mangled(lambda h, p, s: f"{h}.{p}.{p}.{p}.{s}"), "is encrypted"),
    "typ of a logout token": (headed(typ="logout+jwt"), TYPE),
    "typ of a DPoP proof": (headed(typ="dpop+jwt"), TYPE),
    "typ of a security event": (headed(typ="secevent+jwt"), TYPE),
    "typ of an ID token": (headed(typ="id_token+jwt"), TYPE),
    "typ null": (headed(typ=None), TYPE),
    "typ a list": (headed(typ=["at+jwt"]), TYPE),
    "an ID token by its nonce": (lambda idp: idp.token({"typ": "JWT"}, nonce="n-1"), "an ID token"),
    "an ID token by its at_hash": (lambda idp: idp.token({"typ": "JWT"}, at_hash="x"), "an ID token"),
    "an ID token of Keycloak": (lambda idp: idp.token({"typ": "JWT"}, typ="ID"), "another token than"),
    "a refresh token of Keycloak": (lambda idp: idp.token({"typ": "JWT"}, typ="Refresh"), "another token than"),
    "an offline token of Keycloak": (lambda idp: idp.token({"typ": "JWT"}, typ="Offline"), "another token than"),
    "an ID token of Cognito": (lambda idp: idp.token({"typ": "JWT"}, token_use="id"), "another token than"),
    "a logout token by its events": (
        lambda idp: idp.token({"typ": "JWT"}, events={"http://schemas.openid.net/event/backchannel-logout": {}}),
        "a logout token",
    ),
    # who it is from and for
    "iss of somebody else": (claiming(iss="https://evil.test"), "another issuer"),
    "iss with a slash more": (claiming(iss=f"{ISSUER}/"), "another issuer"),
    "iss of another tenant": (claiming(iss=ISSUER.replace("staff", "guests")), "another issuer"),
    "iss in capitals": (claiming(iss=ISSUER.upper()), "another issuer"),
    "iss over http": (claiming(iss=ISSUER.replace("https", "http")), "another issuer"),
    "iss in a list": (claiming(iss=[ISSUER]), "another issuer"),
    "iss missing": (claiming(iss=...), "another issuer"),
    "aud of somebody else": (claiming(aud="account"), "another audience"),
    "aud a list without us": (claiming(aud=["account", "eucora-console"]), "another audience"),
    "aud a list with a number": (claiming(aud=[AUDIENCE, 7]), AUDIENCES),
    "aud a list with us and far too many": (claiming(aud=[AUDIENCE] * 51), AUDIENCES),
    "aud empty": (claiming(aud=""), AUDIENCES),
    "aud an empty list": (claiming(aud=[]), "another audience"),
    "aud an object": (claiming(aud={AUDIENCE: True}), AUDIENCES),
    "aud missing": (claiming(aud=...), AUDIENCES),
    "azp a list": (claiming(azp=["console"]), "client of the token"),
    "azp another one than client_id": (claiming(azp="somebody"), "names two clients"),
    # time
    "exp missing": (claiming(exp=...), "has no end"),
    "exp long past": (timed(exp=-86_400), "has expired"),
    "exp just past the skew": (timed(exp=-60), "has expired"),
    "exp zero": (claiming(exp=0), "has expired"),
    "exp negative": (claiming(exp=-1), "has expired"),
    "exp a fraction": (lambda idp: idp.token(None, exp=idp.at(900) + 0.5), SECONDS),
    "exp a text": (lambda idp: idp.token(None, exp=str(idp.at(900))), SECONDS),
    "exp true": (claiming(exp=True), SECONDS),
    "exp null": (claiming(exp=None), SECONDS),
    "exp huge": (claiming(exp=10**30), "more than two days"),
    "exp in scientific notation": (
        written(lambda idp: plus(idp, '"iat2":1').replace(f'"exp": {idp.at(900)}', '"exp": 9e99')),
        SECONDS,
    ),
    "exp past the longest life": (timed(exp=LIFETIME_MAX_S + 61), "more than two days"),
    "nbf in the future": (timed(nbf=61), "not valid yet"),
    "nbf a text": (claiming(nbf="now"), SECONDS),
    "iat in the future": (timed(iat=61), "not valid yet"),
    "iat huge": (claiming(iat=10**30), "not valid yet"),
    "iat false": (claiming(iat=False), SECONDS),
    # whom it speaks of
    "sub missing": (claiming(sub=...), PRINTABLE),
    "sub empty": (claiming(sub=""), PRINTABLE),
    "sub a number": (claiming(sub=7), PRINTABLE),
    "sub a list": (claiming(sub=[SUBJECT]), PRINTABLE),
    "sub with a control character": (claiming(sub="ada\x1b[2J"), PRINTABLE),
    "sub with a zero byte": (claiming(sub="ada\x00"), PRINTABLE),
    "sub written from right to left": (claiming(sub="ada\u202e"), PRINTABLE),
    "sub with half a character": (claiming(sub="ada\ud800"), PRINTABLE),
    "sub too long": (claiming(sub="a" * 201), PRINTABLE),
    # names twice
    "a claim twice": (written(lambda idp: plus(idp, '"sub":"somebody-else"')), "repeated"),
    "a claim twice, once escaped": (written(lambda idp: plus(idp, '"\\u0073ub":"somebody-else"')), "repeated"),
    "a name twice inside a claim": (written(lambda idp: plus(idp, '"x":{"a":1,"a":2}')), "repeated"),
    "a header member twice": (
        lambda idp: idp.signed(b'{"alg":"RS256","kid":"rsa-1","alg":"none"}', idp.claims()),
        "repeated",
    ),
    # how it is written down
    "signature stripped": (mangled(lambda h, p, s: f"{h}.{p}."), "has no signature"),
    "signature truncated": (mangled(lambda h, p, s: f"{h}.{p}.{s[:-2]}"), FIT),
    "signature of another key": (by(lambda keys: keys.other), FIT),
    "signature of another token": (
        lambda idp: ".".join([*idp.token().split(".")[:2], idp.token(None, sub="x").split(".")[2]]),
        FIT,
    ),
    "signature with other last bits": (mangled(lambda h, p, s: f"{h}.{p}.{twisted(s)}"), BASE64),
    "signature longer than the algorithm makes them": (
        lambda idp: idp.token({"alg": "ES256", "kid": "ec-1"}, key=idp.made.first),
        FIT,
    ),
    "payload changed": (
        lambda idp: ".".join(
            [idp.token().split(".")[0], b64(json.dumps(idp.claims(sub="x")).encode()), idp.token().split(".")[2]]
        ),
        FIT,
    ),
    "header changed": (mangled(lambda h, p, s: f"{b64(OTHER_HEADER)}.{p}.{s}"), FIT),
    "base64 with padding": (mangled(lambda h, p, s: f"{h}.{p}.{s}=="), CHARACTERS),
    "base64 of the other alphabet": (mangled(lambda h, p, s: f"{h}.{p}.{s[:-4]}+/+/"), CHARACTERS),
    "a space inside": (mangled(lambda h, p, s: f"{h}. {p}.{s}"), CHARACTERS),
    "a line break inside": (mangled(lambda h, p, s: f"{h}.{p[:9]}\n{p[9:]}.{s}"), CHARACTERS),
    "a wide full stop for a stop": (mangled(lambda h, p, s: f"{h}\uff0e{p}\uff0e{s}"), CHARACTERS),
    "an invisible character inside": (mangled(lambda h, p, s: f"{h}.{p}\u200b.{s}"), CHARACTERS),
    "JSON serialization": (
        mangled(lambda h, p, s: json.dumps({"payload": p, "protected": h, "signature": s})),
        CHARACTERS,
    ),
    "two parts": (mangled(lambda h, p, s: f"{h}.{p}"), PARTS),
    "four parts": (mangled(lambda h, p, s: f"{h}.{p}.{s}.{s}"), PARTS),
    "oversized": (claiming(padding="x" * 16_384), "and is too long; 16,384 are the most"),
    "header oversized": (headed(padding="x" * 2_048), "and is too long; 2,048 are the most"),
    "header no object": (lambda idp: idp.signed(b'["RS256"]', idp.claims()), NO_JSON),
    "header in UTF-16": (
        lambda idp: idp.signed('{"alg":"RS256","kid":"rsa-1"}'.encode("utf-16"), idp.claims()),
        NO_JSON,
    ),
    "header with a byte order mark": (
        lambda idp: idp.signed(b'\xef\xbb\xbf{"alg":"RS256","kid":"rsa-1"}', idp.claims()),
        NO_JSON,
    ),
    "header of a thousand brackets": (lambda idp: idp.signed(b"[" * 1_500, idp.claims()), NO_JSON),
    "payload no object": (lambda idp: idp.signed({}, b'"eucora"'), NO_JSON),
    "payload in UTF-16": (lambda idp: idp.signed({}, json.dumps(idp.claims()).encode("utf-16")), NO_JSON),
    "payload of ten thousand brackets": (lambda idp: idp.signed({}, b"[" * 10_000), NO_JSON),
    "payload with NaN": (written(lambda idp: plus(idp, '"x":NaN')), NO_JSON),
    "payload with a number of 5,000 digits": (written(lambda idp: plus(idp, f'"x":{"9" * 5_000}')), NO_JSON),
    "payload empty": (lambda idp: idp.signed({}, b""), NO_JSON),
}


class Clocked:
    """A provider, and a reader of its tokens, at noon."""

    def __init__(self, keys: Keys) -> None:
        self.idp = Provider(keys, ManualClock(NOON))
        self.reader = TokenReader(self.idp.settings(), self.idp.clock)


@pytest.fixture(scope="module")
def keys() -> Keys:
    return Keys()


@pytest.fixture
async def at_noon(keys: Keys) -> AsyncIterator[Clocked]:
    made = Clocked(keys)
    async with made.idp.http:
        yield made


def test_there_are_more_than_a_hundred_of_them() -> None:
    assert len(FORGED) > 100


@pytest.mark.parametrize("name", FORGED)
async def test_a_forged_or_stale_token_is_refused_for_its_reason(at_noon: Clocked, name: str) -> None:
    forge, reason = FORGED[name]
    with pytest.raises(TokenRefused) as refused:
        await at_noon.reader.read(forge(at_noon.idp))
    told = str(refused.value)
    assert reason in told
    assert redact(told) == told, "our own words are no secret"
    assert told.isascii(), "it stands in a header"
    assert '"' not in told
    assert len(at_noon.idp.calls) <= 4, "nothing but discovery and keys was asked for, twice at the most"
    assert {path.rpartition("/")[2] for path in at_noon.idp.calls} <= {"openid-configuration", "jwks"}


GOOD: Final[dict[str, Forge]] = {
    "as it is": lambda idp: idp.token(),
    "typ as RFC 9068 has it": headed(typ="at+jwt"),
    "typ with its family": headed(typ="application/at+jwt"),
    "typ in capitals": headed(typ="AT+JWT"),
    "typ of Entra and Keycloak": headed(typ="JWT"),
    "no typ, as Okta": headed(typ=...),
    "x5t beside kid, as Entra": headed(x5t="abc"),
    "a member that nobody knows": headed(future=True),
    "ES256": by(lambda keys: keys.curve, alg="ES256", kid="ec-1"),
    "aud a list with us and others, as Keycloak": claiming(aud=["account", AUDIENCE]),
    "azp the same as client_id": claiming(azp="console"),
    "no client at all": claiming(client_id=...),
    "a nonce in a bearer token, as Keycloak before 25": lambda idp: idp.token({"typ": "JWT"}, typ="Bearer", nonce="n"),
    "no nbf and no iat": claiming(nbf=..., iat=...),
    "exp at the edge of the skew": timed(exp=-59),
    "nbf at the edge of the skew": timed(nbf=60),
    "iat at the edge of the skew": timed(iat=60),
    "as long as a token may live": timed(exp=LIFETIME_MAX_S + 60),
    "200 groups of Entra": claiming(groups=[f"5ab3c2de-0000-4000-8000-{number:012}" for number in range(200)]),
}


@pytest.mark.parametrize("name", GOOD)
async def test_what_real_providers_send_is_believed(at_noon: Clocked, name: str) -> None:
    believed = await at_noon.reader.read(GOOD[name](at_noon.idp))
    assert believed.subject == f"{ISSUER}|{SUBJECT}"


@pytest.mark.parametrize("configured", [ISSUER, f"{ISSUER}/"])
@pytest.mark.parametrize("told", [ISSUER, f"{ISSUER}/"])
async def test_the_slash_at_the_end_of_an_issuer_is_the_providers_to_choose(
    at_noon: Clocked, configured: str, told: str
) -> None:
    idp = at_noon.idp
    idp.issuer = told
    reader = TokenReader(idp.settings(issuer=configured), idp.clock)
    assert (await reader.read(idp.token())).subject == f"{told}|{SUBJECT}"
    other = told.removesuffix("/") if told.endswith("/") else f"{told}/"
    with pytest.raises(TokenRefused, match="another issuer"):
        await reader.read(idp.token(None, iss=other))


@pytest.mark.parametrize(
    ("claims", "name", "texts"),
    [
        ({"groups": ["a", "b"]}, "groups", ("a", "b")),
        ({"roles": "a"}, "roles", ("a",)),
        ({"scp": "read write"}, "scp", ("read", "write")),
        ({"groups": "a b"}, "groups", ("a b",)),
        ({"realm_access": {"roles": ["a"]}}, "realm_access.roles", ("a",)),
        ({"realm_access.roles": ["b"], "realm_access": {"roles": ["a"]}}, "realm_access.roles", ("b",)),
        ({"realm_access": ["roles"]}, "realm_access.roles", ()),
        ({}, "groups", ()),
        ({"groups": []}, "groups", ()),
    ],
)
def test_a_claim_has_values_in_the_shapes_that_providers_use(
    claims: dict[str, Any], name: str, texts: tuple[str, ...]
) -> None:
    assert texts_of(claims, name) == texts


@pytest.mark.parametrize("value", [7, True, None, {"a": 1}, ["a", 7], ["a", None], [["a"]], 1.5, ["a"] * 2_001])
def test_a_claim_that_roles_rest_on_is_a_text_or_a_list_of_texts(value: object) -> None:
    with pytest.raises(TokenRefused, match=NO_TEXTS):
        texts_of({"groups": value}, "groups")


JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
MEMBERS: Final = ("alg", "typ", "kid", "jku", "crit", "cty", "enc", "x5c")
CLAIMS: Final = (
    "iss", "aud", "exp", "nbf", "iat", "sub", "azp", "client_id", "typ", "token_use", "nonce", "events", "at_hash",
)  # fmt: skip


def only_refuses(judge: Callable[[], object]) -> bool:
    """Whether it was refused. Any other exception would be a fault of ours that a stranger can cause."""
    try:
        judge()
    except TokenRefused:
        return True
    return False


@given(
    st.text(max_size=200)
    | st.text("abc.-_=", max_size=200)
    | st.binary(max_size=100).map(lambda data: f"{b64(data)}.e30.AA")
)
def test_whatever_comes_is_at_worst_refused(token: str) -> None:
    assert only_refuses(lambda: unfolded(token))


@given(st.dictionaries(st.sampled_from(MEMBERS), JSON, max_size=4))
def test_whatever_stands_in_a_header_is_at_worst_refused(header: dict[str, Any]) -> None:
    sent = {"alg": "RS256", "kid": "rsa-1"} | header
    token = f"{b64(json.dumps(sent).encode())}.e30.AA"
    if not only_refuses(lambda: unfolded(token)):
        assert unfolded(token).algorithm in ("RS256", "ES256")
        assert not {"jku", "crit", "cty", "enc", "x5c"} & set(header)


@given(st.dictionaries(st.sampled_from(CLAIMS), JSON, max_size=6))
def test_whatever_is_claimed_is_at_worst_refused(claims: dict[str, Any]) -> None:
    now = int(NOON.timestamp())
    sent: dict[str, Any] = {"iss": ISSUER, "aud": AUDIENCE, "sub": SUBJECT, "exp": now + 900} | claims
    if not only_refuses(lambda: check(sent, issuer=ISSUER, audience=AUDIENCE, now=NOON)):
        assert sent["iss"] == ISSUER
        assert AUDIENCE in sent["aud"]
        assert now - 60 < sent["exp"] <= now + LIFETIME_MAX_S + 60
        assert isinstance(sent["sub"], str)


def test_the_forge_makes_what_it_says() -> None:
    """A case that is refused because it was made badly proves nothing."""
    idp = Provider(Keys(), ManualClock(NOON))
    head, body, _ = idp.token({"jku": "x"}, sub="y").split(".")
    assert json.loads(base64.urlsafe_b64decode(head + "==")) == {
        "alg": "RS256",
        "kid": "rsa-1",
        "typ": "at+jwt",
        "jku": "x",
    }
    assert json.loads(base64.urlsafe_b64decode(body + "=="))["sub"] == "y"
