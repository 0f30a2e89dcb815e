"""What is planted, where it is hunted, and an installation with people and planes that it may come through."""

import base64
import json
import re
import urllib.parse
from collections.abc import Awaitable, Callable
from typing import Any, Final

import httpx
import pytest
from api_rig import ISSUER, PACKAGER, PUBLISHER, Rig, pack_body
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from eucora.api.app import create_app
from eucora.api.auth.keys import OidcSettings
from eucora.api.house import ApiDeps
from eucora.api.limits import HttpLimits
from eucora.cli.simulation.house import VirtualHouse
from eucora.domain.planes import Plane
from eucora.lab.inputs import ApplicationInputs
from eucora.observability import trace_requests
from eucora.projections.catalogue import all_projections
from eucora.projections.runner import ProjectionRunner
from eucora.store import migrate
from eucora.store.database import Pool
from eucora.store.jobs import JobQueue
from eucora.store.log import EventLog
from eucora.store.replies import Replies

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
    "IDENTITY_HEADER": "Canary-identity-header-11",
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
SENT: Final = (
    "canary-sent-",
    "canary-query-",
    "canary-body-",
    "canary-file-",
    "canary-token-",
    "canary-row-",
    "canary-value-",
    "canary-address-",
)


async def _nothing() -> None:
    return None


class Outputs:
    """Everything that a process lets out, and what it keeps; ``hits`` looks for secrets in it."""

    def __init__(self, capsys: pytest.CaptureFixture[str], spans: InMemorySpanExporter, metrics: InMemoryMetricReader):
        self._capsys, self._spans, self._metrics = capsys, spans, metrics
        self.answers: list[str] = []
        self.caught_up: Callable[[], Awaitable[object]] = _nothing

    async def held(self, pool: Pool) -> list[Any]:
        """The rows of what planes hold back."""
        return list(await pool.fetch("select path, body, state, outcome, decided_by, reason from held_request"))

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
        return found


def spellings(secret: str) -> set[str]:
    """As it is, and as it would stand in an address, in JSON, in a bytea of Postgres and in base64 at any offset."""
    raw = secret.encode()
    aligned = {base64.b64encode(b"\0" * pad + raw).decode()[4 if pad else 0 : -4] for pad in range(3)}
    return {secret, urllib.parse.quote(secret, safe=""), json.dumps(secret)[1:-1], raw.hex(), *aligned} - {""}


def hits(texts: dict[str, str], secrets: list[str]) -> list[str]:
    return [f"{secret} in {where}" for where, text in texts.items() for secret in secrets
            if any(one in text for one in spellings(secret))]  # fmt: skip


class Provider:
    """The identity provider; while it has a ``lie`` for a path, it gives that in place of its own answer."""

    def __init__(self, honest: ASGIApp) -> None:
        self._honest, self.asked = honest, 0
        self.lie: Callable[[str], Response | None] = lambda _path: None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked += 1
        answer = self.lie(scope["path"]) or self._honest
        await answer(scope, receive, send)


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
            kept = await self.made("/artifacts", PACKAGER, params={"file_name": file.name}, content=file.read_bytes())
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
