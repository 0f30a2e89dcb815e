"""Kinds of requests, told apart by method and path before anything is read: each has bounds of its own."""

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.types import Scope

# What stops harm goes before what looks: these never wait behind ordinary requests.
STOPS_HARM: Final = frozenset(
    {
        "halt_rollout",
        "pause_rollout",
        "abort_rollout",
        "roll_back",
        "report_incident",
        "reopen_incident",
        "revoke_approval",
    }
)


class Kind(StrEnum):
    """``HEALTH``: probes. ``URGENT``: stops harm. ``UPLOAD``: sends a file. ``STREAM``: stays open."""

    HEALTH = "health"
    URGENT = "urgent"
    UPLOAD = "upload"
    STREAM = "stream"
    ORDINARY = "ordinary"


class Traffic:
    """Tells the kind of a request. Only what is not ordinary is looked for, so this costs a few comparisons."""

    def __init__(self, routers: Iterable[APIRouter]) -> None:
        self._special: dict[str, list[tuple[re.Pattern[str], Kind]]] = {}
        for router in routers:
            for route in router.routes:
                if isinstance(route, APIRoute) and (kind := _kind(route)) is not Kind.ORDINARY:
                    for method in route.methods or ():
                        self._special.setdefault(method, []).append((route.path_regex, kind))

    def kind(self, scope: Scope) -> Kind:
        """Of a request; ordinary, too, when no route is there for it."""
        path = scope["path"]
        for pattern, kind in self._special.get(scope["method"], ()):
            if pattern.match(path):
                return kind
        return Kind.ORDINARY


def _kind(route: APIRoute) -> Kind:
    if "health" in route.tags:
        return Kind.HEALTH
    if route.name in STOPS_HARM:
        return Kind.URGENT
    if getattr(route, "streams", False):
        return Kind.UPLOAD
    return Kind.STREAM if route.path.endswith("/stream") else Kind.ORDINARY
