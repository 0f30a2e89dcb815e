"""Processes that are measured: started, waited for, looked at and stopped."""

import re
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from eucora.cli.stack import end

START_LIMIT_S: Final = 60.0


@contextmanager
def running(
    command: list[str], port: int | None, environment: dict[str, str], log: IO[bytes] | None
) -> Iterator["subprocess.Popen[bytes]"]:
    """A process, from when it listens until it has ended. Raises RuntimeError when it does not start."""
    process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + START_LIMIT_S
        while port is not None and not _listens(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{' '.join(command[1:4])} did not start")
            time.sleep(0.05)
        yield process
    finally:
        end(process)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def resident_mb(pid: int) -> float:
    """What a process holds in memory now (VmRSS of proc(5)), in megabytes of 2**20 bytes."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    if found is None:
        raise RuntimeError(f"process {pid} is not there any more")
    return int(found[1]) / 1024
