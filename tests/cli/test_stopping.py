"""Whoever is told to stop stops, whatever has become of the terminal that it wrote to."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from textwrap import indent

import httpx
import pytest
import structlog

from databases import Database
from eucora.cli.console import one_line_errors
from eucora.observability import configure_logs


class Closed:
    """What a terminal is that was closed."""

    def write(self, _: str) -> int:
        raise OSError(5, "Input/output error")

    def flush(self) -> None:
        raise OSError(5, "Input/output error")


def test_a_record_that_nobody_can_write_stops_nobody(lines: object, monkeypatch: pytest.MonkeyPatch) -> None:
    configure_logs("info")
    monkeypatch.setattr(sys, "stderr", Closed())
    structlog.get_logger("test").info("api_stops", wait_s=0)


def test_a_service_ends_by_its_signal_when_its_log_is_gone(database: Database, tmp_path: Path) -> None:
    read, write = os.pipe()
    environment = os.environ | {"EUCORA_DATABASE_URL": database.url, "EUCORA_DATA_DIR": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-m", "eucora.cli.main", "serve", "--port", "0"], stderr=write, env=environment
    ) as process:
        os.close(write)
        with os.fdopen(read) as log:
            port = next(told["port"] for told in map(json.loads, log) if told["event"] == "api_listens")
            assert httpx.get(f"http://127.0.0.1:{port}/livez", timeout=60, trust_env=False).status_code == 200
        # Now nobody reads any more: every record fails with EPIPE.
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def ran(body: str) -> "subprocess.CompletedProcess[str]":
    """A process that does what every command does, and ``body`` in it."""
    program = (
        "import os, signal, time, typer\n"
        "from eucora.cli.console import one_line_errors\n"
        "def main() -> None:\n"
        "    with one_line_errors():\n"
        f"{indent(body, ' ' * 8)}\n"
    )
    command = [sys.executable, "-c", f"{program}\ntyper.run(main)"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)])
def test_a_command_ends_in_order_by_any_signal(number: int, code: int) -> None:
    told = ran(f"try:\n  os.kill(os.getpid(), {int(number)})\n  time.sleep(30)\nfinally:\n  print('in order')")
    assert (told.returncode, told.stdout) == (code, "in order\n"), told.stderr


def test_who_was_told_to_outlive_his_terminal_does() -> None:
    """As ``nohup`` tells it: by ignoring the signal for what it begins."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        told = ran("os.kill(os.getpid(), signal.SIGHUP)\nprint('still here')")
    finally:
        signal.signal(signal.SIGHUP, before)
    assert (told.returncode, told.stdout) == (0, "still here\n"), told.stderr


def test_what_was_there_before_is_there_afterwards() -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGHUP)
    with one_line_errors():
        assert signal.getsignal(signal.SIGTERM) != before[0]
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGHUP)) == before
