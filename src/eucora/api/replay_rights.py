"""Whether an answer that was kept may be told again: its caller may have moved to another part of the installation.

Whatever a path names is judged before any key is looked at, for a repeat as for the first request. The scope that only
the body names is asked about by the use case, which a repeat does not come to; so it is asked about here.
"""

import re
from typing import Final

import orjson
from starlette.requests import Request

from eucora.api.house import house_of
from eucora.api.reach import SCOPED, target_of
from eucora.application.world import RoleMissing
from eucora.domain.people import Person, Role

_MADE: Final = re.compile(r"\{(\w+)\}$")


async def refuse_moved(request: Request, receipt: bytes) -> None:
    """Return when he who repeats a request holds a role of its route where what it made stands.

    ``receipt``: the body of its 201. What stands nowhere, or is shown to everybody, tells nothing. Raises RoleMissing.
    """
    route, person = request.scope["route"], request.state.person
    made = _MADE.search(route.shown)
    if made is None or made[1] not in SCOPED or made[1] in request.path_params or not isinstance(person, Person):
        return
    target = await target_of(house_of(request).deps.world.store, {made[1]: orjson.loads(receipt)["id"]})
    roles: tuple[Role, ...] = route.permission.roles
    if target is not None and not target.shown_to_all and not any(person.holds(role, target.scope) for role in roles):
        raise RoleMissing(route.name, roles, target.scope)
