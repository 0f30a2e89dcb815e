"""Which applications there are, and which rollouts of one: what an incident asks.

Reads the tables of ``intents`` and of ``evidence_packs``.
"""

import json
from collections.abc import Collection, Sequence
from typing import Any, Final

from sqlalchemy import Text, bindparam, func, select, union

from eucora.domain.deployment_intent.state import LEFT_BEHIND, UNDER_WAY, IntentStatus
from eucora.domain.incident import Rollout
from eucora.projections.artifacts import EVIDENCE_PACKS
from eucora.projections.intents import INTENTS
from eucora.projections.sql import compiled

_REACHED: Final = UNDER_WAY | LEFT_BEHIND


class Rollouts:
    """Queries on the rollouts of an application."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        table = INTENTS.live
        pack = func.json_extract_path_text(table.c.doc, "release", "evidence_pack")
        files = func.json_extract_path_text(table.c.doc, "release", "artifacts")
        self._of_application = compiled(
            select(
                table.c.id, table.c.app_version, table.c.status, table.c.ring, pack.label("pack"), files.label("files")
            )
            .where(table.c.application_id == bindparam("application", type_=Text))
            .order_by(table.c.created, table.c.id)
        )
        packs = EVIDENCE_PACKS.live
        self._applications = compiled(union(select(table.c.application_id), select(packs.c.application_id)))

    async def applications(self) -> Sequence[str]:
        """Ids of all applications that an evidence pack or an intent names, in order."""
        return sorted([row["application_id"] for row in await self._applications.fetch(self._pool)])

    async def of_application(self, application_id: str) -> Sequence[Rollout]:
        """Every intent of the application, oldest first, also those that never started."""
        rows = await self._of_application.fetch(self._pool, application=application_id)
        return [_rollout(application_id, row) for row in rows]

    async def of_release(self, application_id: str, version: str, pack: str, files: Collection[str]) -> Sequence[str]:
        """Ids of the application's intents with the version, the pack, or one of the files, oldest first."""
        rows = await self._of_application.fetch(self._pool, application=application_id)
        return [
            row["id"]
            for row in rows
            if row["app_version"] == version or row["pack"] == pack or _digests(row["files"]) & {*files}
        ]


def _digests(artifacts: str) -> set[str]:
    return {digest for one in json.loads(artifacts) for digest in (one["artifact"], one["content"])}


def _rollout(application_id: str, row: Any) -> Rollout:
    status = IntentStatus(row["status"])
    started = row["ring"] is not None
    return Rollout(
        intent_id=row["id"],
        application_id=application_id,
        app_version=row["app_version"],
        evidence_pack=row["pack"],
        under_way=started and status in UNDER_WAY,
        reached=started and status in _REACHED,
    )
