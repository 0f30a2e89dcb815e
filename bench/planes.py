"""A release offered to 20 groups of each plane and looked at until its devices have answered, at the vendors' limits.

The lab counts and refuses as the vendors document it, connectors and shared budget are those of production, and time is
virtual: it passes only while everybody waits, for the budgets or for one of the vendors' answers. Offering (publish,
then 20 assignments) and looking (one observation of all devices) are timed apart; the hours in between, in which the
devices work, are not.

What the limits allow: for each phase, the greatest over the documented windows of

    counted in the window's service x the window's seconds / the window's limit

which is the time at the sustained rate of the service that is asked most. A window could be spent at its beginning all
at once, which is faster for what fits into one; nobody who shares a limit with other work can count on that.
"""

import hashlib
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

import asyncpg
import httpx
from starlette.applications import Starlette

from bench.report import Comparison, compare
from bench.virtual import VirtualBudget, VirtualTime
from eucora.application.lanes import Lane, lane
from eucora.application.planes import (
    Assignment,
    Detection,
    FileDetection,
    Offer,
    PlanePort,
    Publication,
    ReceiptDetection,
    Watch,
)
from eucora.connectors.entra.credentials import ClientSecret
from eucora.connectors.intune.connect import IntuneAccess, connect_intune
from eucora.connectors.intune.content import Patience
from eucora.connectors.jamf.connect import JamfAccess, connect_jamf
from eucora.connectors.jamf.sign_in import ApiClient
from eucora.domain.planes import InstallState, Plane
from eucora.formats.intunewin import KeyMaterial, pack
from eucora.lab.app import Lab, create_lab
from eucora.lab.clock import ManualClock
from eucora.lab.roster import LabDevice, LabGroup, draw_uuid
from eucora.store.database import APP, Pool
from eucora.store.embedded import Server

WINDOWS: Final = 100_000
MACS: Final = 5_000  # a request each: Jamf tells the runs of one computer at a time
GROUPS: Final = 20
AT_MOST: Final = 1.3  # of what the limits allow
CONNECTIONS_MAX: Final = 5  # that Jamf asks for
LATENCY_S: Final = 0.04  # of an answer, in virtual time
BLOCK_BYTES: Final = 64 * 1024
PACE: Final = 60.0  # so that the vendors' own work on a package is no part of what is measured
DEVICES_WORK_S: Final = 1_800.0  # until every device that lives has checked in, tried three times and been heard of
REPORT_EVERY_S: Final = 3_600.0  # at pace 1: the lab makes a report of 100,000 rows once and not for each of its pages
BASE: Final = "http://lab.test"
START: Final = datetime(2026, 3, 2, 12, tzinfo=UTC)
CORRELATION: Final = "0190a7e4-3a6d-7c11-9f51-1f2f3a4b5c6d"
FINAL: Final = frozenset({InstallState.INSTALLED, InstallState.FAILED})


class Wire(httpx.AsyncBaseTransport):
    """Carries requests to the lab; counts them, those out at once at the most, and the 429 among the answers."""

    def __init__(self, app: Starlette, time: VirtualTime) -> None:
        self._inner, self._time = httpx.ASGITransport(app=app), time
        self.requests = self.throttled = self.at_once = self.at_once_max = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests += 1
        self.at_once += 1
        self.at_once_max = max(self.at_once_max, self.at_once)
        answer = await self._inner.handle_async_request(request)
        await self._time.sleep(LATENCY_S)
        self.at_once -= 1
        self.throttled += answer.status_code == 429
        return answer


