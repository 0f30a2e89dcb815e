"""The part of the port ``Facts`` that policies ask: the newest versions, and the track record."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Table, literal, select

from eucora.domain.calibration import RolloutRecord
from eucora.domain.trust_maturity import TrackRecord
from eucora.projections.calibration import CALIBRATION, TrackRecords
from eucora.projections.gate_policies import GATE_POLICIES
from eucora.projections.governance_policies import GOVERNANCE_POLICIES
from eucora.projections.risk_models import RISK_MODELS
from eucora.projections.role_mappings import ROLE_MAPPINGS
from eucora.projections.runner import ProjectionRunner
from eucora.projections.sql import Statement, compiled

_VERSIONS: Final = {
    "gate_policy": (GATE_POLICIES.name, GATE_POLICIES.live),
    "governance_policy": (GOVERNANCE_POLICIES.name, GOVERNANCE_POLICIES.live),
    "risk_model": (RISK_MODELS.name, RISK_MODELS.live),
    "role_mapping": (ROLE_MAPPINGS.name, ROLE_MAPPINGS.live),
}


class PolicyFacts:
    """Brought up to the end of the log before each answer, so that a decision waits for no worker."""

    def __init__(self, pool: Any, runner: ProjectionRunner) -> None:
        self._pool, self._runner, self._tracks = pool, runner, TrackRecords(pool)
        self._newest = {noun: _newest(table) for noun, (_, table) in _VERSIONS.items()}

    async def newest_version(self, noun: str) -> str | None:
        """The version that was activated last and is not retired; None: there is none. Raises KeyError."""
        name, _ = _VERSIONS[noun]
        await self._runner.catch_up(name)
        version: str | None = await self._newest[noun].fetchval(self._pool)
        return version

    async def track_record(self, since: datetime, until: datetime) -> TrackRecord:
        await self._runner.catch_up(CALIBRATION.name)
        return await self._tracks.track_record(since, until)

    async def rollouts(self, after: int, limit: int) -> Sequence[RolloutRecord]:
        await self._runner.catch_up(CALIBRATION.name)
        return await self._tracks.rollouts(after, limit)


def _newest(table: Table) -> Statement:
    active = table.c.status == literal("active")
    # The product's own version was never activated: it is in force until another one is.
    return compiled(select(table.c.id).where(active).order_by(table.c.activated.desc().nulls_last()).limit(1))
