"""Change windows, freezes and the calendar over HTTP."""

from typing import Any

import pytest
from api_rig import ADMIN, AUDITOR, CAB, NOBODY, OPERATOR, PACKAGER, Rig, id_of, problem

FREEZE = {
    "effect": "deny",
    "name": "Weekend",
    "reason": "Nobody is there to look",
    "scope": {"business_unit": "retail"},
    "start": "2026-03-20T22:00:00",
    "end": "2026-03-23T06:00:00",
    "zone": "Europe/Berlin",
    "recurrence": "FREQ=WEEKLY",
}


def window(**changes: Any) -> dict[str, Any]:
    """Of Monday, 2 March 2026, 10:00 to 14:00 UTC; the rig's clock says 08:00."""
    body = {
        "effect": "allow",
        "name": "Morning",
        "reason": "People are in",
        "start": "2026-03-02T10:00:00Z",
        "end": "2026-03-02T14:00:00Z",
    }
    return {key: value for key, value in (body | changes).items() if value is not None}


async def test_a_freeze_is_set_listed_and_shown(rig: Rig) -> None:
    window_id = await rig.made("/change-windows", CAB, FREEZE)
    answer = await rig.get(f"/change-windows/{window_id}")
    body = answer.json()
    assert answer.headers["ETag"] == '"1"'
    assert (body["start"], body["end"], body["zone"]) == ("2026-03-20T22:00:00", "2026-03-23T06:00:00", "Europe/Berlin")
    assert (body["recurrence"], body["exempt"], body["status"]) == ("FREQ=WEEKLY", ["halt", "rollback"], "in_force")
    assert body["scope"] == {"business_unit": "retail", "boundary": "*", "site": "*"}
    assert body["created_by"] == id_of(CAB)
    await rig.made("/change-windows", ADMIN, window())
    listed = (await rig.get("/change-windows", effect="deny")).json()["items"]
    assert [one["id"] for one in listed] == [window_id]
    assert len((await rig.get("/change-windows", status="in_force")).json()["items"]) == 2


async def test_the_calendar_says_open_or_closed_and_when_that_changes(rig: Rig) -> None:
    await rig.made("/change-windows", CAB, FREEZE)
    asked = {"business_unit": "retail", "boundary": "emea", "site": "berlin", "application_id": "notes"}
    now = (await rig.get("/calendar", **asked)).json()
    assert (now["at"], now["open"], now["reason"]) == ("2026-03-02T08:00:00Z", True, "")
    assert (now["next_close"], now["next_open"]) == ("2026-03-20T21:00:00Z", "2026-03-23T05:00:00Z")
    assert now["next_close_reason"].startswith("Freeze “Weekend”")
    # On 29 March the clocks go forward: 06:00 in Berlin is then 04:00 UTC.
    closed = (await rig.get("/calendar", **asked, at="2026-03-29T12:00:00Z")).json()
    assert (closed["open"], closed["next_open"]) == (False, "2026-03-30T04:00:00Z")
    assert closed["reason"] == "Freeze “Weekend” until 2026-03-30 04:00 UTC: Nobody is there to look"
    for purpose in ("rollback", "halt"):
        told = (await rig.get("/calendar", **asked, at="2026-03-29T12:00:00Z", purpose=purpose)).json()
        assert (told["open"], told["next_close"]) == (True, None)
    elsewhere = (await rig.get("/calendar", business_unit="wholesale", at="2026-03-29T12:00:00Z")).json()
    assert elsewhere["open"]


async def test_outside_the_change_window_it_is_closed_and_cancelled_it_is_open(rig: Rig) -> None:
    window_id = await rig.made("/change-windows", ADMIN, window())
    told = (await rig.get("/calendar")).json()
    assert (told["open"], told["reason"]) == (False, "Outside the change window “Morning”: People are in")
    assert (told["next_open"], told["next_close"]) == ("2026-03-02T10:00:00Z", "2026-03-02T14:00:00Z")
    rig.later(hours=2)
    told = (await rig.get("/calendar")).json()
    assert (told["open"], told["reason"]) == (True, "Change window “Morning” until 2026-03-02 14:00 UTC")
    rig.later(hours=4)
    over = (await rig.get("/calendar")).json()
    assert (over["open"], over["next_open"]) == (False, None)
    assert (await rig.post(f"/change-windows/{window_id}/cancellations", CAB, {"reason": "done"})).status_code == 201
    assert (await rig.get("/calendar")).json()["open"]
    body = (await rig.get(f"/change-windows/{window_id}")).json()
    assert (body["status"], body["cancelled_because"], body["cancelled_by"]) == ("cancelled", "done", id_of(CAB))


