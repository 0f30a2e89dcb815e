"""Records of a process, as whoever reads its standard error has them."""

import json
import logging
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from eucora.observability import configure_logs


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Iterator[Any]:
    """What was written so far, a record a line; logging is put back as it was."""
    before, level, capture = list(logging.root.handlers), logging.root.level, logging._warnings_showwarning  # type: ignore[attr-defined]
    hooks = sys.excepthook, threading.excepthook
    written = ""

    def records() -> list[dict[str, Any]]:
        nonlocal written
        written += capsys.readouterr().err
        assert written.isascii()
        return [json.loads(line) for line in written.split("\n")[:-1]]

    servers = logging.getLogger("uvicorn.error")
    loudness = servers.level
    servers.setLevel(logging.NOTSET)  # a server that ran in this process may have made it quieter
    configure_logs("debug")
    yield records
    structlog.reset_defaults()
    if capture is None:
        logging.captureWarnings(False)
    sys.excepthook, threading.excepthook = hooks
    logging.root.handlers[:] = before
    logging.root.setLevel(level)
    servers.setLevel(loudness)
