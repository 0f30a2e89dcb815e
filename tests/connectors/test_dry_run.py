"""A dry run tells exactly the requests that the rollout sends, and sends none of those that change something."""

import hashlib
import json
import os
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import httpx
import pytest
from defusedxml.ElementTree import fromstring
from http_fakes import NOON, CountingBudget, HandClock
from intune_lab import BASE, BLOCK_BYTES, package_file, publication
from jamf_rig import COMMAND, a_publication

from eucora.application.budgets import BudgetPaused
from eucora.application.planes import (
    Assignment,
    Device,
    Gathering,
    Offer,
    PlanePort,
    PlaneUnavailable,
    Publication,
    Watch,
    Withdrawal,
)
from eucora.connectors.dry_run.budget import OwnBudget
from eucora.connectors.dry_run.graph import GraphStandIn
from eucora.connectors.dry_run.jamf import JamfStandIn
from eucora.connectors.dry_run.sent import Kind
from eucora.connectors.dry_run.transport import DryRunTransport, ReadsOnly, Unforeseen, WouldWrite, kind_of
from eucora.connectors.entra.credentials import ClientSecret
from eucora.connectors.http import NO_RETRY
from eucora.connectors.intune.connect import IntuneAccess, connect_intune
from eucora.connectors.intune.content import Patience
from eucora.connectors.jamf.connect import JamfAccess, connect_jamf
from eucora.connectors.jamf.sign_in import ApiClient
from eucora.connectors.transports import READS
from eucora.domain.planes import Plane
from eucora.lab.app import Lab, create_lab
from eucora.lab.clock import ManualClock

CORRELATION = "0190a7e4-3a6d-7c11-9f51-1f2f3a4b5c6d"
OURS = "EUCORA Editor ring 1 share 0-10"
# Writes of an earlier try that came through: none, some of the upload, all; in the long run each number of them.
DONE = [*range(17), 1_000] if os.environ.get("EUCORA_TEST_LONG") else [0, 5, 1_000]
PLANES = pytest.mark.parametrize("plane", [Plane.INTUNE, Plane.JAMF])


@dataclass
class Wire(httpx.AsyncBaseTransport):
    """The way to the lab; keeps what went over it. It may be cut when so many writes have gone over."""

    inner: httpx.AsyncBaseTransport
    writes_max: int = 1_000
    requests: list[httpx.Request] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        assert isinstance(request.stream, httpx.AsyncByteStream)
        body = b"".join([chunk async for chunk in request.stream])
        self.bodies.append(body)
        if sum(kind_of(one) is Kind.WRITE for one in self.requests) > self.writes_max:
            raise httpx.ConnectError("cut", request=request)
        return await self.inner.handle_async_request(
            httpx.Request(
                request.method, request.url, headers=request.headers, content=body, extensions=request.extensions
            )
        )


