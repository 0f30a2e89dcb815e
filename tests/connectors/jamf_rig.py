"""The plane over the simulated Jamf Pro server, and a network that dies at a request of our choice."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import httpx
from http_fakes import CountingBudget

from eucora.application.planes import (
    Assignment,
    Observation,
    Offer,
    Publication,
    ReceiptDetection,
    Watch,
    Withdrawal,
)
from eucora.application.tokens import SealedToken, Shelved
from eucora.connectors.http import NO_RETRY, Upstream, upstream_client
from eucora.connectors.jamf.plane import JamfPlane
from eucora.connectors.jamf.sign_in import Account, ApiClient
from eucora.domain.planes import Plane
from eucora.lab.clock import ManualClock
from eucora.lab.fleet import Fleet
from eucora.lab.jamf import JamfStore, create_jamf
from eucora.lab.jamf.tokens import LabAccount
from eucora.lab.roster import LabDevice

CLIENT_ID, CLIENT_SECRET = "lab-client", "lab-secret"
ACCOUNT: Final = Account("robot", "pass: wörd")
CORRELATION: Final = "0190a7e4-3a6d-7c11-9f51-1f2f3a4b5c6d"
COMMAND: Final = "/usr/local/bin/remove-editor --quiet"


class Killed(BaseException):
    """Stands for the end of our process; no error handling may outlive it."""


class Wire(httpx.AsyncBaseTransport):
    """Passes requests on, keeps them, and dies at request ``dies_at`` (from 0), before or after the server acted."""

    def __init__(self, inner: httpx.AsyncBaseTransport, *, dies_at: int | None = None, after: bool = False) -> None:
        self._inner, self._dies_at, self._after = inner, dies_at, after
        self.requests: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        dies = len(self.requests) == self._dies_at
        self.requests.append(request)
        if dies and not self._after:
            raise Killed
        answer = await self._inner.handle_async_request(request)
        if dies:
            raise Killed
        return answer

    @property
    def calls(self) -> list[str]:
        return [f"{request.method} {request.url.path}" for request in self.requests]


def plane_over(
    network: httpx.AsyncBaseTransport | None,
    clock: ManualClock,
    *,
    base_url: str = "https://jamf.test",
    client_secret: str = CLIENT_SECRET,
    account: Account | None = None,
) -> JamfPlane:
    """A fresh plane, as after a start; None: the real network. Sleeping moves the clock."""

    async def sleep(seconds: float) -> None:
        clock.advance(seconds)

    http = upstream_client(
        Upstream("jamf", base_url, "jamf.test"),
        budget=CountingBudget(),
        per_s=1_000,
        burst=1_000,
        retry=NO_RETRY,
        now=clock.now,
        monotonic=lambda: clock.now().timestamp(),
        sleep=sleep,
        inner=network,
        max_connections=5,
    )
    credentials = account or ApiClient(CLIENT_ID, client_secret)
    return JamfPlane(http, credentials=credentials, now=clock.now, sleep=sleep)


class Rig:
    """One simulated server, and planes that come and go."""

    def __init__(self, *, macs: int = 420, pace: float = 1.0) -> None:
        self.clock = ManualClock(datetime(2026, 3, 2, 12, tzinfo=UTC))
        self.fleet = Fleet(7, self.clock, windows=0, macs=macs, pace=pace)
        self.app = create_jamf(
            self.fleet,
            self.clock,
            client_id=CLIENT_ID,
            client_secret=CLIENT_SECRET,
            account=LabAccount(ACCOUNT.username, ACCOUNT.password),
        )
        self.store: JamfStore = self.app.state.jamf
        self.groups = self.fleet.groups_on(Plane.JAMF)

    def wire(self, **fate: Any) -> Wire:
        return Wire(httpx.ASGITransport(self.app), **fate)

    def plane(self, wire: httpx.AsyncBaseTransport | None = None) -> JamfPlane:
        return plane_over(wire or self.wire(), self.clock)

    def policy(self, ending: str) -> dict[str, Any]:
        """The one policy whose name ends so."""
        [policy] = [policy for policy in self.store.policies if policy.name.endswith(ending)]
        return policy.value

    def group_ids(self, ending: str) -> list[str]:
        return [str(group["id"]) for group in self.policy(ending)["scope"]["computer_groups"]]

    def runs(self, device: LabDevice) -> list[str]:
        """Names of the policies that the simulated computer ran to completion, oldest first."""
        runs = [run for history in self.store.histories(device) for run in history.runs if run.completed]
        return [run.policy.name for run in sorted(runs, key=lambda run: run.ended_at)]

    def stored(self) -> list[tuple[str, int]]:
        """(SHA-256, size) of everything uploaded, as read back from the simulated server's disk."""
        return [(str(content["sha256"]), int(content["size"])) for content in self.store.contents()]


