"""Files that come in: taken whole, refused when they are too large."""

from collections.abc import AsyncIterator

from eucora.application.ports import Arrival
from eucora.application.world import World
from eucora.domain.errors import DomainError


class TooLarge(DomainError):
    """An upload exceeds its limit."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"The upload exceeds {limit} bytes; nothing was kept.", limit=limit)


async def receive(world: World, chunks: AsyncIterator[bytes], limit: int) -> Arrival:
    """Take a stream in without storing it. Raises TooLarge beyond ``limit`` bytes."""
    try:
        return await world.artifacts.receive(chunks, size_max=limit)
    except ValueError as error:
        raise TooLarge(limit) from error
