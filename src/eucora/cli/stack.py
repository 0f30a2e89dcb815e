"""API, worker and lab as processes of their own, watched over by this one."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import httpx

from eucora import bootstrap
from eucora.cli.console import fail
from eucora.cli.listening import listener
from eucora.lab.oidc import CONSOLE, password_for
from eucora.lab.server import LabAddresses
from eucora.settings import Settings

START_LIMIT_S = 60.0
STOP_LIMIT_S = 30.0


class Stack:
    """Everything on one machine. As a context manager it starts all of it, waits until it is ready, and stops it.

    ``lab_pace``: how many times faster than real the lab's devices live; None leaves the lab out. ``lab_port``: 0 takes
    a free one; people are known by their issuer's address, so who they are depends on it. ``quiet`` sends the
    processes' logs to ``<data dir>/logs`` instead of standard error.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        lab_pace: float | None = None,
        lab_seed: int = 7,
        lab_port: int = 0,
        quiet: bool = False,
    ) -> None:
        self._settings, self._pace, self._seed, self._quiet = settings, lab_pace, lab_seed, quiet
        self._lab_port = lab_port
        self._processes: dict[str, subprocess.Popen[str]] = {}
        self._held = ExitStack()
        self.lab: LabAddresses | None = None
        self.api_url = ""
        self.database_url = ""

    def __enter__(self) -> "Stack":
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()

    def _start(self) -> None:
        settings = self._settings
        if settings.port:  # else whoever is there already would be taken for us when we ask whether we are ready
            listener(settings.host, settings.port).close()
        # Held for as long as the processes live: they share the embedded server, and the last one out stops it.
        self.database_url = self._held.enter_context(bootstrap.database(settings, migrated=True))
        environment = dict(os.environ)
        environment["EUCORA_DATA_DIR"] = str(settings.data_dir)
        environment.setdefault("EUCORA_DRAIN_S", "0")  # no balancer stands before it, and whoever stops us waits
        if self._pace is not None:
            self.lab = self._start_lab(self._pace, environment)
            environment |= lab_environment(self.lab)
        port = settings.port or free_port()
        host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host  # only to reach ourselves
        self.api_url = f"http://{host}:{port}"
        self._spawn("serve", ["serve", "--host", settings.host, "--port", str(port)], environment)
        self._spawn("work", ["work"], environment)
        self._until_ready()

    def _start_lab(self, pace: float, environment: Mapping[str, str]) -> LabAddresses:
        arguments = ["lab", "--pace", str(pace), "--seed", str(self._seed), "--port", str(self._lab_port)]
        process = self._spawn("lab", arguments, environment, talks=True)
        line = process.stdout.readline() if process.stdout else ""
        if not line:
            fail(f"the lab did not start; see {self.log_of('lab')}")
        return LabAddresses(**json.loads(line))

    def _spawn(
        self, name: str, arguments: list[str], environment: Mapping[str, str], *, talks: bool = False
    ) -> "subprocess.Popen[str]":
        log: IO[str] | None = None
        if self._quiet:
            path = self._log_path(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            log = self._held.enter_context(path.open("a"))
        process = subprocess.Popen(
            [sys.executable, "-m", "eucora.cli.main", *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if talks else (log or sys.stderr),
            stderr=log,
            text=True,
            start_new_session=True,  # a Ctrl-C comes to us, and we stop them in order
        )
        self._processes[name] = process
        return process

    def _until_ready(self) -> None:
        deadline = time.monotonic() + START_LIMIT_S
        while time.monotonic() < deadline:
            self._require_all_alive()
            try:
                if httpx.get(f"{self.api_url}/readyz", timeout=2.0, trust_env=False).is_success:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        fail(f"the API at {self.api_url} was not ready within {START_LIMIT_S:.0f} s; see {self.log_of('serve')}")

    def _require_all_alive(self) -> None:
        for name, process in self._processes.items():
            if process.poll() is not None:
                fail(f"'eucora {name}' ended with exit code {process.returncode}; see {self.log_of(name)}")

    def _log_path(self, name: str) -> Path:
        return self._settings.data_dir / "logs" / f"{name}.log"

    def log_of(self, name: str) -> str:
        """Where to read on about one of ``serve``, ``work``, ``lab``: its log file, or that its lines are above."""
        return str(self._log_path(name)) if self._quiet else "its lines above"

    def sign_in_hint(self, username: str = "petra.publisher") -> str:
        """A shell command that prints an access token for that person of the lab; empty without a lab.

        The password follows from the lab's seed and opens nothing but this simulator on loopback.
        """
        if self.lab is None:
            return ""
        return (
            f"curl -s -d grant_type=password -d client_id=eucora-cli -d username={username} "
            f"-d password={password_for(username, self._seed)} {self.lab.oidc_issuer}/token "
            '| sed \'s/.*"access_token":"\\([^"]*\\).*/\\1/\''
        )

    def wait(self) -> None:
        """Until interrupted, or until one of the processes ends, which ends all of them."""
        while True:
            self._require_all_alive()
            time.sleep(0.5)

    def process(self, name: str) -> "subprocess.Popen[str]":
        """One of ``serve``, ``work``, ``lab``."""
        return self._processes[name]

    def stop(self) -> None:
        """Stop in reverse order: no new work, then no new requests, then the vendors."""
        for name in ("work", "serve", "lab"):
            process = self._processes.pop(name, None)
            if process is None:
                continue
            end(process)
            if process.stdout:
                process.stdout.close()
        self._held.close()


def lab_environment(lab: LabAddresses) -> dict[str, str]:
    """The settings that connect EUCORA to a lab."""
    return {
        "EUCORA_OIDC_ISSUER": lab.oidc_issuer,
        "EUCORA_OIDC_CONSOLE_CLIENT_ID": CONSOLE,
        "INTUNE_TENANT_ID": lab.tenant,
        "INTUNE_CLIENT_ID": lab.client_id,
        "INTUNE_CLIENT_SECRET": lab.client_secret,
        "INTUNE_GRAPH_URL": lab.graph_url,
        "INTUNE_LOGIN_URL": lab.entra_authority,
        "JAMF_SERVER_URL": lab.jamf_url,
        "JAMF_CLIENT_ID": lab.jamf_client_id,
        "JAMF_CLIENT_SECRET": lab.jamf_client_secret,
    }


def end(process: "subprocess.Popen[Any]") -> None:
    """Stop a process: asked to, and killed where it has not ended after ``STOP_LIMIT_S`` seconds."""
    process.terminate()
    try:
        process.wait(STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_port() -> int:
    """A port on loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
