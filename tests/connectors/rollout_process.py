"""A process that makes one rollout on one plane, and can be killed: run as a program, it starts one after the other.

The program imports once and forks: each child says its process id, waits for a job on a line of standard input and
does it. It keeps the journal that a worker keeps in the log: a verb that was finished is not asked for again, one that
was not is, under the same key. The program says how each child ended: its exit status, negative for a signal.
"""

import asyncio
import importlib
import json
import os
import sys
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import httpx
from http_fakes import CountingBudget

from eucora.application.planes import (
    Assignment,
    Detection,
    FileDetection,
    Gathering,
    Offer,
    PlanePort,
    Publication,
    ReceiptDetection,
    Withdrawal,
)
from eucora.connectors.entra.credentials import ClientSecret
from eucora.connectors.http import NO_RETRY
from eucora.connectors.intune.connect import IntuneAccess, connect_intune
from eucora.connectors.intune.content import Patience
from eucora.connectors.jamf.connect import JamfAccess, connect_jamf
from eucora.connectors.jamf.sign_in import ApiClient
from eucora.domain.planes import Plane

STARTED: Final = datetime(2026, 3, 2, 12, tzinfo=UTC)
BLOCK_BYTES: Final = 64 * 1024
# What a first request would import, in every child anew.
WARM: Final = ("anyio._backends._asyncio", "anyio.to_thread", "h11", "httpcore", "certifi", "queue")
OWN_GROUP: Final = "EUCORA ring 1"

# Each verb goes out under a correlation id of its own, so that who stands on the wire can tell them apart.
CORRELATIONS: Final = {
    verb: f"0190a7e4-3a6d-7c11-9f51-00000000000{number}"
    for number, verb in enumerate(("publish", "assign", "assign again", "withdraw", "gather"))
}


@dataclass(frozen=True)
class Job:
    """One rollout: publish, offer to two groups, take the first offer back, gather some of the second group's devices.

    ``server`` is the address of the lab, ``account`` what identifies us there: tenant, client id and secret for Intune;
    client id and secret for Jamf. ``groups`` and ``devices`` are the plane's own ids.
    """

    plane: str
    server: str
    account: tuple[str, ...]
    journal: str
    content: str
    content_sha256: str
    groups: tuple[str, str]
    devices: tuple[str, ...]

    @property
    def key(self) -> str:
        return f"eucora:0190-rollout:{self.content_sha256}"

    def line(self) -> bytes:
        return json.dumps(asdict(self)).encode() + b"\n"


async def roll_out(job: Job) -> None:
    """The verbs that the journal does not have yet, each written there once it is done."""
    journal = Path(job.journal)
    done = dict(json.loads(line) for line in journal.read_text().splitlines()) if journal.exists() else {}
    async with _connected(job) as plane:
        for verb, ask in _verbs(job, plane, done).items():
            if verb in done:
                continue
            done[verb] = await ask()
            _write_down(journal, verb, done[verb])


def _write_down(journal: Path, verb: str, ref: str) -> None:
    with journal.open("a") as file:
        file.write(json.dumps([verb, ref]) + "\n")
        file.flush()
        os.fsync(file.fileno())


def _verbs(job: Job, plane: PlanePort, done: Mapping[str, str]) -> Mapping[str, Callable[[], Awaitable[str]]]:
    asked = _publication(job)
    first, second = job.groups

    async def publish() -> str:
        return (await plane.publish(asked, correlation_id=CORRELATIONS["publish"])).ref

    def assign(verb: str, group: str) -> Callable[[], Awaitable[str]]:
        async def ask() -> str:
            offer = Assignment(job.key, done["publish"], asked.name, asked.version, group, Offer.INSTALL)
            return (await plane.assign(offer, correlation_id=CORRELATIONS[verb])).ref

        return ask

    async def withdraw() -> str:
        back = Withdrawal(job.key, done["publish"], asked.name, asked.version, (first,))
        await plane.withdraw(back, correlation_id=CORRELATIONS["withdraw"])
        return ""

    async def gather() -> str:
        gathering = Gathering(job.key, OWN_GROUP, second, job.devices)
        return (await plane.gather(gathering, correlation_id=CORRELATIONS["gather"])).ref

    return {
        "publish": publish,
        "assign": assign("assign", first),
        "assign again": assign("assign again", second),
        "withdraw": withdraw,
        "gather": gather,
    }


def _publication(job: Job) -> Publication:
    content = Path(job.content)
    detection: Detection = ReceiptDetection("com.example.editor", "2.1")
    if job.plane == Plane.INTUNE:
        detection = FileDetection(r"%ProgramFiles%\Editor", "editor.exe", "2.1")
    return Publication(
        key=job.key,
        name="Editor",
        version="2.1",
        publisher="Example Ltd",
        content=content,
        content_sha256=job.content_sha256,
        content_size=content.stat().st_size,
        file_name=content.name,
        install_command="setup.exe /S",
        uninstall_command="setup.exe /uninstall /S",
        detection=detection,
    )


@asynccontextmanager
async def _connected(job: Job) -> AsyncIterator[PlanePort]:
    """The plane. The lab's clock moves with what it is asked, so waiting is asking again."""

    def now() -> datetime:
        return STARTED

    async def sleep(_seconds: float) -> None:
        await asyncio.sleep(0)

    # One line for every service, and none to check certificates of: loading those takes longer than the whole rollout.
    network = httpx.AsyncHTTPTransport(verify=False)
    if job.plane == Plane.INTUNE:
        tenant, client_id, secret = job.account
        intune = connect_intune(
            IntuneAccess(
                tenant, client_id, ClientSecret(secret), f"{job.server}/graph/v1.0", login_url=f"{job.server}/entra"
            ),
            budget=CountingBudget(),
            retry=NO_RETRY,
            patience=Patience(poll_s=1.0, polls_max=60),
            block_bytes=BLOCK_BYTES,
            now=now,
            sleep=sleep,
            inner=network,
        )
        yield intune.plane
        await intune.aclose()
    else:
        access = JamfAccess(f"{job.server}/jamf", ApiClient(*job.account))
        jamf = connect_jamf(access, budget=CountingBudget(), retry=NO_RETRY, now=now, sleep=sleep, inner=network)
        yield jamf
        await jamf.aclose()


def main() -> None:
    """Children one after the other, until the input ends."""
    for module in WARM:
        importlib.import_module(module)
    over = 77  # the status of a child that got no job
    while True:
        child = os.fork()
        if child == 0:
            os._exit(_do_one(over))
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        if code == over:
            return
        _say({"ended": code})


def _do_one(without: int) -> int:
    _say({"ready": os.getpid()})
    line = sys.stdin.buffer.readline()
    if not line:
        return without
    try:
        asyncio.run(roll_out(Job(**json.loads(line))))
    except Exception:
        traceback.print_exc()
        sys.stderr.flush()
        return 1
    return 0


def _say(what: Mapping[str, int]) -> None:
    os.write(sys.stdout.fileno(), json.dumps(what).encode() + b"\n")


if __name__ == "__main__":
    main()
