"""Nine things that must hold when a plane misbehaves, each told on its own, over HTTP against the simulated vendors.

What the parts do one by one is in ``test_http_*``; here whole verbs run through the whole stack, on both planes.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog.testing
from http_fakes import CountingBudget, HandClock
from intune_lab import BLOCK_BYTES, package_file, publication
from jamf_rig import a_publication

from eucora.application.planes import Assignment, Offer, PlaneError, PlanePort, PlaneUnavailable, Publication
from eucora.connectors.entra.credentials import ClientSecret
from eucora.connectors.http import NO_RETRY, RetrySettings
from eucora.connectors.intune.connect import IntuneAccess, connect_intune
from eucora.connectors.intune.content import Patience
from eucora.connectors.jamf.connect import JamfAccess, connect_jamf
from eucora.connectors.jamf.sign_in import ApiClient
from eucora.domain.planes import Plane
from eucora.lab.server import LabAddresses, serve_lab

CORRELATION = "9c2a8a1e-52cb-4a3f-8d1e-0a4c6a3f0b11"
LAB_RING = {Plane.INTUNE: "ring-0-lab", Plane.JAMF: "ring-0-lab"}
UPSTREAM = {Plane.INTUNE: "graph", Plane.JAMF: "jamf"}  # the lab's names for what stands behind a plane
PLANES = (Plane.INTUNE, Plane.JAMF)  # those with a connection of their own
BOTH = pytest.mark.parametrize("plane", PLANES)


class Wire(httpx.AsyncBaseTransport):
    """The real network, and every request that went over it."""

    def __init__(self) -> None:
        self._inner = httpx.AsyncHTTPTransport()
        self.requests: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self._inner.aclose()


class SoonClock(HandClock):
    """A clock whose waits take no time of ours, but give the lab, which works in a thread, a moment of its own."""

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds)
        await asyncio.sleep(0.005)


@dataclass
class House:
    """Both planes over one lab. Each has a clock, turned by its waits, that windows and back-offs are counted on."""

    lab: LabAddresses
    planes: dict[Plane, PlanePort]
    wires: dict[Plane, Wire]
    clocks: dict[Plane, HandClock]
    admin: httpx.AsyncClient

    async def fail(self, plane: Plane, count: int, status: int = 503, **where: str) -> None:
        """Let the next ``count`` fitting requests to the plane fail."""
        fault: dict[str, Any] = {"upstream": UPSTREAM[plane], "status": status, "count": count, **where}
        assert (await self.admin.post("/faults", json=fault)).status_code == 204

    async def heal(self) -> None:
        await self.admin.delete("/faults")

    async def look(self, plane: Plane) -> int:
        """Resolve the lab ring's group on a plane: its devices."""
        return len((await self.planes[plane].resolve(LAB_RING[plane], correlation_id=CORRELATION)).devices)

    async def look_in_vain(self, plane: Plane) -> PlaneUnavailable:
        with pytest.raises(PlaneUnavailable) as failed:
            await self.look(plane)
        return failed.value

    def sent(self, plane: Plane) -> int:
        return len(self.wires[plane].requests)


@pytest.fixture(scope="module")
def lab() -> Iterator[LabAddresses]:
    with serve_lab(seed=7, pace=3_600, windows=40, macs=40) as addresses:
        yield addresses


@pytest.fixture
async def house(lab: LabAddresses) -> AsyncIterator[House]:
    """Nothing is repeated by itself, so that a scenario counts what it caused."""
    async with a_house(lab, NO_RETRY) as house:
        yield house


@pytest.fixture
async def patient_house(lab: LabAddresses) -> AsyncIterator[House]:
    """As in production: three tries."""
    async with a_house(lab, RetrySettings()) as house:
        yield house


