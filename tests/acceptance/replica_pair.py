"""Two API replicas as processes, and callers who reach them as through a load balancer."""

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from eucora.cli.stack import free_port

LOOK_S = 0.1  # how often the balancer asks whether a replica is ready
PATIENCE_S = 120.0
PAUSE_S = 0.03  # of a caller after each request: load, and not a flood that starves the start of a process
API = "/api/v1"


async def until(holds: Callable[[], bool]) -> None:
    """Return once it holds; nothing tells us of a change in another process, so we look."""
    async with asyncio.timeout(PATIENCE_S):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(LOOK_S / 4)


@dataclass
class Replica:
    """One ``eucora serve``. ``ready``: what the balancer saw last."""

    port: int
    environment: dict[str, str]
    log: Path
    process: "subprocess.Popen[bytes] | None" = None
    ready: bool = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        arguments = [sys.executable, "-m", "eucora.cli.main", "serve", "--port", str(self.port)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                arguments, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    async def stop(self, number: signal.Signals) -> tuple[int, float]:
        """Exit code, and the seconds that it took."""
        assert self.process is not None
        begun = time.monotonic()
        self.process.send_signal(number)
        return await asyncio.to_thread(self.process.wait), time.monotonic() - begun


@dataclass
class Pair:
    """The balancer and what it counts. A request fails when its caller would have to know about a restart."""

    replicas: list[Replica]
    http: httpx.AsyncClient
    failures: list[str] = field(default_factory=list)
    answered: int = 0
    _next: int = 0

    async def watch(self) -> None:
        """Ask every replica over and over whether it is ready, as a balancer does."""
        while True:
            await asyncio.gather(*(self._look(replica) for replica in self.replicas))
            await asyncio.sleep(LOOK_S)

    async def _look(self, replica: Replica) -> None:
        try:
            replica.ready = (await self.http.get(f"{replica.url}/readyz", timeout=2)).status_code == 200
        except httpx.TransportError:
            replica.ready = False

    async def pick(self) -> Replica:
        """The next one that is ready."""
        await until(lambda: any(replica.ready for replica in self.replicas))
        ready = [replica for replica in self.replicas if replica.ready]
        self._next += 1
        return ready[self._next % len(ready)]

    async def ask(self, method: str, path: str, token: str, **request: Any) -> None:
        """One request. Another replica is tried only where nothing was sent to the first."""
        headers = {"Authorization": f"Bearer {token}"} | request.pop("headers", {})
        while True:
            replica = await self.pick()
            try:
                answer = await self.http.request(method, f"{replica.url}{API}{path}", headers=headers, **request)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                replica.ready = False
                continue
            except httpx.TransportError as error:
                self.failures.append(f"{method} {path}: {type(error).__name__}")
                return
            if answer.is_success:
                self.answered += 1
            else:
                self.failures.append(f"{method} {path}: {answer.status_code} {answer.text[:200]}")
            return

    async def all_ready(self) -> None:
        await until(lambda: all(replica.ready for replica in self.replicas))


@asynccontextmanager
async def replica_pair(environment: dict[str, str], folder: Path) -> AsyncIterator[Pair]:
    """Both up and ready; ended however the test ends."""
    replicas = [Replica(free_port(), environment, folder / f"serve-{number}.log") for number in range(2)]
    async with httpx.AsyncClient(trust_env=False, timeout=20) as http:
        pair = Pair(replicas, http)
        watching = asyncio.create_task(pair.watch())
        try:
            for replica in replicas:
                replica.start()
            await pair.all_ready()
            yield pair
        finally:
            watching.cancel()
            for replica in replicas:
                if replica.process is not None:
                    replica.process.kill()
                    replica.process.wait()


async def load(pair: Pair, admin: str, auditor: str, enough: asyncio.Event) -> None:
    """Writes and reads in turn."""
    while not enough.is_set():
        await asyncio.sleep(PAUSE_S)
        start = datetime.now(UTC) + timedelta(days=1)
        window = {
            "effect": "deny",
            "name": "Stocktaking",
            "reason": "Nobody is there to look",
            "start": start.isoformat(),
            "end": (start + timedelta(days=1)).isoformat(),
        }
        await pair.ask("POST", "/change-windows", admin, json=window, headers={"Idempotency-Key": str(uuid4())})
        await pair.ask("GET", "/people/me", auditor)
        await pair.ask("GET", "/audit/events", auditor, params={"limit": 5})


@dataclass
class Listener:
    """Follows the log through every restart, and comes back with the last id that it saw."""

    pair: Pair
    token: str
    seen: list[int] = field(default_factory=list)
    connections: int = 0

    async def listen(self) -> None:
        while True:
            replica = await self.pair.pick()
            headers = {"Authorization": f"Bearer {self.token}", "Accept": "text/event-stream"}
            if self.seen:
                headers["Last-Event-ID"] = str(self.seen[-1])
            with suppress(httpx.ConnectError):
                await self._follow(f"{replica.url}{API}/audit/events/stream", headers)

    async def _follow(self, url: str, headers: dict[str, str]) -> None:
        try:
            async with self.pair.http.stream("GET", url, headers=headers, timeout=60) as answer:
                if answer.status_code != 200:
                    self.pair.failures.append(f"stream: {answer.status_code}")
                    await asyncio.sleep(LOOK_S)
                    return
                self.connections += 1
                async for line in answer.aiter_lines():
                    if line.startswith("data: "):
                        self.seen.append(json.loads(line[6:])["position"])
        except (httpx.ReadError, httpx.RemoteProtocolError) as error:
            self.pair.failures.append(f"stream: {type(error).__name__}")

    async def reached(self, position: int) -> None:
        await until(lambda: bool(self.seen) and self.seen[-1] >= position)