async def test_a_window_is_moved_on_record_and_by_what_the_caller_saw(rig: Rig) -> None:
    window_id = await rig.made("/change-windows", ADMIN, window())
    move = {"start": "2026-03-03T10:00:00Z", "end": "2026-03-03T12:00:00Z", "reason": "later"}
    path = f"/change-windows/{window_id}/amendments"
    moved = await rig.post(path, CAB, move, headers={"If-Match": '"1"'})
    assert (moved.status_code, moved.headers["ETag"]) == (201, '"2"')
    problem(await rig.post(path, CAB, move | {"reason": "x"}, headers={"If-Match": '"1"'}), 412, "version-mismatch")
    body = (await rig.get(f"/change-windows/{window_id}")).json()
    assert (body["start"], body["zone"], body["amended_because"]) == ("2026-03-03T10:00:00", "UTC", "later")
    cancelled = await rig.post(f"/change-windows/{window_id}/cancellations", CAB, {"reason": "done"})
    assert cancelled.status_code == 201
    later = move | {"end": "2026-03-03T13:00:00Z"}
    problem(await rig.post(path, CAB, later), 409, "change-window-cancelled")


async def test_a_freeze_can_begin_now(rig: Rig) -> None:
    at_once = window(effect="deny", start=None, zone="Europe/Berlin", end="2026-03-02T18:00:00")
    window_id = await rig.made("/change-windows", CAB, at_once)
    assert (await rig.get(f"/change-windows/{window_id}")).json()["start"] == "2026-03-02T09:00:01"
    rig.later(seconds=1)
    assert not (await rig.get("/calendar")).json()["open"]


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    (window(start="2026-03-02T07:59:59Z"), "window-starts-in-the-past", "#/start"),
    (window(end="2026-03-02T10:00:00Z"), "window-ends-before-it-starts", "#/end"),
    (window(end="2027-05-02T10:00:00Z"), "window-too-long", "#/end"),
    (window(zone="Mars/Olympus", start="2026-03-02T10:00:00", end="2026-03-02T14:00:00"), "zone-unknown", "#/zone"),
    (window(start="2026-03-02T10:00:00"), "zone-missing", "#/zone"),
    (window(end="2026-03-02T14:00:00"), "zone-missing", "#/zone"),
    (window(zone="Europe/Berlin"), "offset-beside-zone", "#/zone"),
    (window(start="0001-01-01T00:00:00+14:00"), "time-out-of-range", "#/start"),
    (window(end="9999-12-31T23:59:59-14:00"), "time-out-of-range", "#/start"),
    (window(recurrence="FREQ=SECONDLY"), "recurrence-too-frequent", "#/recurrence"),
    (window(recurrence="FREQ=DAILY;BYHOUR=1"), "recurrence-invalid", "#/recurrence"),
    (window(recurrence="every day"), "recurrence-invalid", "#/recurrence"),
    (window(recurrence="FREQ=WEEKLY;BYDAY=TU"), "recurrence-out-of-step", "#/start"),
    (window(name=" "), "window-name-missing", "#/name"),
    (window(reason=" "), "reason-missing", "#/reason"),
    (window(exempt=["rollout"]), "rollout-not-exempt", "#/exempt"),
]


@pytest.mark.parametrize(("body", "slug", "pointer"), REFUSED, ids=[slug for _, slug, _ in REFUSED])
async def test_times_and_rules_that_cannot_be_are_refused_where_they_are_set(
    rig: Rig, body: dict[str, Any], slug: str, pointer: str
) -> None:
    before = await rig.events()
    told = problem(await rig.post("/change-windows", ADMIN, body), 422, slug)
    assert [error["pointer"] for error in told["errors"]] == [pointer]
    assert await rig.events() == before


@pytest.mark.parametrize("person", [PACKAGER, OPERATOR, AUDITOR])
async def test_the_calendar_is_set_by_admins_and_by_cab_only(rig: Rig, person: str) -> None:
    problem(await rig.post("/change-windows", person, window()), 403, "role-missing")
    window_id = await rig.made("/change-windows", ADMIN, window())
    for move in ("amendments", "cancellations"):
        body = {"reason": "x"} | ({"end": "2026-03-03T10:00:00Z"} if move == "amendments" else {})
        problem(await rig.post(f"/change-windows/{window_id}/{move}", person, body), 403, "role-missing")