@asynccontextmanager
async def a_house(lab: LabAddresses, retry: RetrySettings) -> AsyncIterator[House]:
    budget, clocks, wires = (
        CountingBudget(),
        {plane: SoonClock() for plane in PLANES},
        {plane: Wire() for plane in PLANES},
    )
    windows, macs = clocks[Plane.INTUNE], clocks[Plane.JAMF]
    intune = connect_intune(
        IntuneAccess(lab.tenant, lab.client_id, ClientSecret(lab.client_secret), lab.graph_url, lab.entra_authority),
        budget=budget, retry=retry, patience=Patience(poll_s=0.02, polls_max=500), block_bytes=BLOCK_BYTES,
        now=windows.now, monotonic=windows.monotonic, sleep=windows.sleep, inner=wires[Plane.INTUNE],
    )  # fmt: skip
    jamf = connect_jamf(
        JamfAccess(lab.jamf_url, ApiClient(lab.jamf_client_id, lab.jamf_client_secret)),
        budget=budget, retry=retry,
        now=macs.now, monotonic=macs.monotonic, sleep=macs.sleep, inner=wires[Plane.JAMF],
    )  # fmt: skip
    async with httpx.AsyncClient(base_url=lab.admin_url) as admin:
        house = House(lab, {Plane.INTUNE: intune.plane, Plane.JAMF: jamf}, wires, dict(clocks), admin)
        yield house
        await house.heal()
    await intune.aclose()
    await jamf.aclose()


# 1, 2: the breaker of each plane


@BOTH
async def test_after_five_failures_the_plane_is_left_alone(house: House, plane: Plane) -> None:
    assert await house.look(plane) > 0
    await house.fail(plane, count=100)
    for _ in range(5):
        assert (await house.look_in_vain(plane)).status == 503
    before = house.sent(plane)
    refused = await house.look_in_vain(plane)
    assert house.sent(plane) == before, "the sixth call fails without a request"
    assert (refused.kind, refused.retry_after_s) == ("transient", 60.0)


# 3: half open


@BOTH
async def test_after_a_minute_one_call_probes_and_closes_the_circuit(house: House, plane: Plane) -> None:
    await house.look(plane)
    await house.fail(plane, count=100)
    for _ in range(6):
        await house.look_in_vain(plane)
    await house.heal()
    house.clocks[plane].elapsed_s += 59
    await house.look_in_vain(plane)
    house.clocks[plane].elapsed_s += 1
    assert await house.look(plane) > 0
    assert await house.look(plane) > 0, "and it stays closed"


# 4: retry


@BOTH
async def test_a_transient_error_is_repeated_until_the_answer_comes(patient_house: House, plane: Plane) -> None:
    devices = await patient_house.look(plane)
    await patient_house.fail(plane, count=2)
    before = patient_house.sent(plane)
    assert await patient_house.look(plane) == devices
    (first, second, third, *_) = patient_house.wires[plane].requests[before:]
    assert first.url == second.url == third.url


# 5: correlation


@BOTH
async def test_the_correlation_id_goes_out_with_every_request_and_comes_back(house: House, plane: Plane) -> None:
    await house.look(plane)
    await house.fail(plane, count=1)
    with structlog.testing.capture_logs() as logs:
        failed = await house.look_in_vain(plane)
    requests = house.wires[plane].requests
    assert len(requests) >= 3, "a token among them"
    assert {request.headers.get("X-Correlation-ID") for request in requests} == {CORRELATION}
    assert failed.correlation_id == CORRELATION
    assert [one["correlation_id"] for one in logs if one["event"] == "plane.call_failed"] == [CORRELATION]


# 6: the record of a failure


@BOTH
async def test_a_failure_is_one_structured_record_without_a_secret(house: House, plane: Plane) -> None:
    await house.look(plane)
    await house.fail(plane, count=1, status=500)
    with structlog.testing.capture_logs() as logs:
        await house.look_in_vain(plane)
    (record,) = [one for one in logs if one["event"] == "plane.call_failed"]
    assert record["log_level"] == "warning"
    assert (record["plane"], record["operation"], record["status"]) == (plane.value, "resolve", 500)
    assert record["upstream"].partition(":")[0] == UPSTREAM[plane]
    assert record["correlation_id"] == CORRELATION
    tokens = {request.headers.get("Authorization", "").partition(" ")[2] for request in house.wires[plane].requests}
    secrets = {house.lab.client_secret, house.lab.jamf_client_secret, *tokens} - {""}
    assert len(secrets) >= 3
    assert [secret for secret in secrets if secret in str(logs)] == []


# 7: once, however often it is asked for


