"""Secrets are planted wherever one can come in; afterwards none of them is anywhere but where its owner put it.

What counts as a secret: what opens something. Tokens and assertions, passwords and passphrases, keys, signed addresses,
cookies, private keys. A reason, a name or a description is what its author wanted others to read, and no secret.
"""

import base64
import json
import re
import urllib.parse
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import httpx
import opentelemetry.metrics._internal as meters
import opentelemetry.trace as tracers
import pytest
import structlog
from api_rig import ADMIN, AUDITOR, ISSUER, OPERATOR, PACKAGER, PUBLISHER, START, Rig, pack_body
from fastapi.routing import APIRoute
from opentelemetry.instrumentation.asyncpg import AsyncPGInstrumentor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from starlette.applications import Starlette
from starlette.routing import Mount

from databases import Database
from eucora.api.app import ROUTERS, create_app
from eucora.api.auth.keys import OidcSettings
from eucora.api.correlation import Correlation
from eucora.api.house import ApiDeps
from eucora.api.limits import HttpLimits
from eucora.application.planes import PlaneError
from eucora.application.world import World
from eucora.cli.simulation.house import Fleet, FreeBudget, VirtualHouse, virtual_house
from eucora.connectors.kandji.connect import KandjiAccess, connect_kandji
from eucora.domain.planes import Plane
from eucora.lab.faults import Fault
from eucora.lab.inputs import ApplicationInputs, build_inputs
from eucora.lab.oidc import create_issuer
from eucora.observability import configure_logs, trace_requests
from eucora.projections.catalogue import all_projections
from eucora.projections.runner import ProjectionRunner
from eucora.settings import read_settings
from eucora.spans import AllowedSpans
from eucora.store import migrate
from eucora.store.database import Pool
from eucora.store.jobs import JobQueue
from eucora.store.log import EventLog
from eucora.store.replies import Replies

pytestmark = [pytest.mark.slow, pytest.mark.no_cover]


SETTINGS: Final = {
    "INTUNE_CLIENT_SECRET": "Canary~intune/secret+01",
    "INTUNE_TENANT_ID": "t",
    "INTUNE_CLIENT_ID": "c",
    "JAMF_SERVER_URL": "https://jamf.example.org",
    "JAMF_USERNAME": "robot",
    "JAMF_PASSWORD": "Canary pass phrase 02",
    "KANDJI_API_URL": "https://example.api.kandji.io",
    "KANDJI_API_TOKEN": "Canary-kandji-03",
    "EUCORA_DATABASE_URL": "postgresql://app:" + "Canary%2Fdb%2004@127.0.0.1/eucora",
    "EUCORA_MIGRATION_DATABASE_URL": "postgresql://owner:" + "Canary-owner-05@127.0.0.1/eucora",
    "EUCORA_S3_ACCESS_KEY_ID": "CANARYKEYID06",
    "EUCORA_S3_SECRET_ACCESS_KEY": "Canary/s3+key07",
    "EUCORA_VAULT_TOKEN": "hvs.Canary08",
    "EUCORA_VAULT_SECRET_ID": "Canary-secret-id-09",
    "EUCORA_KEY_VAULT_CLIENT_SECRET": "Canary~azure-10",
}
OF_SETTINGS: Final = (
    *(value for name, value in SETTINGS.items() if "anary" in value.lower() and not name.endswith("DATABASE_URL")),
    "Canary/db 04",
    "Canary-owner-05",
)
# What others write where we read: each in the form in which such a thing comes along.
FORMS: Final = {
    "canary-bearer-11": "Authorization: Bearer canary-bearer-11",
    "canary-sig-12": "https://x.blob.core.windows.net/c/f?sv=1&se=2&sig=canary-sig-12%3D",
    "canary-cookie-13": "Set-Cookie: JSESSIONID=canary-cookie-13",
    "canary-key-14": "-----BEGIN PRIVATE KEY-----\ncanary-key-14\n-----END PRIVATE KEY-----",
    "canary-password-15": '{"password": "canary-password-15"}',
    "canary-proxy-16": "https://user:canary-proxy-16@proxy.example",
    "canary-client-17": "client_secret=canary-client-17&grant_type=x",
    "canaryapikey18": "api_key: canaryapikey18",
    "canary-amz-19": "X-Amz-Signature=canary-amz-19",
}
SAID: Final = " ".join((*FORMS.values(), *(f"you sent {one}" for one in OF_SETTINGS)))
# In a request: each where a client may put such a thing, by mistake or to see where it comes out again.
HEADERS: Final = {
    "Cookie": "session=canary-sent-cookie-21",
    "Proxy-Authorization": "Basic canary-sent-proxy-22",
    "X-Api-Key": "canary-sent-api-key-23",
    "X-Vault-Token": "canary-sent-vault-24",
    "Referer": "https://evil.example/?access_token=canary-sent-referer-25",
    "User-Agent": "client_secret=canary-sent-agent-26",
}
QUERY: Final = {"access_token": "canary-query-31", "sig": "canary-query-32", "password": "canary-query-33"}
BODY: Final = {"password": "canary-body-41", "client_secret": "canary-body-42", "private_key": "canary-body-43"}
SIGNED: Final = re.compile(r"[?&]sig=(?!\[redacted\])\S+")
SENT: Final = ("canary-sent-", "canary-query-", "canary-body-", "canary-file-", "canary-token-")