@dataclass(slots=True)
class Bench:
    """A lab of its own, the wire to it, and what two phases took and should have taken, in virtual seconds."""

    app: Starlette
    time: VirtualTime
    wire: Wire
    took_s: list[float] = field(default_factory=list)
    least_s: list[float] = field(default_factory=list)

    @property
    def lab(self) -> Lab:
        lab: Lab = self.app.state.lab
        return lab

    def monotonic(self) -> float:
        return (self.time.clock.now() - START).total_seconds()

    @contextmanager
    def phase(self) -> Iterator[None]:
        """Time what happens inside, and what the limits allow for it."""
        windows = self.lab.limits.windows.values()
        began, before = self.monotonic(), [window.count for window in windows]
        yield
        self.took_s.append(self.monotonic() - began)
        counts = [window.count - count for window, count in zip(windows, before, strict=True)]
        rates = [window.seconds / window.limit for window in windows]
        self.least_s.append(max(count * rate for count, rate in zip(counts, rates, strict=True)))

    def facts(self, devices: int, answered: int) -> dict[str, object]:
        limits = self.lab.limits
        return {
            "devices": devices,
            "answered": answered,
            "groups": GROUPS,
            "requests": self.wire.requests,
            "over_the_limits": limits.refused,
            "throttled": self.wire.throttled,
            "seconds": [round(seconds, 1) for seconds in self.took_s],
            "limits_allow": [round(seconds, 1) for seconds in self.least_s],
            "fullest": {name: f"{w.peak} of {w.limit}" for name, w in limits.windows.items() if w.peak},
        }


def bench(*, windows: int, macs: int) -> Bench:
    """A lab that refuses what exceeds the limits."""
    clock = ManualClock(START)
    app = create_lab(seed=7, clock=clock, pace=PACE, base_url=BASE, windows=windows, macs=macs)
    app.state.lab.limits.on = True
    app.state.lab.tenant.report_every_s = REPORT_EVERY_S
    time = VirtualTime(clock)
    return Bench(app, time, Wire(app, time))


async def both(server: Server, database: str, folder: Path) -> tuple[list[Comparison], dict[str, object]]:
    """Ratios of the time taken to what the limits allow, and what was counted."""
    found, facts = [], dict[str, object]()
    # Not as in production, where commits wait for the disk: that time is none that passes here.
    settings = {"timezone": "UTC", "role": APP, "synchronous_commit": "off"}
    async with asyncpg.create_pool(server.dsn(database), min_size=1, server_settings=settings) as pool:
        for name, measure in (("Intune", intune), ("Jamf Pro", jamf)):
            made, devices, answered = await measure(pool, folder)
            ratio = compare(
                f"{name} at its limits / what they allow", [sum(made.took_s)], [sum(made.least_s)], AT_MOST,
                at_most=True, unit="virtual s",
            )  # fmt: skip
            found.append(ratio)
            kept = made.lab.limits.refused == made.wire.throttled == 0
            facts[f"{name} limits"] = made.facts(devices, answered) | {"met": kept}
            if measure is jamf:
                most = made.wire.at_once_max
                facts["Jamf Pro connections"] = {
                    "at_once": most,
                    "at_most": CONNECTIONS_MAX,
                    "met": most <= CONNECTIONS_MAX,
                }
    return found, facts


async def intune(pool: Pool, folder: Path) -> tuple[Bench, int, int]:
    """The bench, how many devices were looked at, and how many had answered."""
    made = bench(windows=WINDOWS, macs=0)
    lab, credentials = made.lab, made.lab.directory.credentials
    connection = connect_intune(
        IntuneAccess(
            credentials.tenant,
            credentials.client_id,
            ClientSecret(credentials.client_secret),
            graph_url=f"{BASE}/graph/v1.0",
            login_url=f"{BASE}/entra",
        ),
        budget=VirtualBudget(pool, made.time),
        patience=Patience(poll_s=0.2),
        block_bytes=BLOCK_BYTES,
        now=made.time.clock.now,
        monotonic=made.monotonic,
        sleep=made.time.sleep,
        inner=made.wire,
    )
    devices = [device.managed_id for device in lab.tenant.devices]
    detection = FileDetection(r"%ProgramFiles%\Viewer", "viewer.exe", "2.4.1")
    release = _release(_intunewin(folder), "setup.exe /S", detection)
    answered = await _through(made, connection.plane, release, _entra_groups(lab), devices)
    await connection.aclose()
    return made, len(devices), answered