async def test_a_package_that_was_created_before_is_found_again(house: House, tmp_path: Path) -> None:
    wanted, jamf = a_publication(tmp_path, key=f"eucora:again:{'ab' * 32}", name="Twice"), house.planes[Plane.JAMF]
    first = await jamf.publish(wanted, correlation_id=CORRELATION)
    second = await jamf.publish(wanted, correlation_id=CORRELATION)
    assert (first.created, second.created) == (True, False)
    assert (second.ref, second.content_version) == (first.ref, first.content_version)
    assert len(created(house.wires[Plane.JAMF])) == 1


async def test_a_package_whose_creation_was_answered_by_nobody_is_not_created_twice(
    house: House, tmp_path: Path
) -> None:
    wanted, jamf = a_publication(tmp_path, key=f"eucora:lost:{'ab' * 32}", name="Lost"), house.planes[Plane.JAMF]
    await house.fail(Plane.JAMF, count=1, status=503, method="POST", path_contains="/upload")
    with pytest.raises(PlaneUnavailable):
        await jamf.publish(wanted, correlation_id=CORRELATION)
    assert (await jamf.publish(wanted, correlation_id=CORRELATION)).ref
    assert len(created(house.wires[Plane.JAMF])) == 1


def created(wire: Wire) -> Sequence[str]:
    return [r.url.path for r in wire.requests if r.method == "POST" and r.url.path.endswith("/v1/packages")]


# 8: isolation


@pytest.mark.parametrize("broken", PLANES)
async def test_one_plane_fails_and_the_other_deploys(house: House, tmp_path: Path, broken: Plane) -> None:
    (well,) = set(PLANES) - {broken}
    await house.look(broken)
    await house.fail(broken, count=1_000)

    async def deploy(plane: Plane) -> str:
        """Try until the plane took it, or the circuit has been open for some calls."""
        wanted = for_plane(plane, tmp_path, f"isolated-{broken}")
        for _ in range(7):
            with suppress(PlaneUnavailable):
                return await offered(house, plane, wanted)
        raise PlaneUnavailable(plane, "deploy", "seven times in vain")

    outcome = dict(
        zip(
            (broken, well),
            await asyncio.gather(deploy(broken), deploy(well), return_exceptions=True),
            strict=True,
        )
    )
    assert isinstance(outcome[broken], PlaneError)
    assert isinstance(outcome[well], str)
    assert (await house.look_in_vain(broken)).retry_after_s is not None, "its circuit is open"
    assert await house.look(well) > 0


# 9: one id on both planes


async def test_one_intents_key_leads_to_its_object_on_both_planes(house: House, tmp_path: Path) -> None:
    intent = "0190-both"
    for plane in PLANES:
        wanted = for_plane(plane, tmp_path, intent)
        ref = await offered(house, plane, wanted)
        found = await house.planes[plane].inspect(wanted.key, wanted.name, wanted.version, correlation_id=CORRELATION)
        assert found.ref == ref
        assert wanted.key.split(":")[:2] == ["eucora", intent]
        stranger = await house.planes[plane].inspect(
            wanted.key.replace(intent, "0190-other"), "Other", "1.0", correlation_id=CORRELATION
        )
        assert stranger.ref is None
    for plane, wire in house.wires.items():
        keyed = [r for r in wire.requests if intent.encode() in r.url.raw_path + await body_of(r)]
        assert keyed, f"the key went to {plane}"


async def body_of(request: httpx.Request) -> bytes:
    try:
        return request.content
    except httpx.RequestNotRead:
        return b""


def for_plane(plane: Plane, folder: Path, intent: str) -> Publication:
    """The intent's content for a plane."""
    own = folder / f"{plane}-{intent}"
    own.mkdir()
    if plane is Plane.INTUNE:
        return publication(package_file(own), intent=intent, name=f"Viewer {intent}")
    content = b"xar!" + hashlib.sha256(intent.encode()).digest() * 64
    digest = hashlib.sha256(content).hexdigest()
    return a_publication(own, content, key=f"eucora:{intent}:{digest}", name=f"Editor {intent}")


async def offered(house: House, plane: Plane, wanted: Publication) -> str:
    """The vendor's id of the content, once it is published and offered to the lab ring."""
    port = house.planes[plane]
    published = await port.publish(wanted, correlation_id=CORRELATION)
    group = await port.resolve(LAB_RING[plane], correlation_id=CORRELATION)
    offer = Assignment(wanted.key, published.ref, wanted.name, wanted.version, group.ref, Offer.INSTALL)
    await port.assign(offer, correlation_id=CORRELATION)
    return published.ref
