"""Which rollouts there are of an application: what an incident asks. Reads the table of ``intents``."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Text, bindparam, func, select

from eucora.domain.deployment_intent.state import LEFT_BEHIND, UNDER_WAY, IntentStatus
from eucora.domain.incident import Rollout
from eucora.projections.intents import INTENTS
from eucora.projections.sql import compiled

_REACHED: Final = UNDER_WAY | LEFT_BEHIND


class Rollouts:
    """Queries on the rollouts of an application."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        table = INTENTS.live
        pack = func.json_extract_path_text(table.c.doc, "release", "evidence_pack")
        self._of_application = compiled(
            select(table.c.id, table.c.app_version, table.c.status, table.c.ring, pack.label("pack"))
            .where(table.c.application_id == bindparam("application", type_=Text))
            .order_by(table.c.created, table.c.id)
        )

    async def of_application(self, application_id: str) -> Sequence[Rollout]:
        """Every intent of the application, oldest first, also those that never started."""
        rows = await self._of_application.fetch(self._pool, application=application_id)
        return [_rollout(application_id, row) for row in rows]


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
