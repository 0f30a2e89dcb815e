"""What would break a client is named, one by one; what only adds is not."""

from copy import deepcopy
from typing import Any

import pytest

from eucora.api.compatibility import breaks
from eucora.api.openapi import document

NOW = document()
PATH = "/api/v1/incidents"


def older(*changes: tuple[str, Any]) -> dict[str, Any]:
    """Today's description, changed at some places: ``a/b/c`` is there, and None takes it away."""
    found = deepcopy(NOW)
    for place, value in changes:
        *way, last = place.split("|")
        at: Any = found
        for step in way:
            at = at[int(step) if isinstance(at, list) else step]
        if value is None:
            del at[last]
        else:
            at[last] = value
    return found


ASKED, TOLD = "components|schemas|IncidentAsked", "components|schemas|IncidentBody"
GET, POST = f"paths|{PATH}|get", f"paths|{PATH}|post"
UPLOAD = "paths|/api/v1/artifacts|post"


def test_a_description_does_not_break_itself() -> None:
    assert breaks(NOW, NOW) == []


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ([(f"paths|{PATH}", None)], "GET /api/v1/incidents is gone"),
        ([(f"{GET}|operationId", "incidents")], "its operationId was list_incidents and is incidents"),
        ([(f"{GET}|parameters", [])], "the parameter status is gone"),
        ([(f"{POST}|responses|201|headers|Location", None)], "the header Location of 201 is gone"),
        ([(f"{POST}|responses|201", None)], "it does not answer 201 any more"),
        ([(f"{ASKED}|properties|app_version", None)], "IncidentAsked: the field app_version is gone"),
        ([(f"{ASKED}|required", ["application_id", "app_version"])], "IncidentAsked: the field app_version is needed"),
        ([(f"{ASKED}|properties|description|maxLength", 10)], "IncidentAsked.description: its maxLength was 4000 and"),
        ([(f"{ASKED}|properties|description|minLength", 3)], "its minLength was none and is 3"),
        ([(f"{ASKED}|properties|description|pattern", "^a")], "its pattern was none and is ^a"),
        ([(f"{ASKED}|properties|description|type", "integer")], "it may be no string any more"),
        ([("components|schemas|IncidentSeverity|enum", ["p1"])], "IncidentSeverity: it may not be 'p2' any more"),
        (
            [("components|schemas|IncidentSeverity", {"type": "string", "const": "p1"})],
            "IncidentSeverity: it may not be 'p2' any more",
        ),
        ([(f"{ASKED}|properties|description|const", "down")], "it may only be one of down now"),
        ([(f"{UPLOAD}|requestBody|content", {"multipart/form-data": {}})], "it takes no application/octet-stream any"),
        ([(f"{POST}|requestBody", None)], "POST /api/v1/incidents, body: it takes no application/json any more"),
        ([(f"{GET}|responses|200|content", {"text/csv": {}})], "answer 200: it tells no application/json any more"),
        ([(f"{TOLD}|properties|severity", None)], "IncidentBody: the field severity is gone"),
        ([(f"{TOLD}|required", ["id"])], "IncidentBody: the field version may be missing now"),
        ([(f"{TOLD}|properties|version|type", "string")], "IncidentBody.version: it may be string now"),
    ],
)
def test_what_is_taken_away_is_named(changes: list[tuple[str, Any]], told: str) -> None:
    found = breaks(NOW, older(*changes))
    assert any(told in one for one in found), found


def test_a_body_that_could_be_left_out_and_is_needed_now_is_named() -> None:
    found = breaks(older((f"{POST}|requestBody|required", False)), NOW)
    assert found == ["POST /api/v1/incidents: it asks for a body now"]
    assert breaks(older((f"{POST}|requestBody", None)), NOW) == found


def test_what_is_only_added_is_not() -> None:
    more = older(
        ("paths|/api/v1/news", NOW["paths"][PATH]),
        (f"{ASKED}|properties|note", {"type": "string"}),
        (f"{TOLD}|properties|note", {"type": "string"}),
        (f"{ASKED}|properties|description|maxLength", 10_000),
        (f"{POST}|responses|418", {"description": "a teapot"}),
    )
    assert breaks(NOW, more) == []
    # A value that answers may have is new to a client, which ignores what it does not know; see docs/api.md, section 9.
    assert breaks(NOW, older((f"{TOLD}|properties|status|enum", ["open", "resolved", "muted"]))) == []


def test_the_other_way_round_something_is_missing() -> None:
    more = older((f"{ASKED}|properties|note", {"type": "string"}))
    assert breaks(more, NOW) == ["IncidentAsked: the field note is gone"]
