"""The place of a request in its line, as routes see it (see :mod:`eucora.api.lines`)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.requests import Request

from eucora.api.lines import LineFull, Place, ShareTaken
from eucora.api.problems import Refused
from eucora.api.shedding import no_place


async def claim(request: Request, actor: str) -> None:
    """Say whose request it is, now that it is known; he may have to wait for others of his own.

    Raises Refused (429, 503): he, or everybody, has as many in line as may be.
    """
    try:
        await _place(request).is_of(actor)
    except (LineFull, ShareTaken) as error:
        raise Refused(no_place(error, request.state.kind)) from error


@asynccontextmanager
async def away(request: Request) -> AsyncIterator[None]:
    """For a block that only waits: others have the place meanwhile. Raises Refused (429, 503): too many wait."""
    place = _place(request)
    try:
        place.step_out()
    except (LineFull, ShareTaken) as error:
        raise Refused(no_place(error, request.state.kind)) from error
    try:
        yield
    except BaseException:
        place.stay_out()
        raise
    await place.come_back()


def _place(request: Request) -> Place:
    place = request.state.place
    if not isinstance(place, Place):
        raise TypeError("the request came past every line")
    return place
