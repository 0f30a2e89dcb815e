"""Secrets change while we run: at the vendor, at their keeper, in a file, in the database; no request fails of it."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import asyncpg
import httpx
import pytest
from entra_rig import certificate_of, pem, pem_key, rsa_key
from http_fakes import NOON, CountingBudget
from secret_rig import BASE, Keys

from databases import Database
from eucora.application.planes import PlaneError, PlaneForbidden
from eucora.connectors.entra.auth import BearerAuth, ClientCredentials, entra_tokens
from eucora.connectors.entra.certificate import CertificateFile
from eucora.connectors.entra.credentials import ClientSecret
from eucora.connectors.gate import Gate
from eucora.connectors.http import NO_RETRY, Upstream, upstream_client
from eucora.connectors.jamf.api import JamfApi
from eucora.connectors.jamf.auth import JamfTokens
from eucora.connectors.jamf.sign_in import Account, ApiClient, Credentials
from eucora.connectors.kandji.connect import KandjiAccess, connect_kandji
from eucora.connectors.redaction import redact
from eucora.connectors.secrets.kept import KeptSecret, keep
from eucora.connectors.secrets.references import SecretUnavailable
from eucora.domain.planes import Plane
from eucora.lab.jamf.tokens import LabAccount
from eucora.secret_settings import Providers, kept_secrets
from eucora.settings import read_settings
from eucora.store.database import connect, connected
from eucora.store.s3_artifacts import Bucket, S3Artifacts

NEW = "canary-rotated-5d21"
ROUNDS = 8


class Vendors(Keys):
    """Graph and Jamf with credentials that a vault keeps; ``rotate`` changes them at both."""

    def __init__(self, *, account: bool = False) -> None:
        super().__init__()
        own, vault = self.lab.directory.credentials, self.vault()
        self.keepers.put("secret/intune", secret=own.client_secret)
        self.password = "canary-first-password"
        self.lab.jamf.tokens.account = LabAccount("eucora", self.password)
        self.old_jamf = self.password if account else self.lab.jamf_client_secret
        self.keepers.put("secret/jamf", secret=self.old_jamf)
        intune = self.kept("INTUNE_CLIENT_SECRET", own.client_secret, vault, "vault://secret/intune#secret")
        jamf = self.kept("JAMF_SECRET", self.old_jamf, vault, "vault://secret/jamf#secret")
        self.login = self.client("entra", f"{BASE}/entra")
        credential = ClientCredentials(own.tenant, own.client_id, ClientSecret(own.client_secret, intune))
        tokens = entra_tokens(self.login, credential, plane=Plane.INTUNE, now=self.clock.now, sleep=self.sleep)
        self.graph = self.client("graph", f"{BASE}/graph/v1.0", BearerAuth(tokens))
        self.server = self.client("jamf", f"{BASE}/jamf")
        way: Credentials = ApiClient(self.lab.jamf_client_id, self.old_jamf, jamf)
        if account:
            way = Account("eucora", self.old_jamf, jamf)
        jamf_tokens = JamfTokens(self.server, way, now=self.clock.now, sleep=self.sleep)
        self.jamf = JamfApi(self.server, jamf_tokens, Gate(5), "list")

    def client(self, name: str, base_url: str, auth: httpx.Auth | None = None) -> httpx.AsyncClient:
        return upstream_client(
            Upstream(name, base_url, "lab"),
            budget=CountingBudget(),
            per_s=1_000,
            burst=1_000,
            retry=NO_RETRY,
            auth=auth,
            inner=self.wire,
            now=self.clock.now,
            sleep=self.sleep,
        )

    async def sleep(self, _: float) -> None:
        await asyncio.sleep(0)

    async def ask_graph(self) -> None:
        answer = await self.graph.get("/deviceAppManagement/mobileApps")
        assert answer.status_code == 200, answer.text

    async def ask_jamf(self) -> None:
        assert await self.jamf.get_json("/api/v1/packages", {"page-size": "1"}) is not None

    def keep_new(self) -> None:
        self.keepers.put("secret/intune", secret=NEW)
        self.keepers.put("secret/jamf", secret=NEW)

    def change_at_vendors(self) -> None:
        self.lab.directory.rotate_secret(NEW)
        self.lab.jamf.tokens.rotate_secret(NEW)
        self.lab.jamf.tokens.account = LabAccount("eucora", NEW)

    def end_tokens(self) -> None:
        self.lab.directory.revoke_tokens()
        self.lab.jamf.tokens.revoke()


async def failures(vendors: Vendors, between: Callable[[int], None]) -> list[str]:
    """What went wrong while callers ask, round after round; ``between`` strikes while some are under way."""
    failed = list[str]()

    async def ask(asked: Callable[[], Awaitable[None]]) -> None:
        try:
            await asked()
        except (PlaneError, AssertionError) as error:
            failed.append(str(error))

    async def strike(number: int) -> None:
        between(number)

    for number in range(ROUNDS):
        early = [ask(vendors.ask_graph), ask(vendors.ask_jamf)]
        late = [ask(one) for _ in range(2) for one in (vendors.ask_graph, vendors.ask_jamf)]
        await asyncio.gather(*early, strike(number), *late)
    return failed


@pytest.mark.parametrize("account", [False, True])
async def test_no_request_fails_when_the_keeper_is_told_first_and_the_old_tokens_end(account: bool) -> None:
    vendors = Vendors(account=account)

    def between(number: int) -> None:
        if number == 3:
            vendors.keep_new()
            vendors.change_at_vendors()
            vendors.end_tokens()

    assert await failures(vendors, between) == []
    assert vendors.keepers.reads == 2  # one for each secret, however many requests were refused
    assert NEW not in redact(f"signed in with {NEW}")


async def test_no_request_fails_when_the_vendor_is_told_first() -> None:
    """A refusal at renewal is no matter while the token lasts; by its end the keeper knows."""
    vendors = Vendors()

    def between(number: int) -> None:
        if number == 1:
            vendors.change_at_vendors()
            vendors.clock.advance(vendors.lab.jamf.tokens.lifetime.total_seconds() - 6)
        elif number == 3:
            vendors.clock.advance(2.5)
        elif number == 4:
            vendors.keep_new()
            vendors.clock.advance(2.5)
        elif number == 5:
            vendors.clock.advance(3 * 3600)

    assert await failures(vendors, between) == []
    assert vendors.keepers.reads > 2


async def test_a_refusal_is_told_when_the_keeper_knows_nothing_new() -> None:
    vendors = Vendors()
    vendors.change_at_vendors()
    for ask in (vendors.ask_graph, vendors.ask_jamf):
        with pytest.raises(PlaneForbidden):
            await ask()


async def test_kandji_is_asked_again_with_the_token_that_is_there_now() -> None:
    keys = Keys()
    keys.keepers.put("secret/kandji", token=keys.lab.kandji.token)
    token = keys.kept("KANDJI_API_TOKEN", "canary-old-kandji", keys.vault(), "vault://secret/kandji#token")
    kandji = connect_kandji(
        KandjiAccess(f"{BASE}/kandji", "canary-old-kandji", token),
        budget=CountingBudget(),
        now=keys.clock.now,
        inner=keys.wire,
    )
    checked = [one.told for one in await kandji.check_up(correlation_id="c")]
    assert not any("401" in told for told in checked), checked
    assert keys.keepers.reads == 1
    await kandji.aclose()


async def test_a_secret_is_read_at_an_interval_and_kept_when_it_cannot_be() -> None:
    answers: list[str | SecretUnavailable] = ["canary-second", SecretUnavailable("sealed"), "canary-third"]
    seen: list[str] = []

    async def read() -> str:
        answer = answers.pop(0)
        if isinstance(answer, SecretUnavailable):
            raise answer
        return answer

    async def sleep(seconds: float) -> None:
        assert seconds == 300
        seen.append(kept.value)
        if not answers:
            raise asyncio.CancelledError

    kept = KeptSecret("JAMF_PASSWORD", "canary-first", read)
    with pytest.raises(asyncio.CancelledError):
        await keep([kept], 300, sleep=sleep)
    assert seen == ["canary-first", "canary-second", "canary-second", "canary-third"]


async def test_a_refused_secret_is_read_once_a_second_at_most() -> None:
    readings = 0
    at = 0.0

    async def read() -> str:
        nonlocal readings
        readings += 1
        return "canary-same"

    kept = KeptSecret("JAMF_PASSWORD", "canary-same", read, monotonic=lambda: at)
    assert [await kept.another_than("canary-same") for _ in range(5)] == [False] * 5
    assert readings == 1
    at = 1.0
    await kept.another_than("canary-same")
    assert readings == 2


async def test_a_file_that_changed_is_seen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("canary-file-1\n")
    monkeypatch.setenv("KANDJI_API_URL", "https://example.api.kandji.io")
    monkeypatch.setenv("KANDJI_API_TOKEN_FILE", str(path))
    settings = read_settings()
    kept = kept_secrets(settings, settings.origins_of_secrets, Providers(settings))["KANDJI_API_TOKEN"]
    path.write_text("canary-file-2\n")
    assert await kept.another_than("canary-file-1")
    assert kept.value == "canary-file-2"
    path.unlink()
    await kept.refresh()
    assert kept.value == "canary-file-2"


def test_a_certificate_that_was_renewed_in_its_file_is_taken_up(tmp_path: Path) -> None:
    path = tmp_path / "client.pem"
    path.write_bytes(pem(certificate_of(rsa_key(1))) + pem_key(rsa_key(1)))
    credential = CertificateFile(path)
    first = credential.certificate.thumbprint
    path.write_bytes(pem(certificate_of(rsa_key(2))))  # half of it is there
    credential.proof("client", "https://login.test", NOON)
    assert credential.certificate.thumbprint == first
    path.write_bytes(pem(certificate_of(rsa_key(2))) + pem_key(rsa_key(2)))
    credential.proof("client", "https://login.test", NOON)
    assert credential.certificate.thumbprint != first
    assert "PRIVATE" not in repr(credential)


async def test_new_connections_take_the_password_that_is_there_now(database: Database) -> None:
    """The server of the tests asks for no password, so a role of its own stands for a refusal."""
    good = database.url
    wrong = good.replace("eucora_app", "eucora_nobody")
    assert wrong != good
    monotonic = time.monotonic()

    async def read() -> str:
        return good

    kept = KeptSecret("EUCORA_DATABASE_URL", wrong, read, monotonic=lambda: monotonic)
    with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
        await connect(wrong)
    async with connected(kept, size=2) as pool:
        assert await pool.fetchval("select current_user") == "eucora_app"
    assert kept.value == good


class _Refusing(BaseHTTPRequestHandler):
    """A bucket that holds nothing, and remembers by which key it was asked."""

    keys: ClassVar[list[str]] = []

    def do_HEAD(self) -> None:
        self.keys.append(self.headers["Authorization"].partition("Credential=")[2].partition("/")[0])
        self.send_response(404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        return None


async def test_a_bucket_is_asked_by_the_key_that_is_there_now(tmp_path: Path) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Refusing)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    given = [""]
    try:
        place = Bucket(
            "s3://kept",
            f"http://127.0.0.1:{server.server_port}",
            "eu-west-1",
            keys_now=lambda: (given[0], "s"),
            key_life=timedelta(0),
        )
        store = S3Artifacts(place, tmp_path, retries=0)
        for key in ("FIRSTKEY", "SECONDKEY"):
            given[0] = key
            assert await store.size("0" * 64) is None
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert _Refusing.keys == ["FIRSTKEY", "SECONDKEY"]