async def jamf(pool: Pool, folder: Path) -> tuple[Bench, int, int]:
    """As ``intune``."""
    made = bench(windows=0, macs=MACS)
    lab = made.lab
    plane = connect_jamf(
        JamfAccess(f"{BASE}/jamf", ApiClient(lab.jamf_client_id, lab.jamf_client_secret)),
        budget=VirtualBudget(pool, made.time),
        now=made.time.clock.now,
        monotonic=made.monotonic,
        sleep=made.time.sleep,
        inner=made.wire,
    )
    content = folder / "Viewer-2.4.1.pkg"
    content.write_bytes(b"xar!" + random.Random(7).randbytes(4 * BLOCK_BYTES))
    release = _release(content, "", ReceiptDetection("com.example.viewer", "2.4.1"))
    answered = await _through(made, plane, release, _jamf_groups(lab), list(lab.jamf.computers))
    await plane.aclose()
    lab.jamf.packages.close()
    return made, MACS, answered


async def _through(
    made: Bench, plane: PlanePort, release: Publication, groups: Sequence[str], devices: Sequence[str]
) -> int:
    """How many of the ``devices`` had answered; offered as a rollout does it, looked at as an inventory does."""
    async with made.time.passing():
        with made.phase():
            published = await plane.publish(release, correlation_id=CORRELATION)
            for group in groups:
                offer = Assignment(release.key, published.ref, release.name, release.version, group, Offer.INSTALL)
                await plane.assign(offer, correlation_id=CORRELATION)
        made.time.clock.advance(DEVICES_WORK_S)
        watch = Watch(release.key, published.ref, release.name, release.version, Offer.INSTALL, devices)
        answered = 0
        with lane(Lane.INVENTORY), made.phase():
            async for batch in plane.observe(watch, correlation_id=CORRELATION):
                answered += sum(seen.state in FINAL for seen in batch)
    return answered


def _release(content: Path, command: str, detection: Detection) -> Publication:
    digest = hashlib.sha256(content.read_bytes()).hexdigest()
    return Publication(
        key=f"eucora:bench:{digest}",
        name="Viewer",
        version="2.4.1",
        publisher="Example Ltd",
        content=content,
        content_sha256=digest,
        content_size=content.stat().st_size,
        file_name=content.name,
        install_command=command,
        uninstall_command="setup.exe /uninstall /S",
        detection=detection,
    )


def _intunewin(folder: Path) -> Path:
    """A package of a few blocks."""
    source, target = folder / "source", folder / "setup.intunewin"
    source.mkdir()
    (source / "setup.exe").write_bytes(b"MZ" + random.Random(7).randbytes(4 * BLOCK_BYTES))
    pack(source, "setup.exe", target, keys=KeyMaterial(bytes(range(32)), bytes(range(32, 64)), bytes(range(16))))
    return target


def _shares(devices: Sequence[LabDevice]) -> list[Sequence[LabDevice]]:
    """The devices in as many parts as there are groups."""
    return [devices[number::GROUPS] for number in range(GROUPS)]


def _entra_groups(lab: Lab) -> list[str]:
    """Ids of groups that hold every Windows device, each in one of them."""
    ids, now = [], lab.clock.now()
    for number, share in enumerate(_shares(lab.tenant.devices)):
        group = LabGroup(draw_uuid(7, "bench", number), f"bench-{number}", Plane.INTUNE, ())
        lab.tenant.groups[group.id] = group
        for device in share:
            lab.tenant.memberships.set(group.id, device.entra_object_id, now, joins=True)
        ids.append(group.id)
    return ids


def _jamf_groups(lab: Lab) -> list[str]:
    """As ``_entra_groups``, of Macs."""
    ids = []
    for number, share in enumerate(_shares(lab.fleet.on(Plane.JAMF))):
        document = ElementTree.Element("computer_group")
        _said(document, "name", f"bench-{number}")
        _said(document, "is_smart", "false")
        computers = ElementTree.SubElement(document, "computers")
        for device in share:
            _said(ElementTree.SubElement(computers, "computer"), "id", device.jamf_id)
        ids.append(lab.jamf.groups.create(document).id)
    return ids


def _said(parent: ElementTree.Element, name: str, text: str) -> None:
    ElementTree.SubElement(parent, name).text = text
