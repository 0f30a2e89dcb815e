"""What auditors look at and take away goes on record before they get it: without the event there is no answer."""

import hashlib
from datetime import UTC

from eucora.application.execute import execute
from eucora.application.react import react
from eucora.application.world import Caller, World
from eucora.domain import audit_access
from eucora.domain.people import Role


async def record_evidence_read(world: World, caller: Caller, pack: str, document: str) -> None:
    """One event for each document that somebody who is an auditor fetches; other people need it for their work."""
    if caller.person.holds_somewhere(Role.AUDITOR):
        now = world.clock.now()
        command = audit_access.RecordEvidenceRead(pack, document, caller.person.id, now)
        await _record(world, caller, str(world.ids.new()), command)


async def record_log_export(world: World, caller: Caller, after: int) -> None:
    """One event for each caller and hour (UTC), whatever his roles, with the position that he began after.

    A follower that asks every few seconds would otherwise find nothing but its own asking, without end. Whoever goes
    further back than in that event leaves another one, so the events of an hour tell all that he may have taken.
    """
    now = world.clock.now()
    hour = f"{now.astimezone(UTC):%Y-%m-%dT%H}"
    access = hashlib.sha256(f"{caller.person.actor}\n{hour}".encode()).hexdigest()[:32]
    await _record(world, caller, access, audit_access.RecordLogExport(after, caller.person.id, now))


async def _record(world: World, caller: Caller, access: str, command: audit_access.Command) -> None:
    context = caller.context()
    await execute(world.store, audit_access.DECIDER, access, command, context=context, at=command.at, react=react)
