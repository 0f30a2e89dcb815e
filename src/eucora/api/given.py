"""What follows from a request alone: handed to a route directly, for FastAPI would take longer than to make it."""

from collections.abc import Callable, Coroutine
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, Final, TypeVar

from fastapi import Request
from fastapi.dependencies.models import Dependant

T = TypeVar("T")
_REQUEST: Final = "request that values are made of"  # no parameter can have this name
_MADE: Final[dict[Callable[..., Any], Callable[[Request], Any]]] = {}


def made_of(get: Callable[[Request], T]) -> Callable[[Request], Coroutine[Any, Any, T]]:
    """A dependency that is ``get``: it asks for nothing but the request, and waits for nothing."""

    async def dependency(request: Request) -> T:
        return get(request)

    _MADE[dependency] = get
    return dependency


def hand_over(dependant: Dependant) -> None:
    """Take the dependencies that :func:`made_of` made out of what is solved at each request of a route."""
    call = dependant.call
    made = [(one.name, _MADE[one.call]) for one in dependant.dependencies if one.name and one.call in _MADE]
    if not made or call is None or not iscoroutinefunction(call):
        return
    asked, own = call, dependant.request_param_name

    @wraps(asked)
    async def handed(**values: Any) -> Any:
        request = values[own] if own else values.pop(_REQUEST)
        for name, get in made:
            values[name] = get(request)
        return await asked(**values)

    dependant.call, dependant.request_param_name = handed, own or _REQUEST
    dependant.dependencies = [one for one in dependant.dependencies if one.call not in _MADE or not one.name]