class Tenant:
    """A lab, and the connectors over a wire to it."""

    def __init__(self) -> None:
        self.clock = ManualClock(NOON)
        app = create_lab(seed=7, clock=self.clock, pace=300.0, base_url=BASE, windows=40, macs=40)
        self.lab: Lab = app.state.lab
        self.wire = Wire(httpx.ASGITransport(app=app))

    def group(self, plane: Plane, name: str) -> str:
        if plane is Plane.JAMF:
            return self.lab.jamf.groups.named(name).id
        return next(group.id for group in self.lab.tenant.groups.values() if group.name == name)

    @asynccontextmanager
    async def connected(self, plane: Plane, network: httpx.AsyncBaseTransport) -> AsyncIterator[PlanePort]:
        """Waiting moves the clock."""

        async def sleep(seconds: float) -> None:
            self.clock.advance(seconds)

        def monotonic() -> float:
            return (self.clock.now() - NOON).total_seconds()

        if plane is Plane.JAMF:
            account = ApiClient(self.lab.jamf_client_id, self.lab.jamf_client_secret)
            jamf = connect_jamf(
                JamfAccess(f"{BASE}/jamf", account),
                budget=CountingBudget(), retry=NO_RETRY, now=self.clock.now, monotonic=monotonic, sleep=sleep,
                inner=network,
            )  # fmt: skip
            yield jamf
            await jamf.aclose()
            return
        own = self.lab.directory.credentials
        intune = connect_intune(
            IntuneAccess(
                own.tenant, own.client_id, ClientSecret(own.client_secret), f"{BASE}/graph/v1.0", f"{BASE}/entra"
            ),
            budget=CountingBudget(), retry=NO_RETRY, now=self.clock.now, monotonic=monotonic, sleep=sleep,
            inner=network, patience=Patience(poll_s=1.0, polls_max=60), block_bytes=BLOCK_BYTES,
        )  # fmt: skip
        yield intune.plane
        await intune.aclose()

    def holds(self) -> object:
        """Everything in the lab that a rollout may change."""
        jamf, tenant = self.lab.jamf, self.lab.tenant
        return (
            [*tenant.apps], [*tenant.groups], [*tenant.made_groups],
            [package.id for package in jamf.packages], [policy.value for policy in jamf.policies],
            [(group.id, group.members) for group in jamf.groups],
        )  # fmt: skip


def a_release(plane: Plane, folder: Path) -> Publication:
    return a_publication(folder) if plane is Plane.JAMF else publication(package_file(folder))


async def roll_out(tenant: Tenant, plane: Plane, port: PlanePort, release: Publication) -> None:
    """A ring with a whole group, a ring with a share, a removal, and the end of it."""
    lab_ring, canary = (tenant.group(plane, name) for name in ("ring-0-lab", "ring-1-canary"))
    key, name, version = release.key, release.name, release.version

    async def offer(ref: str, group: str, kind: Offer = Offer.INSTALL) -> None:
        asked = Assignment(key, ref, name, version, group, kind, COMMAND if kind is Offer.UNINSTALL else "")
        await port.assign(asked, correlation_id=CORRELATION)

    async def look(ref: str, devices: Sequence[str]) -> None:
        watch = Watch(key, ref, name, version, Offer.INSTALL, devices)
        async for _ in port.observe(watch, correlation_id=CORRELATION):
            continue

    async def keep(devices: Sequence[Device]) -> str:
        ids = [device.id for device in devices]
        return (await port.gather(Gathering(f"{key}:ring-1", OURS, canary, ids), correlation_id=CORRELATION)).ref

    first = await port.resolve(lab_ring, correlation_id=CORRELATION)
    ref = (await port.publish(release, correlation_id=CORRELATION)).ref
    await offer(ref, lab_ring)
    await look(ref, [device.id for device in first.devices[:3]])
    second = await port.resolve(canary, correlation_id=CORRELATION)
    kept = await keep(second.devices[:4])
    assert await keep(second.devices[2:6]) == kept
    assert (await port.publish(release, correlation_id=CORRELATION)).ref == ref
    await offer(ref, kept)
    await offer(ref, lab_ring, Offer.UNINSTALL)
    await port.withdraw(Withdrawal(key, ref, name, version, [lab_ring, kept]), correlation_id=CORRELATION)


def a_stand_in(plane: Plane, tenant: Tenant) -> GraphStandIn | JamfStandIn:
    return JamfStandIn() if plane is Plane.JAMF else GraphStandIn(tenant.clock.now)


_ID = re.compile(
    r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?<=/id/)\d+|(?<=packages/)\d+|(?<=contentVersions/)\d+|(?<=<id>)\d+(?=</id>)"
)


def _filled(element: Element) -> Element:
    """Without the empty parts that a server names when it is asked, and that are sent back with the others."""
    for child in list(element):
        if len(_filled(child)) == 0 and not (child.text or "").strip():
            element.remove(child)
    return element


