"""Secrets are planted wherever one can come in; afterwards none of them is anywhere but where its owner put it.

What counts as a secret: what opens something. Tokens and assertions, passwords and passphrases, keys, signed addresses,
cookies, private keys. A reason, a name or a description is what its author wanted others to read, and no secret. What a
database says of a value or a row is neither: it is planted without any form, and must not come out either.
"""

import io
import json
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import opentelemetry.metrics as metering
import opentelemetry.metrics._internal as meters
import opentelemetry.trace as tracers
import pytest
import structlog
from api_rig import ADMIN, AUDITOR, ISSUER, OPERATOR, PACKAGER, START
from botocore.exceptions import ClientError  # type: ignore[import-untyped]  # the package carries no types
from canary_house import (
    BODY,
    FORMS,
    HEADERS,
    OF_SETTINGS,
    PLANES,
    QUERY,
    SAID,
    SENT,
    SETTINGS,
    SIGNED,
    Installation,
    Outputs,
    Provider,
    hits,
    spellings,
)
from fastapi.routing import APIRoute
from opentelemetry.instrumentation.asyncpg import AsyncPGInstrumentor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount

from eucora.api.app import ROUTERS
from eucora.api.correlation import Correlation
from eucora.application.planes import PlaneError
from eucora.application.world import World
from eucora.cli.simulation.house import Fleet, FreeBudget, virtual_house
from eucora.connectors.entra.credentials import ClientSecret, FederatedFile
from eucora.connectors.kandji.connect import KandjiAccess, connect_kandji
from eucora.connectors.secrets.azure_identity import Application, Machine
from eucora.connectors.secrets.kept import KeptSecret
from eucora.connectors.secrets.key_vault import KeyVault, KeyVaultAccess
from eucora.connectors.secrets.references import SecretProvider, SecretUnavailable, reference_in
from eucora.connectors.secrets.secrets_manager import SecretsManager
from eucora.connectors.secrets.vault import Login, Vault, VaultAccess, app_role, kubernetes
from eucora.lab.faults import Fault
from eucora.lab.graph.approvals import Status
from eucora.lab.inputs import build_inputs
from eucora.lab.oidc import create_issuer
from eucora.observability import configure_logs
from eucora.settings import read_settings
from eucora.spans import AllowedSpans
from eucora.store.database import Pool

pytestmark = [pytest.mark.slow, pytest.mark.no_cover]


@pytest.fixture
def outputs(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Outputs]:
    spans, metrics, provider = InMemorySpanExporter(), InMemoryMetricReader(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(AllowedSpans(spans)))
    monkeypatch.setattr(tracers, "_TRACER_PROVIDER", provider)
    monkeypatch.setattr(meters, "_METER_PROVIDER", MeterProvider([metrics]))
    AsyncPGInstrumentor().instrument()  # type: ignore[no-untyped-call]  # the package carries no types
    yield Outputs(capsys, spans, metrics)
    AsyncPGInstrumentor().uninstrument()  # type: ignore[no-untyped-call]  # nor here
    structlog.reset_defaults()


async def every_route(house: Installation) -> int:
    """Each route is sent secrets where none belongs: as nobody, under a forged token, and as somebody."""
    count = 0
    for route in (one for router in ROUTERS for one in router.routes):
        if not isinstance(route, APIRoute) or route.path.endswith("/stream"):
            continue
        path = route.path
        for name in route.param_convertors:
            path = path.replace(f"{{{name}}}", "0190a7e4-3a6d-7c11-9f51-1f2f3a4b5c6d")
        for method in sorted(route.methods or ()):
            count += 1
            body: dict[str, Any] = {"json": BODY} if method in {"POST", "PUT", "PATCH"} else {}
            forged = {"Authorization": f"Bearer canary-token-{count}"}
            await house.ask(method, path, None, headers=forged, params=QUERY, caught_up=False, **body)
            await house.ask(method, path, ADMIN, params=QUERY, caught_up=False, **body)
            if body:
                broken = json.dumps(BODY)[:-1].encode()
                await house.ask(method, path, OPERATOR, params=QUERY, caught_up=False, content=broken)
    return count


