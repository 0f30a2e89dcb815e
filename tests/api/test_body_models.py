"""Nobody sets what a route does not name: of every body that any route reads, down to the innermost object."""

import dataclasses
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from pydantic import BaseModel, ValidationError

from eucora.api.app import ROUTERS
from eucora.api.asking import Asked
from eucora.api.routes import GuardedRoute

ROUTES = [route for router in ROUTERS for route in router.routes if isinstance(route, GuardedRoute)]
BODIES = {route.name: route.body_field.field_info.annotation for route in ROUTES if route.body_field is not None}


def objects(annotation: Any) -> Iterator[type]:
    """Every class with named fields that the annotation leads to."""
    waiting, seen = [annotation], set[Any]()
    while waiting:
        one = waiting.pop()
        waiting.extend(get_args(one))
        if not isinstance(one, type) or one in seen:
            continue
        seen.add(one)
        if issubclass(one, BaseModel):
            waiting.extend(field.annotation for field in one.model_fields.values())
            yield one
        elif dataclasses.is_dataclass(one):
            yield one


def lenient(annotation: Any) -> list[str]:
    """Those that would pass over a field that they do not have."""
    return [
        one.__name__
        for one in objects(annotation)
        if not issubclass(one, BaseModel) or one.model_config.get("extra") != "forbid"
    ]


@pytest.mark.parametrize("name", BODIES)
def test_every_object_of_a_body_forbids_what_it_does_not_name(name: str) -> None:
    assert lenient(BODIES[name]) == []


def test_there_are_many_and_they_are_looked_into() -> None:
    assert len(BODIES) > 50
    assert len({one for body in BODIES.values() for one in objects(body)}) > 70


class Open(BaseModel):
    """Passes over what it does not know."""

    field: str = ""


@dataclasses.dataclass
class Plain:
    """As every dataclass does."""

    field: str = ""


@pytest.mark.parametrize("inner", [Open, Plain])
def test_one_of_them_that_is_open_is_found_however_deep_it_lies(inner: type) -> None:
    class Outer(Asked):
        inside: tuple[dict[str, inner | None], ...] = ()  # type: ignore[valid-type]  # the class under test

    class Outermost(Asked):
        outer: list[Outer]

    assert lenient(Outermost) == [inner.__name__]


def test_to_forbid_means_to_refuse() -> None:
    class Inner(Asked):
        field: str = ""

    class Outer(Asked):
        inside: list[Inner]

    with pytest.raises(ValidationError, match="extra_forbidden"):
        Outer.model_validate({"inside": [{"registered_by": "ada"}]})