def told(wire: Wire) -> list[tuple[str, str, str]]:
    """Method, address and body of each request with {} for every id; what is asked again and again is there once."""
    seen = []
    for request, body in zip(wire.requests, wire.bodies, strict=True):
        path = f"{request.url.path}?{request.url.query.decode()}"
        if "comp=" in path:  # an address that only the vendor can give
            path = "storage?" + path[path.index("comp=") :]
        content_type = request.headers.get("content-type", "")
        said = body.replace(content_type.partition("boundary=")[2].encode() or b"\0no boundary", b"--")
        if "xml" in content_type and path.startswith("/jamf"):
            said = ElementTree.tostring(_filled(fromstring(body)))
        seen.append((request.method, _ID.sub("{}", path), _ID.sub("{}", said.decode("latin-1"))))
    runs = [[*run] for _, run in groupby(seen, key=lambda one: one[:2] if "comp=block&" not in one[1] else "blocks")]
    # blocks go side by side, so in any order
    return [one for run in runs for one, _ in groupby(sorted(run) if "comp=block&" in run[0][1] else run)]


@PLANES
@pytest.mark.parametrize("done", DONE)
async def test_a_dry_run_asks_for_what_the_rollout_asks_for_and_writes_nothing(
    plane: Plane, done: int, tmp_path: Path
) -> None:
    release = a_release(plane, tmp_path)
    real, looked_at = Tenant(), Tenant()
    for tenant in (real, looked_at):
        if done:
            await begin(tenant, plane, release, done)
    async with real.connected(plane, real.wire) as port:
        await roll_out(real, plane, port, release)
    before = looked_at.holds()
    dry = DryRunTransport(looked_at.wire, a_stand_in(plane, looked_at))
    above = Wire(dry)
    async with looked_at.connected(plane, above) as port:
        await roll_out(looked_at, plane, port, release)

    assert told(above) == told(real.wire)
    assert sum(kind_of(request) is Kind.WRITE for request in real.wire.requests) >= 5
    assert [(one.method, one.kind) for one in dry.sent] == [(one.method, kind_of(one)) for one in above.requests]
    # what reached the tenant changed nothing: neither by what it was nor by what is there now
    assert {kind_of(request) for request in looked_at.wire.requests} == {Kind.SIGN_IN, Kind.READ}
    assert looked_at.holds() == before


async def begin(tenant: Tenant, plane: Plane, release: Publication, writes: int) -> None:
    """An earlier try that was cut off after so many writes, and half an hour in which the vendor settles."""
    async with tenant.connected(plane, Wire(tenant.wire.inner, writes)) as port:
        with suppress(PlaneUnavailable):
            await roll_out(tenant, plane, port, release)
    tenant.clock.advance(1_800)


@PLANES
async def test_nothing_secret_is_told_and_an_upload_is_told_by_its_digest(plane: Plane, tmp_path: Path) -> None:
    release, tenant = a_release(plane, tmp_path), Tenant()
    secret = "hunter2hunter2"
    release = replace(release, uninstall_command=f"remove --token {secret} /password={secret} /pwd:{secret}")
    dry = DryRunTransport(tenant.wire, a_stand_in(plane, tenant))
    above = Wire(dry)
    async with tenant.connected(plane, above) as port:
        ref = (await port.publish(release, correlation_id=CORRELATION)).ref
        group, command = tenant.group(plane, "ring-0-lab"), release.uninstall_command
        asked = Assignment(release.key, ref, release.name, release.version, group, Offer.UNINSTALL, command)
        await port.assign(asked, correlation_id=CORRELATION)
    told_all = repr(dry.sent)
    keys = re.findall(rb'"(?:encryptionKey|macKey)": ?"([^"]+)"', b"".join(above.bodies))
    own = tenant.lab.directory.credentials.client_secret, tenant.lab.jamf_client_secret
    tokens = {request.headers["Authorization"] for request in above.requests if "Authorization" in request.headers}
    assert len(keys) == (2 if plane is Plane.INTUNE else 0)
    assert len(tokens) == 1
    for hidden in (secret, *own, *(key.decode() for key in keys), *tokens):
        assert hidden not in told_all
    assert secret.encode() in b"".join(above.bodies)
    assert ref not in told_all
    if plane is Plane.JAMF:
        [upload] = [one for one in dry.sent if one.path.endswith("/upload")]
        assert (upload.sha256, upload.size) == (release.content_sha256, release.content_size)
        assert upload.body == f"{release.content_size} bytes, SHA-256 {release.content_sha256}"


