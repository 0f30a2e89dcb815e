"""A Kandji connection over the lab's own app, or over answers of our own, on a clock that moves only when slept on."""

from collections.abc import Callable
from typing import Any

import httpx
from http_fakes import NOON, CountingBudget, HandClock, Network

from eucora.connectors.http import NO_RETRY, RetrySettings
from eucora.connectors.kandji.connect import Kandji, KandjiAccess, connect_kandji
from eucora.lab.app import Lab, create_lab
from eucora.lab.clock import ManualClock
from eucora.lab.kandji import shapes
from eucora.lab.roster import LabDevice
from eucora.lab.wire import lab_wire

BASE = "http://lab.test"
CORRELATION = "9c2a8a1e-52cb-4a3f-8d1e-0a4c6a3f0b11"
ASKED = {"correlation_id": CORRELATION}
TOKEN = "7b1f2c3d-aaaa-4bbb-8ccc-0123456789ab"


class KandjiWorld:
    """The lab's tenant with ``macs`` devices, and a connection to it; ``network`` keeps the requests."""

    def __init__(self, *, macs: int = 20, retry: RetrySettings = NO_RETRY, token: str = "") -> None:
        self.clock = ManualClock(NOON)
        app = create_lab(seed=7, clock=self.clock, pace=1, base_url=BASE, windows=0, macs=macs)
        self.lab: Lab = app.state.lab
        self.store, self.budget = self.lab.kandji, CountingBudget()
        wire = lab_wire(app)
        self.network = Network(lambda request: wire.handle_async_request(request))
        self.kandji = connect_kandji(
            KandjiAccess(f"{BASE}/kandji", token or self.store.token),
            budget=self.budget,
            retry=retry,
            now=self.clock.now,
            monotonic=lambda: (self.clock.now() - NOON).total_seconds(),
            sleep=self._sleep,
            inner=self.network,
        )
        self.devices = self.kandji.devices

    async def _sleep(self, seconds: float) -> None:
        self.clock.advance(seconds)

    def mac(self, number: int) -> tuple[LabDevice, str]:
        """A Mac of the fleet, and its id in Kandji."""
        device = self.store.devices()[number]
        return device, shapes.device_id(self.lab.fleet.seed, device)


def answering(handler: Callable[[httpx.Request], httpx.Response | httpx.TransportError]) -> tuple[Kandji, Network]:
    """A connection whose every question is answered by ``handler``."""
    clock, network = HandClock(), Network(handler)
    kandji = connect_kandji(
        KandjiAccess("https://example.api.kandji.io/api/v1", TOKEN),
        budget=CountingBudget(),
        retry=NO_RETRY,
        now=clock.now,
        monotonic=clock.monotonic,
        sleep=clock.sleep,
        inner=network,
    )
    return kandji, network


def saying(body: Any, status: int = 200) -> tuple[Kandji, Network]:
    """A connection that hears the same from every call."""
    return answering(lambda _request: httpx.Response(status, json=body))


def a_row(device_id: str, **more: Any) -> dict[str, Any]:
    return {
        "device_id": device_id,
        "serial_number": "C02S1",
        "mdm_enabled": True,
        "is_removed": False,
        "last_check_in": "2026-03-02T11:00:00.000000Z",
    } | more