async def refused_files(house: Installation) -> None:
    """Files that cannot be read: what is said about them names the place, and not what stands there."""
    secret = "-----BEGIN PRIVATE KEY-----\ncanary-file-51\n-----END PRIVATE KEY-----"
    for kind in ("sbom", "scan", "vex"):
        for text in (secret, json.dumps({"bomFormat": secret, "matches": secret, "token": "canary-file-52"})):
            answer = await house.ask(
                "POST", "/evidence-documents", PACKAGER, key="", params={"kind": kind}, content=text.encode()
            )
            assert answer.status_code in {415, 422}, answer.text
    named = {
        "x.pkg": secret.encode(),
        "../client_secret=canary-file-53.pkg": secret.encode(),
        "a?sig=canary-file-54&x.intunewin": archive("IntuneWinPackage/Metadata/password=canary-file-55.xml"),
        "b.intunewin": archive("IntuneWinPackage/Metadata/Detection.xml", b"<a token='canary-file-56'>"),
        "c.intunewin": archive("password=canary-file-57/../../x").replace(b"password=canary-file-57", b"password=x", 1),
        "d.msi": archive("client_secret=canary-file-58"),
    }
    for name, content in named.items():
        answer = await house.ask("POST", "/artifacts", PACKAGER, params={"file_name": name}, content=content)
        assert answer.status_code in {415, 422}, answer.text
        form = {"file": (f"password=canary-file-59 {name}", content, "application/zip")}
        answer = await house.ask("POST", "/artifacts", PACKAGER, params={"file_name": name}, files=form)
        assert answer.status_code in {415, 422}, answer.text


def archive(name: str, content: bytes = b"x") -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as opened:
        opened.writestr(zipfile.ZipInfo(name), content)
    return made.getvalue()


async def held_back(house: Installation) -> list[str]:
    """Intune queues each of our writes until somebody approves, with secrets in his words; the keys that were sent."""
    approvals = house.house.lab.approvals
    approvals.switch(on=True, content=True)
    await house.house.let_pass(0.1, step_s=360)
    for _ in range(12):
        waiting = [row["id"] for row in approvals.rows() if row["status"] == Status.NEEDS_APPROVAL]
        for number, code in enumerate(waiting):
            approvals.decide(
                code, Status.REJECTED if number else Status.APPROVED, f"Ada {FORMS['canary-sig-12']}", SAID
            )
        if not waiting:
            break
        await house.house.let_pass(0.1, step_s=360)
    approvals.switch(on=False)
    sent = [json.loads(one.write.body) for one in approvals.requests.values() if one.write.path.endswith("/commit")]
    return [info[name] for one in sent for info in [one["fileEncryptionInfo"]] for name in ("encryptionKey", "macKey")]


class Exploding:
    """A plane with a fault of ours in it, whose exceptions say all that they should not."""

    def __init__(self, *faults: Exception) -> None:
        self._faults, self._asked = faults, 0

    def __getattr__(self, name: str) -> Any:
        self._asked += 1
        raise self._faults[self._asked % len(self._faults)]


async def faults(house: Installation) -> None:
    """Every vendor refuses with secrets in what it says, in each class of refusal, while the worker works on."""
    lab = house.house.lab
    for status in (503, 500, 429, 409, 403, 401, 400):
        for upstream in ("graph", "jamf", "blob", "entra"):
            lab.faults.add(upstream, Fault(status, 2, None, said=SAID))
        await house.house.let_pass(0.5, step_s=900)
        for plane in PLANES:
            with suppress(PlaneError):
                await house.house.world.planes[plane].resolve("nobody", correlation_id="canaries")
    lab.faults.clear()
    await house.house.let_pass(3)
    access = KandjiAccess(SETTINGS["KANDJI_API_URL"], SETTINGS["KANDJI_API_TOKEN"])
    kandji = connect_kandji(access, budget=FreeBudget(), now=house.house.clock.now, inner=saying(400))
    house.outputs.answers += [str(one) for one in await kandji.check_up(correlation_id="canaries")]
    await kandji.aclose()