@dataclass
class Shelf:
    """A TokenShelf in memory, for replicas of one test."""

    tokens: dict[str, SealedToken] = field(default_factory=dict)
    generations: dict[str, int] = field(default_factory=dict)
    claims: dict[str, tuple[str, datetime]] = field(default_factory=dict)

    async def look(self, key: str) -> Shelved:
        return Shelved(self.tokens.get(key), self.generations.get(key, 0))

    async def claim(self, key: str, renewer: str, *, generation: int, now: datetime, until: datetime) -> bool:
        held = self.claims.get(key)
        if generation != self.generations.get(key, 0) or (held is not None and held[1] > now):
            return False
        self.claims[key] = renewer, until
        return True

    async def put(self, key: str, renewer: str, token: SealedToken) -> bool:
        if self.claims.pop(key, ("", None))[0] != renewer:
            return False
        self.tokens[key], self.generations[key] = token, self.generations.get(key, 0) + 1
        return True

    async def release(self, key: str, renewer: str) -> None:
        if self.claims.get(key, ("", None))[0] == renewer:
            del self.claims[key]


class Distorting(httpx.AsyncBaseTransport):
    """The simulated server, some of whose answers are replaced; None lets the real one through."""

    def __init__(self, rig: Rig, replace_: Callable[[httpx.Request, int], httpx.Response | None]) -> None:
        self._inner, self._replace = httpx.ASGITransport(rig.app), replace_
        self._counts: dict[str, int] = {}
        self.calls: list[str] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        call = f"{request.method} {request.url.path}"
        self.calls.append(call)
        self._counts[call] = self._counts.get(call, 0) + 1
        replaced = self._replace(request, self._counts[call])
        return replaced if replaced is not None else await self._inner.handle_async_request(request)


def a_publication(directory: Path, content: bytes = b"xar!" + bytes(range(256)) * 64, **changes: Any) -> Publication:
    path = directory / "Editor-2.1.pkg"
    path.write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    publication = Publication(
        key=f"eucora:intent-7:{digest}",
        name="Editor",
        version="2.1",
        publisher="Example Ltd",
        content=path,
        content_sha256=digest,
        content_size=len(content),
        file_name="Editor-2.1.pkg",
        install_command="",
        uninstall_command=COMMAND,
        detection=ReceiptDetection("com.example.editor", "2.1"),
    )
    return replace(publication, **changes)


def an_assignment(publication: Publication, ref: str, group: str, offer: Offer = Offer.INSTALL) -> Assignment:
    command = COMMAND if offer is Offer.UNINSTALL else ""
    return Assignment(publication.key, ref, publication.name, publication.version, group, offer, command)


def a_watch(publication: Publication, ref: str, devices: list[str], offer: Offer = Offer.INSTALL, **more: Any) -> Watch:
    return Watch(publication.key, ref, publication.name, publication.version, offer, devices, **more)


def a_withdrawal(publication: Publication, ref: str, *groups: str) -> Withdrawal:
    return Withdrawal(publication.key, ref, publication.name, publication.version, groups)


async def looked_at(plane: JamfPlane, watch: Watch) -> dict[str, Observation]:
    batches = [batch async for batch in plane.observe(watch, correlation_id=CORRELATION)]
    seen = [observation for batch in batches for observation in batch]
    assert len(seen) == len({observation.device_id for observation in seen})
    return {observation.device_id: observation for observation in seen}


async def offered(rig: Rig, publication: Publication, ring: int, offer: Offer = Offer.INSTALL) -> str:
    """The package's id, once it is published and offered to the ring."""
    published = await rig.plane().publish(publication, correlation_id=CORRELATION)
    assignment = an_assignment(publication, published.ref, rig.groups[ring].id, offer)
    await rig.plane().assign(assignment, correlation_id=CORRELATION)
    return published.ref
