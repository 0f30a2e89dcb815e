"""What the committed description says each call may answer, for every test that asks."""

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

DESCRIPTION = Path(__file__).parents[2] / "openapi/eucora.json"


@cache
def _calls() -> list[tuple[re.Pattern[str], Mapping[str, Any]]]:
    paths = json.loads(DESCRIPTION.read_text())["paths"]
    # What is written out goes before what is a parameter, as in the router.
    found = sorted(paths.items(), key=lambda one: [part.startswith("{") for part in one[0].split("/")])
    return [(re.compile(re.sub(r"\{[^}/]+\}", "[^/]+", path)), calls) for path, calls in found]


def undescribed(method: str, path: str, status: int) -> bool:
    """Whether a call that is described does not say that it may answer so."""
    for pattern, calls in _calls():
        if pattern.fullmatch(path):
            call = calls.get(method.lower() if method != "HEAD" else "get")
            return call is not None and str(status) not in call["responses"]
    return False
