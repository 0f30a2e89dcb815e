"""One command of a caller on one stream, and his receipt: what most use cases end in."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import TypeVar

from eucora.application.execute import Beside, PerTry, execute
from eucora.application.ports import Context
from eucora.application.react import react
from eucora.application.world import Caller, Receipt, World
from eucora.domain.decider import Decider

S = TypeVar("S")
C = TypeVar("C")
E = TypeVar("E")


async def carry_out(
    world: World,
    caller: Caller,
    decider: Decider[S, C, E],
    id: str,
    command: C | PerTry[S, C],
    *,
    at: datetime,
    intent_id: str | Callable[[S], str] = "",
    beside: Callable[[S, Sequence[E]], Awaitable[Beside]] | None = None,
) -> Receipt:
    """Run the command at the version that the caller saw, where he named one; his answer is kept with the events.

    ``intent_id``: in whose timeline the events stand, or what tells it of the state. ``beside``, and what is raised: as
    with :func:`eucora.application.execute.execute`.
    """

    def context(state: S) -> Context:
        return caller.context(intent_id(state) if callable(intent_id) else intent_id)

    done = await execute(
        world.store, decider, id, command, context=context, at=at, react=react,
        expected_version=caller.expected_version, reply=caller.reply_for(id), refused=caller.refusal, beside=beside,
        confirm=caller.confirm,
    )  # fmt: skip
    return Receipt(id, done.version, done.position)
