"""What other streams and the device table say about a running intent, brought up to the end of the log."""

from datetime import datetime
from typing import Any

from sqlalchemy import Text, and_, bindparam, func, or_, select

from eucora.domain.change_window import ChangePurpose
from eucora.domain.deployment_intent.events import DeploymentIntentProposed, Purpose
from eucora.domain.deployment_intent.state import UNDER_WAY, DeploymentIntent, IntentStatus
from eucora.domain.exception_types import ExceptionFact
from eucora.domain.grounds import CalendarState, Grounds, Overlap
from eucora.projections.change_windows import CHANGE_WINDOWS, ChangeWindows
from eucora.projections.intents import INTENTS
from eucora.projections.policy_exceptions import POLICY_EXCEPTIONS, PolicyExceptions
from eucora.projections.runner import ProjectionRunner
from eucora.projections.sql import compiled
from eucora.store.tables import ring_cohort

ON_DEVICES = sorted({*UNDER_WAY, IntentStatus.ROLLING_BACK})  # statuses in which a rollout changes devices
PURPOSES = {Purpose.REGULAR: ChangePurpose.ROLLOUT, Purpose.SECURITY: ChangePurpose.SECURITY}


class GroundsNow:
    """The grounds of decisions that come from the calendar, from exceptions and from the device table."""

    def __init__(self, pool: Any, runner: ProjectionRunner) -> None:
        self._pool, self._runner = pool, runner
        self._windows, self._exceptions = ChangeWindows(pool), PolicyExceptions(pool)
        intents, ours, theirs = INTENTS.live, ring_cohort.alias("ours"), ring_cohort.alias("theirs")
        others = and_(
            or_(*(intents.c.status == status.value for status in ON_DEVICES)),
            intents.c.id != bindparam("intent", type_=Text),
        )
        self._others = compiled(select(intents.c.id).where(others).limit(1))
        same = and_(
            ours.c.plane == theirs.c.plane,
            ours.c.device_id == theirs.c.device_id,
            ours.c.intent_id == bindparam("intent", type_=Text),
        )
        # A device may stand in two rings of one intent after it changed its group; it is one device all the same.
        devices = func.count(func.distinct(theirs.c.plane.op("||")(theirs.c.device_id))).label("devices")
        self._overlaps = compiled(
            select(intents.c.id, intents.c.application_id, devices)
            .select_from(intents.join(theirs, theirs.c.intent_id == intents.c.id).join(ours, same))
            .where(others)
            .group_by(intents.c.id, intents.c.application_id)
            .order_by(devices.desc(), intents.c.id)
        )

    async def of(self, state: DeploymentIntent, at: datetime) -> Grounds:
        """Without history, incidents and evidence. An intent that was never proposed has no grounds."""
        proposed = state.proposed
        if proposed is None:
            return Grounds()
        application = proposed.release.application.application_id
        return Grounds(
            exceptions=await self.exceptions(application, proposed.intent_id),
            calendar=await self.calendar(proposed, at),
            overlaps=await self.overlaps(proposed.intent_id),
        )

    async def calendar(self, proposed: DeploymentIntentProposed, at: datetime) -> CalendarState:
        """Whether the intent's scope may be changed at ``at``, for its purpose."""
        await self._runner.catch_up(CHANGE_WINDOWS.name)
        application = proposed.release.application.application_id
        return await self._windows.state(proposed.scope, application, PURPOSES[proposed.purpose], at)

    async def exceptions(self, application_id: str, intent_id: str = "") -> tuple[ExceptionFact, ...]:
        """Exceptions for the intent or its application, and those for whatever bears one of their subjects."""
        await self._runner.catch_up(POLICY_EXCEPTIONS.name)
        return await self._exceptions.facts_for(intent_id, application_id)

    async def overlaps(self, intent_id: str) -> tuple[Overlap, ...]:
        """Other rollouts on devices of the intent's cohorts. The large join is made only where there are others."""
        await self._runner.catch_up(INTENTS.name)
        if await self._others.fetchval(self._pool, intent=intent_id) is None:
            return ()
        rows = await self._overlaps.fetch(self._pool, intent=intent_id)
        return tuple(Overlap(row["id"], row["application_id"], row["devices"]) for row in rows)
