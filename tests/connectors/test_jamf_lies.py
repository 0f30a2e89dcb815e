"""Values that no honest server sends: they are refused or passed over, and never end in anything but a PlaneError."""

from xml.etree.ElementTree import fromstring

import httpx
import pytest
from jamf_rig import ACCOUNT, CORRELATION, Distorting, Rig, plane_over

from eucora.application.planes import PlaneRejected
from eucora.connectors.jamf.history import policy_runs
from eucora.connectors.jamf.moments import date_of, zoned

DEEP = "[" * 100_000 + "]" * 100_000


@pytest.mark.parametrize(
    "text", ["0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59-05:00", "", "soon", "2026-03-02T12:00:00", "9" * 5_000]
)
def test_what_is_no_moment_is_none(text: str) -> None:
    assert zoned(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "Mon, 02 Mar 99999999999999999999 12:00:00 GMT",
        "Fri, 31 Dec 9999 23:59:59 -0500",
        "Mon, 02 Mar 2026",
    ],
)
def test_a_date_that_is_none_is_none(text: str) -> None:
    assert date_of(httpx.Response(200, headers={"Date": text})) is None


@pytest.mark.parametrize("epoch", ["9" * 5_000, "253402300800000", "0", "-1", "1e9", "\u0661\u0662"])
def test_a_run_at_an_impossible_time_still_counts(epoch: str) -> None:
    log = f"<policy_log><policy_id>4</policy_id><status>Completed</status><date_completed_epoch>{epoch}"
    history = (
        f"<computer_history><policy_logs>{log}</date_completed_epoch></policy_log></policy_logs></computer_history>"
    )
    [run] = policy_runs(fromstring(history))
    assert run.outcome == "completed"
    assert run.at is None or run.at.year == 1970


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/computers-inventory", DEEP),
        ("/computers-inventory", '{"totalCount": 1, "results": ' + DEEP + "}"),
        ("/computers-inventory", '{"totalCount": ' + "9" * 5_000 + ', "results": []}'),
        ("/computers-inventory", '{"totalCount": 6, "results": [null]}'),
        ("/computers-inventory", '{"totalCount": 6, "results": [{"id": "1", "general": null, "hardware": 7}], "a": {'),
        ("/computergroups/id/1", "<computer_group>" + "<a>" * 100_000),
        ("/oauth/token", DEEP),
        ("/oauth/token", '{"access_token": "t", "expires_in": 1' + "0" * 400 + "}"),
        ("/oauth/token", '{"access_token": "t", "expires_in": null}'),
        ("/auth/token", DEEP),
        ("/auth/token", '{"token": "t", "expires": "9999-12-31T23:59:59-05:00"}'),
        ("/auth/token", '{"token": null, "expires": "2026-03-02T13:00:00Z"}'),
    ],
    ids=range(12),
)
async def test_an_answer_beyond_all_bounds_is_off_its_schema(path: str, body: str) -> None:
    rig = Rig(macs=60)

    def lie(request: httpx.Request, _: int) -> httpx.Response | None:
        return httpx.Response(200, text=body) if request.url.path.endswith(path) else None

    plane = plane_over(Distorting(rig, lie), rig.clock, account=ACCOUNT if path == "/auth/token" else None)
    with pytest.raises(PlaneRejected, match="schema"):
        await plane.resolve(rig.groups[0].id, correlation_id=CORRELATION)


async def test_a_record_full_of_nulls_is_a_computer_without_properties() -> None:
    rig = Rig(macs=60)
    general = '{"name": null, "lastCheckIn": 7, "remoteManagement": null}'
    row = f'{{"id": "1", "udid": null, "general": {general}, "hardware": 7}}'

    def nulls(request: httpx.Request, _: int) -> httpx.Response | None:
        inventory = request.url.path.endswith("/computers-inventory")
        return httpx.Response(200, text=f'{{"totalCount": 1, "results": [{row}]}}') if inventory else None

    group = await plane_over(Distorting(rig, nulls), rig.clock).resolve(rig.groups[0].id, correlation_id=CORRELATION)
    [device] = group.devices
    assert (device.id, device.name, device.serial, device.last_check_in) == ("1", "", "", None)
    assert group.unenrolled == 5
