"""An API and a worker as processes that can be killed, and people who do not give up."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from eucora.application.ports import Context, Write
from eucora.application.service_tokens import digest_secret, make_secret
from eucora.cli.stack import free_port, lab_environment
from eucora.domain.people import Grant, Role
from eucora.domain.service_token import ServiceTokenIssued
from eucora.lab.server import LabAddresses
from eucora.store.database import Pool
from eucora.store.ids import RandomIds
from eucora.store.log import EventLog

PATIENCE_S = 240.0


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "eucora.cli.main", *arguments]


@dataclass
class KilledHouse:
    """Processes against one database. ``kill`` is kill -9, and the process is started again at once."""

    database_url: str
    data_dir: Path
    lab: LabAddresses
    port: int = field(default_factory=free_port)
    processes: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)
    kills: int = 0
    position: int = -1  # of the latest write that was acknowledged to anybody

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            **lab_environment(self.lab),
            "EUCORA_DATABASE_URL": self.database_url,
            "EUCORA_DATA_DIR": str(self.data_dir),
            "EUCORA_JOB_LEASE_S": "2",
            "EUCORA_LOG_LEVEL": "warning",
        }

    def start(self, name: str) -> None:
        arguments = ["serve", "--port", str(self.port)] if name == "serve" else ["work"]
        with (self.data_dir / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                command(*arguments), env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def kill(self, name: str) -> None:
        process = self.processes[name]
        process.send_signal(signal.SIGKILL)
        process.wait()
        self.kills += 1
        self.start(name)

    def stop(self) -> None:
        for process in self.processes.values():
            process.kill()
            process.wait()


class Person:
    """Somebody with a token, who sends the same request until it is answered."""

    def __init__(self, house: KilledHouse, http: httpx.AsyncClient, token: str) -> None:
        self._url, self._http = f"http://127.0.0.1:{house.port}/api/v1", http
        self._headers = {"Authorization": f"Bearer {token}"}
        self._house = house

    async def post(self, path: str, body: Mapping[str, Any] | None = None, **more: Any) -> dict[str, Any]:
        """The acknowledged answer. The key stays the same however often the request is sent."""
        headers = self._headers | {"Idempotency-Key": str(uuid4())} | more.pop("headers", {})
        content = {"json": dict(body or {})} if "content" not in more else {}
        return await self._insist("POST", path, headers=headers, **content, **more)

    async def get(self, path: str, **params: Any) -> dict[str, Any]:
        # Read your writes: what was acknowledged before must be in the answer.
        headers = self._headers | {"Eucora-Min-Position": str(self._house.position)}
        return await self._insist(
            "GET", path, headers=headers if self._house.position >= 0 else self._headers, params=params
        )

    async def _insist(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    answer = await self._http.request(method, self._url + path, timeout=10, **request)
                except httpx.TransportError:
                    await asyncio.sleep(0.1)
                    continue
                # 503: shed or catching up. 409 with Retry-After: the same key is under way or a race was lost.
                if answer.status_code == 503 or (answer.status_code == 409 and "Retry-After" in answer.headers):
                    await asyncio.sleep(0.1)
                    continue
                if answer.is_error:
                    raise Refused(answer.status_code, answer.json())
                told = answer.headers.get("Eucora-Position", "")
                self._house.position = max(self._house.position, int(told) if told.isdecimal() else -1)
                body: dict[str, Any] = answer.json()
                return body

    async def until(self, path: str, holds: Any) -> dict[str, Any]:
        """The first answer for which ``holds(answer)`` is true."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                answer = await self.get(path)
                if holds(answer):
                    return answer
                await asyncio.sleep(0.2)


class Refused(Exception):
    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        super().__init__(f"{status} {problem.get('type')}: {problem.get('detail')}")
        self.status, self.problem = status, problem


async def tokens(pool: Pool, **roles: Role) -> dict[str, str]:
    """A service token for each name."""
    log = EventLog(pool, RandomIds())
    now = datetime.now(UTC)
    made = {}
    for name, role in roles.items():
        token_id = str(RandomIds().new())
        secret = make_secret(token_id)
        event = ServiceTokenIssued(
            token_id=token_id,
            name=name,
            grants=(Grant(role),),
            secret_sha256=digest_secret(secret),
            expires_at=now + timedelta(days=1),
            by=f"test|{name}",  # a token acts for its issuer, and these are different people
            at=now,
        )
        write = Write(f"service_token-{event.token_id}", 0, [event])
        await log.append([write], context=Context("test", "tokens"), at=now)
        made[name] = secret
    await log.close()
    return made
