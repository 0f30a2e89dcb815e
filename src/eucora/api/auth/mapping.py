"""The role mapping in force, as every call needs it."""

import asyncio
from datetime import datetime, timedelta
from typing import Final

from eucora.application.role_mappings import mapping_in_force
from eucora.application.world import World
from eucora.domain.role_rules import RoleMapping
from eucora.store.reserve import goes_first

KEPT: Final = timedelta(seconds=1)


class MappingInForce:
    """Read from the log's end at most once a second: what was activated binds every replica within that second."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._known: tuple[datetime, RoleMapping] | None = None
        self._lock = asyncio.Lock()

    async def get(self) -> RoleMapping:
        """The mapping. Raises what the database raises: nobody is judged by a mapping that may be replaced."""
        if (known := self._fresh()) is not None:
            return known
        async with self._lock:
            if (known := self._fresh()) is not None:  # another call may have read it meanwhile
                return known
            began = self._world.clock.now()  # its age counts from before it was read
            with goes_first():  # a halt may wait for this answer, too
                mapping = await mapping_in_force(self._world)
            self._known = began, mapping
            return mapping

    def _fresh(self) -> RoleMapping | None:
        if self._known is None:
            return None
        began, mapping = self._known
        return mapping if timedelta(0) <= self._world.clock.now() - began < KEPT else None