async def test_a_window_that_is_not_there(rig: Rig) -> None:
    problem(await rig.get(f"/change-windows/{NOBODY}"), 404, "change-window-unknown")
    answer = await rig.post(f"/change-windows/{NOBODY}/cancellations", CAB, {"reason": "x"})
    problem(answer, 404, "change-window-unknown")


async def test_occurrences_come_in_order_page_by_page(rig: Rig) -> None:
    freeze = await rig.made("/change-windows", CAB, FREEZE)
    daily = await rig.made("/change-windows", ADMIN, window(recurrence="FREQ=DAILY", applications=["till"]))
    stretch = {"from": "2026-03-27T00:00:00Z", "until": "2026-03-31T00:00:00Z"}
    whole = (await rig.get("/calendar/occurrences", **stretch)).json()
    assert [(one["window_id"], one["start"]) for one in whole["items"]] == [
        (daily, "2026-03-27T10:00:00Z"),
        (freeze, "2026-03-27T21:00:00Z"),
        (daily, "2026-03-28T10:00:00Z"),
        (daily, "2026-03-29T10:00:00Z"),
        (daily, "2026-03-30T10:00:00Z"),
    ]
    assert whole["next_cursor"] is None
    seen, cursor = [], {}
    while True:
        page = (await rig.get("/calendar/occurrences", **stretch, limit=2, **cursor)).json()
        seen += page["items"]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert seen == whole["items"]
    of_notes = (await rig.get("/calendar/occurrences", **stretch, application_id="notes")).json()["items"]
    assert [one["window_id"] for one in of_notes] == [freeze]
    elsewhere = (await rig.get("/calendar/occurrences", **stretch, business_unit="wholesale")).json()["items"]
    assert {one["window_id"] for one in elsewhere} == {daily}


@pytest.mark.parametrize(
    ("since", "until"),
    [
        ("2026-03-02T00:00:00Z", "2026-03-02T00:00:00Z"),
        ("2026-03-02T00:00:00Z", "2026-03-01T00:00:00Z"),
        ("2026-03-02T00:00:00Z", "2027-04-06T00:00:01Z"),
        ("2200-01-01T00:00:00Z", "2200-01-02T00:00:00Z"),
        ("9000-12-30T00:00:00Z", "9000-12-31T00:00:00Z"),
    ],
)
async def test_a_stretch_that_nobody_computes_is_refused(rig: Rig, since: str, until: str) -> None:
    answer = await rig.ask("GET", "/calendar/occurrences", AUDITOR, params={"from": since, "until": until})
    problem(answer, 422, "calendar-range-invalid")


async def test_a_moment_out_of_range_or_without_an_offset_is_refused(rig: Rig) -> None:
    problem(await rig.get("/calendar", at="9000-12-31T00:00:00Z"), 422, "calendar-range-invalid")
    problem(await rig.get("/calendar", at="2026-03-02T08:00:00"), 422, "request-invalid")


async def test_the_calendar_can_be_subscribed_to(rig: Rig) -> None:
    await rig.made("/change-windows", CAB, FREEZE | {"name": "Year; end, all", "reason": "closed\r\nBEGIN:VEVENT"})
    answer = await rig.get("/calendar.ics")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/calendar; charset=utf-8")
    lines = answer.content.decode().replace("\r\n ", "").split("\r\n")
    assert "SUMMARY:Freeze: Year\\; end\\, all" in lines
    assert "DTSTART:20260327T210000Z" in lines
    assert "DTEND:20260330T040000Z" in lines
    assert lines.count("BEGIN:VEVENT") == lines.count("END:VEVENT") == 51
    assert len({line for line in lines if line.startswith("UID:")}) == 51
    problem(await rig.ask("GET", "/calendar.ics"), 401, "unauthenticated")


async def test_a_freeze_shows_to_who_asks_for_the_write(rig: Rig) -> None:
    answer = await rig.post("/change-windows", CAB, FREEZE)
    position = int(answer.headers["Eucora-Position"])
    await rig.runner.catch_up("change_windows")
    fresh = await rig.ask("GET", "/calendar", AUDITOR, headers={"Eucora-Min-Position": str(position)}, caught_up=False)
    assert fresh.json()["next_close"] == "2026-03-20T21:00:00Z"
