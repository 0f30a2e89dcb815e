"""The lab on a real port with somebody at the door who counts the requests, and kills who sends the chosen one."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import IO, cast

import uvicorn
from rollout_process import CORRELATIONS, STARTED, Job
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from eucora.lab.app import Lab, create_lab
from eucora.lab.clock import ManualClock

# With every request so many seconds pass in the lab, and half a minute, as long as a worker's lease, until a process
# that was killed is followed by another one.
TICK_S = 0.25
LEASE_S = 30.0
PACE = 300.0

_VERBS = {correlation: verb for verb, correlation in CORRELATIONS.items()}


class Moment(Enum):
    """When the process dies, as the vendor sees the request that it dies at."""

    BEFORE = "before it takes effect"
    AFTER = "after it took effect, before the answer leaves"


@dataclass
class Stage:
    """One lab, and who stands in front of it. ``between`` is called in the lab when a verb's first request arrives."""

    lab: Lab
    app: ASGIApp
    clock: ManualClock
    between: Callable[[str, Lab], None]
    dies_at: int | None = None  # counted from 1, over all verbs
    moment: Moment = Moment.BEFORE
    victim: int = 0
    asked: Counter[str] = field(default_factory=Counter)  # requests by verb
    killed: bool = False
    _seen: set[str] = field(default_factory=set)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        verb = _VERBS[dict(scope["headers"]).get(b"x-correlation-id", b"").decode()]
        if verb not in self._seen:
            self._seen.add(verb)
            self.between(verb, self.lab)
        self.clock.advance(TICK_S)
        self.asked[verb] += 1
        if self.asked.total() != self.dies_at:
            await self.app(scope, receive, send)
            return
        if self.moment is Moment.AFTER:
            await self.app(scope, receive, _unsaid)
        self.dies_at, self.killed = None, True
        os.kill(self.victim, signal.SIGKILL)
        while (await receive())["type"] != "http.disconnect":
            continue


class Door:
    """The server, with one stage after the other behind the same address."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self._stage: Stage | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self._stage is not None
        await self._stage(scope, receive, send)

    @contextmanager
    def stage(self, between: Callable[[str, Lab], None]) -> Iterator[Stage]:
        """A lab with nothing in it but devices and their rings."""
        clock = ManualClock(STARTED)
        app = create_lab(seed=7, clock=clock, pace=PACE, base_url=self.base_url, windows=40, macs=40)
        lab: Lab = app.state.lab
        self._stage = Stage(lab, app, clock, between)
        try:
            yield self._stage
        finally:
            lab.jamf.packages.close()


@contextmanager
def open_door() -> Iterator[Door]:
    """The server, in a thread."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(128)
        door = Door(f"http://127.0.0.1:{listener.getsockname()[1]}")
        server = uvicorn.Server(uvicorn.Config(door, log_config=None, lifespan="off", ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="door", daemon=True)
        thread.start()
        try:
            yield door
        finally:
            server.should_exit = True
            thread.join(10)


class Processes:
    """The program of ``rollout_process``, which starts a process for every job."""

    def __init__(self, errors: IO[bytes]) -> None:
        program = Path(__file__).with_name("rollout_process.py")
        self._program = subprocess.Popen(
            [sys.executable, str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors
        )
        self._to = cast("IO[bytes]", self._program.stdin)
        self._from = cast("IO[bytes]", self._program.stdout)

    def run(self, job: Job, meet: Callable[[int], None]) -> int:
        """How the process that did ``job`` ended; ``meet`` is told its id before it begins."""
        meet(self._said("ready"))
        self._to.write(job.line())
        self._to.flush()
        return self._said("ended")

    def close(self) -> None:
        self._to.close()
        self._program.wait(10)
        self._from.close()

    def _said(self, what: str) -> int:
        return int(json.loads(self._from.readline())[what])


async def _unsaid(_message: Message) -> None:
    """An answer that never leaves."""