def saying(status: int, *, after_sign_in: bool = False) -> httpx.MockTransport:
    """A network on which everybody says all of it, in whatever field and header he has; a sign-in may go well."""
    told = dict.fromkeys(("detail", "error", "error_description", "message", "value", "auth", "data"), SAID)
    headers = HEADERS | {
        "Location": f"https://elsewhere.example/?{FORMS['canary-amz-19']}",
        "Set-Cookie": "a=canary-sent-27",
    }

    def answer(request: httpx.Request) -> httpx.Response:
        if after_sign_in and request.url.path.endswith(("/login", "/token")):
            good = {"auth": {"client_token": "canary-token-vault", "lease_duration": 60}}
            return httpx.Response(200, json=good | {"access_token": "canary-token-azure", "expires_in": 60})
        return httpx.Response(status, json=told | {"errors": [SAID]}, headers=headers)

    return httpx.MockTransport(answer)


class Refusing:
    """What botocore raises for an answer of AWS: its code and its message are words of the answer."""

    def __init__(self, status: int) -> None:
        code = "AccessDeniedException" if status == 403 else SAID
        answer = {"Error": {"Code": code, "Message": SAID}, "ResponseMetadata": {"HTTPHeaders": HEADERS}}
        self._error = ClientError(answer, "GetSecretValue")

    def get_secret_value(self, *, SecretId: str) -> dict[str, Any]:  # noqa: N803  # AWS's own spelling
        raise self._error

    def close(self) -> None:
        return None


async def keepers(house: Installation, folder: Path) -> int:
    """Every keeper of secrets refuses in every way, at the sign-in and after it; how often one was asked."""
    (folder / "token").write_text("no token: canary-token-file")
    secret_id, asked = SETTINGS["EUCORA_VAULT_SECRET_ID"], 0

    async def soon(_: float) -> None:
        return None

    def vault(login: Login, inner: httpx.AsyncBaseTransport) -> Vault:
        return Vault(VaultAccess("https://vault.example", login=login), inner=inner)

    def azure(identity: Application | Machine, inner: httpx.AsyncBaseTransport) -> KeyVault:
        return KeyVault(KeyVaultAccess(identity), now=house.house.clock.now, inner=inner, sleep=soon)

    for status in (200, 307, 400, 401, 403, 404, 429, 500, 503):
        for after in (False, True):
            said = saying(status, after_sign_in=after)
            kept: dict[str, SecretProvider] = {
                "vault://kv/a#value": vault(app_role("role", lambda: secret_id), said),
                "vault://kv/b#value": vault(kubernetes("role", folder / "token"), said),
                "azure-kv://contoso/a": azure(
                    Application("t", "c", lambda: ClientSecret(SETTINGS["EUCORA_KEY_VAULT_CLIENT_SECRET"])), said
                ),
                "azure-kv://contoso/b": azure(Application("t", "c", lambda: FederatedFile(folder / "token")), said),
                "azure-kv://contoso/c": azure(Machine(header=SETTINGS["IDENTITY_HEADER"]), said),
                "aws-sm://a#value": SecretsManager(lambda status=status: Refusing(status)),  # type: ignore[misc]
            }
            for where, keeper in kept.items():
                await KeptSecret("JAMF_PASSWORD", "as before", reading(keeper, where, house.outputs)).refresh()
                await keeper.aclose()
                asked += 1
    return asked


def reading(keeper: SecretProvider, where: str, outputs: Outputs) -> Any:
    """What a process does with the refusals: it logs them while it runs, and prints them as they are at a start."""
    found = reference_in(where)
    assert found is not None

    async def read() -> str:
        try:
            return await keeper.read(found)
        except SecretUnavailable as refusal:
            outputs.answers.append(str(refusal))
            raise

    return read