async def _nothing() -> None:
    return None


class Outputs:
    """Everything that a process lets out, and what it keeps; ``hits`` looks for secrets in it."""

    def __init__(self, capsys: pytest.CaptureFixture[str], spans: InMemorySpanExporter, metrics: InMemoryMetricReader):
        self._capsys, self._spans, self._metrics = capsys, spans, metrics
        self.answers: list[str] = []
        self.caught_up: Callable[[], Awaitable[object]] = _nothing

    async def texts(self, pool: Pool) -> dict[str, str]:
        found = {"logs": self._capsys.readouterr().err, "answers": "\n".join(self.answers)}
        found["spans"] = "\n".join(span.to_json() for span in self._spans.get_finished_spans())
        data = self._metrics.get_metrics_data()
        found["metrics"] = data.to_json() if data else ""
        await self.caught_up()
        tables = await pool.fetch(
            "select format('%I.%I', schemaname, tablename) from pg_tables where schemaname !~ '^(pg_|information_)'"
        )
        for (table,) in tables:
            rows = await pool.fetch(f"select t::text from {table} t")
            found[f"table {table}"] = "\n".join(row[0] for row in rows)
        assert len(tables) > 30  # the log, the jobs, and the read models
        return found


def spellings(secret: str) -> set[str]:
    """As it is, and as it would stand in an address, in JSON, in a bytea of Postgres and in base64 at any offset."""
    raw = secret.encode()
    aligned = {base64.b64encode(b"\0" * pad + raw).decode()[4 if pad else 0 : -4] for pad in range(3)}
    return {secret, urllib.parse.quote(secret, safe=""), json.dumps(secret)[1:-1], raw.hex(), *aligned} - {""}


def hits(texts: dict[str, str], secrets: list[str]) -> list[str]:
    return [f"{secret} in {where}" for where, text in texts.items() for secret in secrets
            if any(one in text for one in spellings(secret))]  # fmt: skip


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


