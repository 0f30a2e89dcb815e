"""One command of a caller on one stream, and his receipt: what most use cases end in."""

from datetime import datetime
from typing import TypeVar

from eucora.application.execute import execute
from eucora.application.react import react
from eucora.application.world import Caller, Receipt, World
from eucora.domain.decider import Decider

S = TypeVar("S")
C = TypeVar("C")
E = TypeVar("E")


async def carry_out(
    world: World, caller: Caller, decider: Decider[S, C, E], id: str, command: C, *, at: datetime, intent_id: str = ""
) -> Receipt:
    """Run the command at the version that the caller saw, where he named one; his answer is kept with the events.

    ``intent_id``: in whose timeline the events stand. Raises what :func:`eucora.application.execute.execute` does.
    """
    done = await execute(
        world.store, decider, id, command,
        context=caller.context(intent_id), at=at, react=react,
        expected_version=caller.expected_version, reply=caller.reply_for(id), refused=caller.refusal,
    )  # fmt: skip
    return Receipt(id, done.version, done.position)