async def of_the_database(pool: Pool) -> list[Exception]:
    """What Postgres and its driver say of rows and values that they cannot take."""
    row = (
        "insert into held_request (key, tenant, entity, method, path, content_type, purpose, lane, state, code,"
        " asked_at, decided_by, reason) values ($1, '', '', '', '', '', '', 0, 'no such state', '', now(), '', '')"
    )
    found: list[Exception] = []
    for statement, value in (
        (row, "canary-row-71"),
        ("select $1::text::uuid", "canary-value-72"),
        ("select $1::int", "canary-value-73"),
    ):
        try:
            await pool.execute(statement, value)
        except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            found.append(error)
    assert ["canary" in str(error) for error in found] == [True] * 3
    return found


async def unexpected(world: World, pool: Pool) -> None:
    """What nobody foresaw: an exception in a request, and one in a job."""
    database = await of_the_database(pool)

    async def nothing(*_: Any) -> Any:
        return None

    for fault in (RuntimeError(SAID), *database):

        async def breaks(*_: Any, fault: Exception = fault) -> None:
            raise fault from ValueError(SAID)

        scope = {"type": "http", "method": "GET", "path": "/x", "headers": [], "query_string": SAID.encode()}
        await Correlation(breaks)(scope, nothing, nothing)
    assert isinstance(world.planes, dict)
    for plane in PLANES:
        world.planes[plane] = Exploding(RuntimeError(SAID), *database)


async def lies_of_the_provider(house: Installation, provider: Provider) -> None:
    """The identity provider fails in every way while we hold its keys, and until they are too old to be believed."""
    headers = HEADERS | {"Location": "https://user:canary-proxy-16@elsewhere.example/", "WWW-Authenticate": SAID}
    headers = {name: value.replace("\n", " ") for name, value in headers.items()}
    where = f"https://{'u' * 170}:canary-address-63{'x' * 60}@keys.example/?sig=canary-sig-12"
    discovery = {"issuer": ISSUER, "jwks_uri": where}
    documents: list[Any] = [
        SAID,
        {"issuer": SAID},
        {"issuer": ISSUER, "jwks_uri": "http://canary-address-61:canary-address-62/"},
        {"issuer": ISSUER, "jwks_uri": f"ftp://{SAID}"},
        discovery,
    ]
    lies = [lambda _path, status=status: JSONResponse(SAID, status, headers) for status in (302, 401, 500)]

    def documented(document: Any, status: int, keys: Any) -> Any:
        def lie(path: str) -> Response:
            if path.endswith("/openid-configuration"):
                return JSONResponse(document, headers=headers)
            return JSONResponse(keys, status, headers)

        return lie

    key_sets: list[Any] = [SAID, {"keys": SAID}, {"keys": [{"kty": "oct", "kid": SAID, "k": "canary-body-44"}]}, []]
    lies += [documented(document, 500, SAID) for document in documents]
    lies += [documented(discovery, 200, keys) for keys in key_sets]
    for lie in lies:
        provider.lie, asked = lie, provider.asked
        house.house.clock.advance(360)  # beyond the life of the keys: they are read again
        answer = await house.ask("GET", "/gate-policies", AUDITOR, caught_up=False)
        assert answer.status_code == 200, answer.text
        assert provider.asked > asked
    house.house.clock.advance(timedelta(days=2).total_seconds())
    answer = await house.ask("GET", "/gate-policies", AUDITOR, caught_up=False)
    assert answer.status_code == 503, answer.text
    provider.lie = lambda _path: None