@pytest.mark.parametrize(
    ("method", "url"),
    [
        ("POST", f"{BASE}/graph/v1.0/deviceAppManagement/mobileApps"),
        ("PATCH", f"{BASE}/graph/v1.0/groups/1"),
        ("DELETE", f"{BASE}/jamf/api/v1/packages/1"),
        ("PUT", f"{BASE}/jamf/JSSResource/policies/id/1"),
        ("POST", f"{BASE}/graph/v1.0/$batch"),
        ("POST", f"{BASE}/graph/v1.0/deviceManagement/reports/exportJobs"),
    ],
)
async def test_no_write_gets_past_the_lower_layer_whatever_the_connector_calls_it(method: str, url: str) -> None:
    reached = Wire(httpx.MockTransport(lambda _: httpx.Response(200)))
    for marked in (True, False):
        with pytest.raises(WouldWrite):
            await ReadsOnly(reached).handle_async_request(httpx.Request(method, url, extensions={READS: marked}))
    assert reached.requests == []


@pytest.mark.parametrize("stand_in", [GraphStandIn(lambda: NOON), JamfStandIn()])
async def test_a_write_that_nobody_knows_the_answer_to_ends_here_and_is_told(
    stand_in: GraphStandIn | JamfStandIn,
) -> None:
    reached = Wire(httpx.MockTransport(lambda _: httpx.Response(200)))
    dry = DryRunTransport(reached, stand_in)
    with pytest.raises(Unforeseen, match="depends on the vendor's answer"):
        await dry.handle_async_request(httpx.Request("POST", f"{BASE}/v1.0/api/v1/unheard-of", json={"a": "b"}))
    assert reached.requests == []
    assert [(one.kind, one.real, one.body) for one in dry.sent] == [(Kind.WRITE, False, '{\n  "a": "b"\n}')]


async def test_a_body_without_end_is_told_by_its_size_and_digest() -> None:
    body = json.dumps({"filler": "x" * (2 << 20)}).encode()
    dry = DryRunTransport(httpx.MockTransport(lambda _: httpx.Response(200)), GraphStandIn(lambda: NOON))
    with pytest.raises(Unforeseen):
        await dry.handle_async_request(httpx.Request("POST", f"{BASE}/v1.0/groups", content=body))
    assert dry.sent[0].body == f"{len(body)} bytes, SHA-256 {hashlib.sha256(body).hexdigest()}"


async def test_the_budget_is_a_part_of_the_vendors_and_writes_that_stay_here_cost_nothing() -> None:
    clock = HandClock()
    budget = OwnBudget(unmetered=["storage"], monotonic=clock.monotonic, sleep=clock.sleep)
    for _ in range(20):
        await budget.acquire("graph:tenant", per_s=4.0, burst=8)
        await budget.acquire("graph:tenant:writes", per_s=0.001, burst=1)
        await budget.acquire("storage:tenant", per_s=0.001, burst=1)
    assert clock.elapsed_s == pytest.approx(7.5)
    await budget.slow_down("graph:tenant", seconds=61, per_s=4.0, burst=8)
    with pytest.raises(BudgetPaused):
        await budget.acquire("graph:tenant", per_s=4.0, burst=8)
    clock.elapsed_s += 2
    await budget.acquire("graph:tenant", per_s=4.0, burst=8)
