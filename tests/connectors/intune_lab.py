"""The Intune connector over the lab's own app, on a clock that only moves when somebody sleeps on it."""

import asyncio
import random
from collections.abc import Callable
from pathlib import Path

import httpx
from http_fakes import NOON, CountingBudget
from starlette.applications import Starlette

from eucora.application.held_requests import HeldRequests
from eucora.application.planes import FileDetection, PlanePort, Publication
from eucora.connectors.entra.credentials import ClientSecret
from eucora.connectors.http import NO_RETRY, BreakerSettings, RetrySettings
from eucora.connectors.intune.connect import IntuneAccess, IntuneConnection, connect_intune
from eucora.connectors.intune.content import Patience
from eucora.formats.intunewin import KeyMaterial, pack
from eucora.lab.app import Lab, create_lab
from eucora.lab.clock import ManualClock
from eucora.lab.graph.state import ContentFile
from eucora.lab.recorder import Recorder

BASE = "http://lab.test"
BLOCK_BYTES = 64 * 1024
CORRELATION = "9c2a8a1e-52cb-4a3f-8d1e-0a4c6a3f0b11"


class Killed(Exception):
    """The process died at this request. No error of httpx, so that nothing on the way catches it."""


class Wire(httpx.AsyncBaseTransport):
    """Carries requests to the lab and keeps them; may die at one of them, before it is sent or after the answer."""

    def __init__(self, app: Starlette) -> None:
        self._inner = httpx.ASGITransport(app=app)
        self.requests: list[httpx.Request] = []
        self.dies_at: int | None = None  # counted from 1
        self.delivers = False
        self.before: Callable[[httpx.Request], None] = lambda _request: None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        dies = self.dies_at == len(self.requests)
        if dies and not self.delivers:
            raise Killed
        self.before(request)
        answer = await self._inner.handle_async_request(request)
        if dies:
            await answer.aread()
            raise Killed
        return answer

    def start_over(self, *, dies_at: int | None = None, delivers: bool = False) -> None:
        self.requests.clear()
        self.dies_at, self.delivers = dies_at, delivers


class IntuneWorld:
    """A lab, a wire to it and a connection over the wire; ``reconnect`` is a new process."""

    def __init__(
        self,
        *,
        windows: int = 40,
        macs: int = 0,
        pace: float = 60.0,
        retry: RetrySettings = NO_RETRY,
        breaker: BreakerSettings | None = None,
        recorder: Recorder | None = None,
        token_lifetime_s: int | None = None,
        held: HeldRequests | None = None,
    ) -> None:
        self.clock = ManualClock(NOON)
        app = create_lab(
            seed=7,
            clock=self.clock,
            pace=pace,
            base_url=BASE,
            windows=windows,
            macs=0,
            intune_macs=macs,
            recorder=recorder,
            token_lifetime_s=token_lifetime_s,
        )
        self.lab: Lab = app.state.lab
        self.wire, self.budget = Wire(app), CountingBudget()
        self._retry, self._breaker, self._held = retry, breaker, held
        self.connection = self.reconnect()

    @property
    def plane(self) -> PlanePort:
        return self.connection.plane

    @property
    def macos(self) -> PlanePort:
        return self.connection.macos

    async def sleep(self, seconds: float) -> None:
        self.clock.advance(seconds)
        await asyncio.sleep(0)

    def reconnect(self) -> IntuneConnection:
        credentials = self.lab.directory.credentials
        self.connection = connect_intune(
            IntuneAccess(
                credentials.tenant,
                credentials.client_id,
                ClientSecret(credentials.client_secret),
                graph_url=f"{BASE}/graph/v1.0",
                login_url=f"{BASE}/entra",
            ),
            budget=self.budget,
            retry=self._retry,
            breaker=self._breaker,
            patience=Patience(poll_s=1.0, polls_max=60),
            block_bytes=BLOCK_BYTES,
            now=self.clock.now,
            monotonic=lambda: (self.clock.now() - NOON).total_seconds(),
            sleep=self.sleep,
            inner=self.wire,
            held=self._held,
        )
        return self.connection

    def files(self) -> list[ContentFile]:
        """Every content file of every app, in whatever state."""
        apps = self.lab.tenant.apps.values()
        return [file for app in apps for files in app.versions.values() for file in files.values()]

    def group(self, name: str) -> str:
        return next(group.id for group in self.lab.tenant.groups.values() if group.name == name)


def package_file(folder: Path, *, size: int = 150_000) -> Path:
    """An ``.intunewin`` of one installer that does not compress, so that it takes several blocks."""
    source, target = folder / "source", folder / "setup.intunewin"
    source.mkdir()
    (source / "setup.exe").write_bytes(b"MZ" + random.Random(7).randbytes(size))
    pack(source, "setup.exe", target, keys=KeyMaterial(bytes(range(32)), bytes(range(32, 64)), bytes(range(16))))
    return target


def publication(path: Path, *, intent: str = "0190-demo", name: str = "O'Brien Viewer") -> Publication:
    digest = "ab" * 32
    return Publication(
        key=f"eucora:{intent}:{digest}",
        name=name,
        version="2.4.1",
        publisher="Example Ltd",
        content=path,
        content_sha256=digest,
        content_size=path.stat().st_size,
        file_name="setup.intunewin",
        install_command="setup.exe /S",
        uninstall_command="setup.exe /uninstall /S",
        detection=FileDetection(r"%ProgramFiles%\Viewer", "viewer.exe", "2.4.1"),
    )