async def test_no_secret_comes_out_anywhere(
    pool: Pool, tmp_path: Path, outputs: Outputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)
    assert read_settings().jamf_password is not None
    configure_logs("debug")
    async with virtual_house(pool, tmp_path, START, Fleet(windows=90, macs=90)) as virtual:
        issuer = create_issuer(ISSUER, 7, virtual.clock)
        provider = Provider(Starlette(routes=[Mount("/oidc", issuer)]))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(provider)) as idp:
            house = Installation(virtual, pool, outputs, idp, issuer.state.issuer)
            inputs = build_inputs(tmp_path / "inputs")
            intent, other = await house.intent(inputs.low), await house.intent(inputs.high)
            await house.start(intent)
            keys = await held_back(house)
            await virtual.let_pass(6)
            await faults(house)
            assert await every_route(house) > 100
            await refused_files(house)
            refused_keepers = await keepers(house, tmp_path)
            await unexpected(virtual.world, pool)
            await house.start(other)
            await virtual.let_pass(2)
            seen = await house.ask("GET", f"/deployment-intents/{intent}", AUDITOR)
            assert seen.status_code == 200
            feed = await house.ask("GET", "/audit/events", AUDITOR, params={"limit": "1000"})
            assert feed.status_code == 200, feed.text
            await lies_of_the_provider(house, provider)

    lab, held, texts = virtual.lab, await outputs.held(pool), await outputs.texts(pool)
    own = [lab.directory.credentials.client_secret, lab.jamf_client_secret]
    secrets = [*OF_SETTINGS, *FORMS, *SENT, *own, *house.tokens, *keys]
    # Vacuous it must not be: each output is there, and the vendors' refusals are in the log, without their secrets.
    assert len(texts) > 34  # with the log, the jobs, and the read models
    there = ("logs", "answers", "spans", "metrics", "table public.event", "table public.ring_cohort")
    assert all(len(texts[name]) > 1_000 for name in there)
    assert "problem:route-unknown" not in texts["answers"]
    records = [json.loads(line) for line in texts["logs"].splitlines()]
    events = [str(record["event"]) for record in records]
    assert events.count("plane.call_failed") > 10
    assert events.count("secret.not_read") == refused_keepers
    assert events.count("oidc_keys_not_read") > 10
    assert {"job_failed", "request_failed"} <= {*events}
    assert {"23514", "22P02", "22000"} <= {state for state in ("23514", "22P02", "22000") if state in texts["logs"]}
    assert "[redacted]" in texts["logs"]
    assert "/blob/" in texts["spans"]  # a package went up under a signed address
    assert "sig=" not in texts["spans"]
    assert "CheckViolationError" in texts["spans"]
    assert len({record.get("operation") for record in records}) > 4
    assert [SIGNED.findall(text) for text in texts.values()] == [[]] * len(texts)
    # What Intune held back is on record, with the approver's words and without his secrets, nor the keys to a package.
    assert len(keys) == 2
    assert {row["body"] is None for row in held if row["path"].endswith("/commit")} == {True}
    assert any(row["body"] for row in held)
    assert all("[redacted]" in row["reason"] and "[redacted]" in row["decided_by"] for row in held)
    assert hits(texts, secrets) == []


def test_the_hunt_knows_a_secret_however_it_is_spelled() -> None:
    secret = 'Canary/s3+key "07"'
    assert len(spellings(secret)) == 7
    for spelled in spellings(secret):
        assert hits({"logs": f"<{spelled}>"}, [secret]) == [f"{secret} in logs"]
    assert hits({"logs": "Canary/s3+key"}, [secret]) == []


async def test_the_hunt_finds_what_leaks_into_any_output(pool: Pool, outputs: Outputs) -> None:
    """Each output is really looked at: what is written there past every guard is found there."""
    configure_logs("info")
    structlog.get_logger("leaky").warning("canary-in-a-log")
    outputs.answers.append("canary-in-an-answer")
    with tracers.get_tracer("leaky").start_as_current_span("canary-in-a-span"):
        pass
    metering.get_meter("leaky").create_counter("leaks").add(1, {"of": "canary-in-a-metric"})
    await pool.execute("insert into service_token_use values ('canary-in-a-table', now())")
    names = ("log", "answer", "span", "metric", "table")
    leaked = [f"canary-in-a{'n' if name[0] == 'a' else ''}-{name}" for name in names]
    found = {one.partition(" in ")[2] for one in hits(await outputs.texts(pool), leaked)}
    assert found == {"logs", "answers", "spans", "metrics", "table public.service_token_use"}
