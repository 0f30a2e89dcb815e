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
        # Whoever floods us with what was stolen must not hold up its end.
        "revoke_service_token",
        "revoke_workload_trust",
        "close_break_glass",
    }
)


# What is derived from kept files takes seconds, and one after the other: who looks at something else must not wait.
READS_EVIDENCE: Final = frozenset(
    {
        "list_evidence_findings",
        "derive_evidence_pack",
        "diff_evidence_packs",
        "rescan_evidence_pack",
        "assemble_evidence_pack",
    }
)


class Kind(StrEnum):
    """``HEALTH``: probes. ``URGENT``: stops harm. ``UPLOAD``: sends a file. ``EVIDENCE``: has kept files read.
    ``STREAM``: stays open."""

    HEALTH = "health"
    URGENT = "urgent"
    UPLOAD = "upload"
    EVIDENCE = "evidence"
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
        path, method = scope["path"], scope["method"]
        for pattern, kind in self._special.get("GET" if method == "HEAD" else method, ()):
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
    if route.name in READS_EVIDENCE:
        return Kind.EVIDENCE
    return Kind.STREAM if route.path.endswith("/stream") else Kind.ORDINARY