class Installation:
    """The real app and the real worker over the lab, and people who sign in at its provider."""

    def __init__(self, house: VirtualHouse, pool: Pool, outputs: Outputs, idp: httpx.AsyncClient, issuer: Any) -> None:
        runner = ProjectionRunner(pool, EventLog(pool, house.world.ids), all_projections())
        deps = ApiDeps(
            world=house.world,
            pool=pool,
            runner=runner,
            replies=Replies(pool),
            jobs=JobQueue(pool, "api"),
            feed=EventLog(pool, house.world.ids),
            oidc=OidcSettings(ISSUER, "eucora", idp),
            cursor_key=b"sixteen bytes or more",
            revision=migrate.newest(),
            version="test",
            limits=HttpLimits(guesses=100_000, rate=1_000_000),  # everything is read, nothing is turned away before
        )
        self.app = create_app(deps)
        trace_requests(self.app)
        self.house, self.outputs = house, outputs
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        http = httpx.AsyncClient(transport=transport, base_url="http://eucora.test")
        self.rig = Rig(self.app, house.world, runner, house.clock, issuer, {}, http, [])
        self.tokens: list[str] = []
        outputs.caught_up = runner.catch_up_all

    async def ask(self, method: str, path: str, person: str | None, **more: Any) -> httpx.Response:
        headers = dict(HEADERS) | more.pop("headers", {})
        if person is not None:
            token = self.rig.token(person)
            self.tokens.append(token.rpartition(".")[2])
            headers["Authorization"] = f"Bearer {token}"
        answer = await self.rig.ask(method, path, headers=headers, **more)
        self.outputs.answers.append(f"{answer.headers} {answer.text}")
        return answer

    async def made(self, path: str, person: str, **more: Any) -> dict[str, Any]:
        answer = await self.ask("POST", path, person, **more)
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def intent(self, inputs: ApplicationInputs) -> str:
        """A release for both planes, proposed from files as people upload them."""
        assert inputs.windows is not None
        assert inputs.macos is not None
        digests = {}
        for plane, file in (("intune", inputs.windows), ("jamf", inputs.macos)):
            kept = await self.made(
                "/artifacts", PACKAGER, params={"file_name": file.name} | QUERY, content=file.read_bytes()
            )
            digests[plane] = str(kept["id"])
        documents = []
        for kind in ("sbom", "scan", "test_evidence", "rollback_plan"):
            content = getattr(inputs, kind).read_bytes()
            answer = await self.ask(
                "POST", "/evidence-documents", PACKAGER, key="", params={"kind": kind}, content=content
            )
            documents.append((kind, str(answer.json()["sha256"])))
        body = pack_body(digests["jamf"], documents)
        body["application"] |= {"name": inputs.name, "version": inputs.version, "publisher": inputs.publisher}
        body["installs"][0]["detection"]["value"] = inputs.version
        body["planes"] = ["intune", "jamf"]
        body["installs"].append(
            {
                "plane": "intune",
                "artifact": digests["intune"],
                "install_command": f"{inputs.windows.name} /S",
                "uninstall_command": f"{inputs.windows.name} /remove",
                "detection": {"kind": "file", "path": "C:\\Program Files\\Example", "name": "app.exe"},
                "return_codes": [{"code": 0, "meaning": "success"}],
            }
        )
        pack = (await self.made("/evidence-packs", PACKAGER, json=body))["id"]
        rings = [
            {
                "ring": ring,
                "targets": [{"plane": str(plane), "group": self.house.group(plane, ring)} for plane in PLANES],
            }
            for ring in (0, 1, 2)
        ]
        wish = {"evidence_pack": pack, "rings": rings, "scope": {"business_unit": "retail", "boundary": "emea"},
                "gate_policy": "1.0"}  # fmt: skip
        return str((await self.made("/deployment-intents", PACKAGER, json=wish))["id"])

    async def start(self, intent: str) -> None:
        await self.made(f"/deployment-intents/{intent}/starts", PUBLISHER, json={})


PLANES: Final = (Plane.INTUNE, Plane.JAMF)


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
        for content in (secret, json.dumps({"bomFormat": secret, "matches": secret, "token": "canary-file-52"})):
            answer = await house.ask(
                "POST", "/evidence-documents", PACKAGER, key="", params={"kind": kind}, content=content.encode()
            )
            assert answer.status_code in {415, 422}, answer.text
    answer = await house.ask("POST", "/artifacts", PACKAGER, params={"file_name": "x.pkg"}, content=secret.encode())
    assert answer.status_code == 422, answer.text


