"""Accept, as RFC 9110 (section 12.5.1) reads it: what a caller takes; nothing is done whose answer nobody takes."""

import pytest
from api_rig import ADMIN, AUDITOR, OPERATOR, Rig, incident_body, problem

from eucora.api.accepting import takes

JSON = "application/json"


@pytest.mark.parametrize(
    "line",
    [
        "*/*",
        JSON,
        "Application/JSON",
        "application/*",
        "application/json; charset=utf-8",
        "application/json;q=0.1, text/html",
        "text/html, application/xhtml+xml, */*;q=0.8",
        "text/html,application/json",
        "application/json, */*;q=0",
        "application/*;q=0.5, */*;q=0",
        "application/json;q=many",
        "application/json;q=0, application/json;q=1",
        "",
        ", ,",
        "json",
        "what is this",
    ],
)
def test_what_a_caller_takes_or_does_not_say(line: str) -> None:
    assert takes([line], JSON)


@pytest.mark.parametrize(
    "line",
    [
        "text/html",
        "text/*",
        "application/xml, text/html;q=0.9",
        "application/json;q=0",
        "application/json; q=0.000",
        "*/*;q=0",
        "application/json;q=0, */*",
        "application/*;q=0, */*;q=1",
        "application/problem+json",
    ],
)
def test_what_a_caller_does_not_take(line: str) -> None:
    assert not takes([line], JSON)


def test_several_lines_are_one_list() -> None:
    assert takes(["text/html", JSON], JSON)
    assert not takes(["text/html", "text/plain"], JSON)


async def test_nothing_is_done_whose_answer_nobody_reads(rig: Rig) -> None:
    await rig.pack()
    before = await rig.events()
    refused = await rig.post("/incidents", OPERATOR, incident_body(), headers={"Accept": "text/html"})
    assert "application/json" in problem(refused, 406, "not-acceptable")["detail"]
    assert await rig.events() == before
    assert (await rig.post("/incidents", OPERATOR, incident_body(), headers={"Accept": JSON})).status_code == 201


async def test_a_route_is_asked_for_what_it_answers_itself(rig: Rig) -> None:
    for path in ("/calendar.ics", "/audit/events/stream"):
        problem(await rig.ask("GET", path, AUDITOR, headers={"Accept": JSON}), 406, "not-acceptable")
        # A stream stays open for who names its media type, and not for who takes whatever comes.
        assert (await rig.ask("GET", path, AUDITOR, headers={"Accept": "text/*, */*;q=0.1"})).status_code == 200
    assert (await rig.ask("GET", "/calendar.ics", ADMIN, headers={"Accept": "text/calendar"})).status_code == 200


async def test_a_caller_is_asked_who_he_is_before_what_he_takes(rig: Rig) -> None:
    problem(await rig.http.get("/api/v1/incidents", headers={"Accept": "text/html"}), 401, "unauthenticated")
    assert (await rig.http.get("/livez", headers={"Accept": "text/html"})).status_code == 200
