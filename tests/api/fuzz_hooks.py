"""Loaded by schemathesis in its own process: bounds what would only wait, and counts the answers."""

import atexit
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import schemathesis

ANSWERED: Counter[int] = Counter()


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Without what would end most requests before they reach anything.

    A position that the log has not reached is waited for, two seconds long; a session that is not open is refused.
    """
    headers = case.headers or {}
    if str(headers.get("Eucora-Min-Position", "")).isdecimal():
        headers["Eucora-Min-Position"] = "0"
    if len(str(headers.get("Eucora-Break-Glass", ""))) % 8:
        del headers["Eucora-Break-Glass"]


@schemathesis.hook
def filter_failure(context: Any, failure: Any, case: Any, response: Any) -> bool:
    """HTTP lets anybody add headers of his own: one that nobody knows is no fault of the request."""
    return not any(name.startswith("x-schemathesis-unknown") for name in case.headers or {})


@schemathesis.hook
def after_call(context: Any, case: Any, response: Any) -> None:
    ANSWERED[response.status_code] += 1


def _tell() -> None:
    if path := os.environ.get("EUCORA_FUZZ_ANSWERS"):
        Path(path).write_text(json.dumps(ANSWERED))


atexit.register(_tell)
