"""The lab as an HTTP server on loopback: in a thread of this process, or as the process itself."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import uvicorn

from eucora.lab.app import Lab, create_lab
from eucora.lab.clock import Clock, SystemClock
from eucora.lab.recorder import Recorder

_HOST: Final = "127.0.0.1"
_START_S: Final = 30.0
_STOP_S: Final = 10.0


# Of a lab that people start: enough for the first two rings of Intune's Macs and a few in the third.
INTUNE_MACS: Final = 60


@dataclass(frozen=True, slots=True)
class LabAddresses:
    """Where the simulated vendors are reached and with which credentials; URLs without a slash at the end."""

    base_url: str
    entra_authority: str
    graph_url: str
    jamf_url: str
    oidc_issuer: str
    admin_url: str
    tenant: str
    client_id: str
    client_secret: str
    jamf_client_id: str
    jamf_client_secret: str


class LabNotStarted(RuntimeError):
    """The server did not come up."""


@contextmanager
def serve_lab(
    *,
    seed: int,
    pace: float,
    clock: Clock | None = None,
    port: int = 0,
    windows: int = 1200,
    macs: int = 800,
    intune_macs: int = 0,
    token_lifetime_s: int | None = None,
    recorder: Recorder | None = None,
) -> Iterator[LabAddresses]:
    """Serve the lab in a thread until the block is left; port 0 takes a free one.

    Raises:
        LabNotStarted: the server did not come up.
        OSError: the port is taken.
    """
    with _listening(port) as listener:
        base_url = _base_url(listener)
        app = create_lab(
            seed=seed,
            clock=clock or SystemClock(),
            pace=pace,
            base_url=base_url,
            windows=windows,
            macs=macs,
            intune_macs=intune_macs,
            token_lifetime_s=token_lifetime_s,
            recorder=recorder,
        )
        server = _Server(_config(app), app.state.lab)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="lab", daemon=True)
        thread.start()
        try:
            if not server.up.wait(_START_S):
                raise LabNotStarted("the lab's server did not come up")
            yield addresses(base_url, app.state.lab)
        finally:
            server.should_exit = True
            thread.join(_STOP_S)
            app.state.lab.jamf.packages.close()


def run(*, seed: int, pace: float, port: int = 0, ready: Callable[[LabAddresses], None]) -> None:
    """Serve the lab until the process is told to stop; ``ready`` is called once with the addresses.

    Raises:
        OSError: the port is taken.
    """
    with _listening(port) as listener:
        base_url = _base_url(listener)
        app = create_lab(seed=seed, clock=SystemClock(), pace=pace, base_url=base_url, intune_macs=INTUNE_MACS)
        try:
            ready(addresses(base_url, app.state.lab))
            _Server(_config(app), app.state.lab).run(sockets=[listener])
        finally:
            app.state.lab.jamf.packages.close()


def addresses(base_url: str, lab: Lab) -> LabAddresses:
    """The addresses and credentials of a lab reached at ``base_url``."""
    credentials = lab.directory.credentials
    return LabAddresses(
        base_url=base_url,
        entra_authority=f"{base_url}/entra",
        graph_url=f"{base_url}/graph/v1.0",
        jamf_url=f"{base_url}/jamf",
        oidc_issuer=f"{base_url}/oidc",
        admin_url=f"{base_url}/admin",
        tenant=credentials.tenant,
        client_id=credentials.client_id,
        client_secret=credentials.client_secret,
        jamf_client_id=lab.jamf_client_id,
        jamf_client_secret=lab.jamf_client_secret,
    )


class _Server(uvicorn.Server):
    """A server that says when it listens and clears up before it goes."""

    def __init__(self, config: uvicorn.Config, lab: Lab) -> None:
        super().__init__(config)
        self.up = threading.Event()
        self._lab = lab

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        # Here, because uvicorn raises the signal that ended it once more on its way out, and SIGTERM runs no finally.
        self._lab.jamf.packages.close()


@contextmanager
def _listening(port: int) -> Iterator[socket.socket]:
    """A bound socket on loopback, so that the address is known before the app is made."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((_HOST, port))
        listener.listen(128)
        yield listener
    finally:
        listener.close()


def _base_url(listener: socket.socket) -> str:
    return f"http://{_HOST}:{listener.getsockname()[1]}"


def _config(app: Callable[..., object]) -> uvicorn.Config:
    # log_config None: the process that hosts the lab keeps its own logging as it is.
    return uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        timeout_graceful_shutdown=2,
        date_header=False,  # the app dates its answers, by the lab's clock
    )
