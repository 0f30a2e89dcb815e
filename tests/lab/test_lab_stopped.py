"""A lab that is told to stop takes its uploads with it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

PROGRAM = """
from eucora.lab.server import run
run(seed=1, pace=1.0, ready=lambda addresses: print(addresses.base_url, flush=True))
"""


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_leaves_no_folder_behind(how: signal.Signals, tmp_path: Path) -> None:
    env = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as lab:
        assert lab.stdout is not None
        base_url = lab.stdout.readline().strip()
        try:
            # An answer of any kind: from now on the server takes the signal, not Python.
            assert httpx.get(f"{base_url}/admin").status_code < 500
            assert [path.name for path in tmp_path.iterdir() if path.name.startswith("eucora-lab-jamf-")]
        finally:
            lab.send_signal(how)
            lab.communicate(timeout=30)
    assert list(tmp_path.iterdir()) == []
