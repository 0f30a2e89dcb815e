"""Runs the demo as a user does, and checks what its summary must say whatever the application."""

import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

DIGEST = re.compile(r"[0-9a-f]{64}")
LIMIT_S = 300  # the story waits with deadlines of its own; this one only keeps a broken run from hanging


def run_demo(data_dir: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """``eucora demo --once --json`` with an environment that names nothing but the data folder."""
    return run_eucora(data_dir, "demo", "--once", "--json", *arguments)


def run_eucora(data_dir: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """One command on its own, in the same way."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("EUCORA_", "INTUNE_", "JAMF_"))}
    command = [sys.executable, "-m", "eucora.cli.main", *arguments]
    # Files, not pipes: what the demo started holds a pipe open after the demo is gone, and reading it would never end.
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        demo = subprocess.Popen(
            command,
            env=kept | {"EUCORA_DATA_DIR": str(data_dir)},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
        )
        try:
            code = demo.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            code = _stopped(demo)
        told = []
        for file in (out, err):
            file.seek(0)
            told.append(file.read())
    return subprocess.CompletedProcess(command, code, *told)


def _stopped(demo: "subprocess.Popen[bytes]") -> int:
    """A demo that does not end is told to, as by Ctrl-C, so that it takes everything it started along."""
    demo.send_signal(signal.SIGTERM)
    try:
        return demo.wait(30) or 124
    except subprocess.TimeoutExpired:
        demo.kill()
        return demo.wait()


def require_whole(told: dict[str, Any]) -> None:
    """What must hold whatever the application."""
    events = told["events"]
    assert events["positions_dense"] is True
    assert events["streams_dense"] is True
    assert events["total"] == events["appended"] > 100  # the log was new
    assert events["checksum"]["equal"] is True
    assert events["checksum"]["pages"] > 1
    assert DIGEST.fullmatch(events["checksum"]["sha256"])
    assert told["intents_completed"] == len(told["intents"]) == 3
    for artifact in told["artifacts"]:
        assert DIGEST.fullmatch(artifact["uploaded"])
        assert artifact["read_back"] == [artifact["uploaded"]] == [artifact["registered"]]
        assert artifact["equal"] is True
    for intent in told["intents"]:
        assert intent["status"] == "completed"
        assert intent["rollback_rehearsed"] is True
        assert {row["ring"] for row in intent["rings"]} == {"lab", "canary", "pilot"}
        for row in intent["rings"]:
            states = ("exempt", "installed", "failed", "pending", "not_installed", "unknown")
            assert sum(row[state] for state in states) == row["targeted"] > 0


def by_application(told: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {intent["application"]: intent for intent in told["intents"]}