class Exploding:
    """A plane with a fault of ours in it, whose exceptions say all that they should not."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(f"{name}: {SAID}")


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
    said = httpx.MockTransport(lambda _: httpx.Response(400, json={"detail": SAID, "error": SAID}, headers=HEADERS))
    access = KandjiAccess(SETTINGS["KANDJI_API_URL"], SETTINGS["KANDJI_API_TOKEN"])
    kandji = connect_kandji(access, budget=FreeBudget(), now=house.house.clock.now, inner=said)
    house.outputs.answers += [str(one) for one in await kandji.check_up(correlation_id="canaries")]
    await kandji.aclose()


async def unexpected(world: World) -> None:
    """What nobody foresaw: an exception in a request, and one in a job."""

    async def breaks(*_: Any) -> None:
        raise RuntimeError(SAID) from ValueError(SAID)

    async def nothing(*_: Any) -> Any:
        return None

    scope = {"type": "http", "method": "GET", "path": "/x", "headers": [], "query_string": SAID.encode()}
    await Correlation(breaks)(scope, nothing, nothing)
    assert isinstance(world.planes, dict)
    for plane in PLANES:
        world.planes[plane] = Exploding()


async def test_no_secret_comes_out_anywhere(
    pool: Pool, database: Database, tmp_path: Path, outputs: Outputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)
    assert read_settings().jamf_password is not None
    configure_logs("debug")
    async with virtual_house(pool, tmp_path, START, Fleet(windows=90, macs=90)) as virtual:
        issuer = create_issuer(ISSUER, 7, virtual.clock)
        provider = Starlette(routes=[Mount("/oidc", issuer)])
        async with httpx.AsyncClient(transport=httpx.ASGITransport(provider)) as idp:
            house = Installation(virtual, pool, outputs, idp, issuer.state.issuer)
            inputs = build_inputs(tmp_path / "inputs")
            intent, other = await house.intent(inputs.low), await house.intent(inputs.high)
            await house.start(intent)
            await virtual.let_pass(6)
            await faults(house)
            assert await every_route(house) > 100
            await refused_files(house)
            await unexpected(virtual.world)
            await house.start(other)
            await virtual.let_pass(2)
            seen = await house.ask("GET", f"/deployment-intents/{intent}", AUDITOR)
            assert seen.status_code == 200
            feed = await house.ask("GET", "/audit/events", AUDITOR, params=QUERY | {"limit": "1000"})
            assert feed.status_code == 200, feed.text

    lab, texts = virtual.lab, await outputs.texts(pool)
    own = [lab.directory.credentials.client_secret, lab.jamf_client_secret]
    secrets = [*OF_SETTINGS, *FORMS, *SENT, *own, *house.tokens]
    # Vacuous it must not be: each output is there, and the vendors' refusals are in the log, without their secrets.
    there = ("logs", "answers", "spans", "metrics", "table public.event", "table public.ring_cohort")
    assert all(len(texts[name]) > 1_000 for name in there)
    assert "problem:route-unknown" not in texts["answers"]
    assert texts["logs"].count("plane.call_failed") > 10
    assert "job_failed" in texts["logs"]
    assert "request_failed" in texts["logs"]
    assert "[redacted]" in texts["logs"]
    assert all(json.loads(line) for line in texts["logs"].splitlines())
    assert "/blob/" in texts["spans"]  # a package went up under a signed address
    assert "sig=" not in texts["spans"]
    assert len({line.get("operation") for line in map(json.loads, texts["logs"].splitlines())}) > 4
    assert [SIGNED.findall(text) for text in texts.values()] == [[]] * len(texts)
    assert hits(texts, secrets) == []
