"""Export jobs: what is taken, how long it takes, and what is in the file."""

import csv
import io
import zipfile
from typing import Any

import pytest
from lab_world import World

JOBS = "/deviceManagement/reports/exportJobs"
DAY = 24 * 3600.0


def _asked(app: str, **changes: Any) -> dict[str, Any]:
    asked = {
        "reportName": "DeviceInstallStatusByApp",
        "filter": f"(ApplicationId eq '{app}')",
        "select": ["DeviceId", "AppInstallState", "HexErrorCode"],
        "format": "csv",
    }
    return asked | changes


async def _rolled_out(world: World) -> str:
    app = await world.publish()
    await world.assign(app, "ring-1-canary")
    await world.wait(DAY)
    return app


async def _table(world: World, url: str) -> list[dict[str, str]]:
    answer = await world.http.get(url)
    assert answer.status_code == 200, answer.text
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        (name,) = archive.namelist()
        text = archive.read(name).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


async def test_an_export_has_what_the_report_has() -> None:
    async with World() as world:
        app = await _rolled_out(world)
        page = await world.report(app, select=["DeviceId", "AppInstallState", "HexErrorCode"])
        job = (await world.graph("POST", JOBS, json=_asked(app))).json()
        assert (job["status"], job["url"]) == ("inProgress", None)
        world.clock.advance(60)
        done = (await world.graph("GET", f"{JOBS}/{job['id']}")).json()
        assert done["status"] == "completed"
        assert [list(row.values()) for row in await _table(world, done["url"])] == page["Values"]


async def test_an_export_is_fetched_without_a_token_and_for_some_hours_only() -> None:
    async with World() as world:
        job = (await world.graph("POST", JOBS, json=_asked(await _rolled_out(world)))).json()
        world.clock.advance(60)
        url = (await world.graph("GET", f"{JOBS}/{job['id']}")).json()["url"]
        assert (await world.http.get(url, headers={"authorization": "Bearer x"})).status_code == 403
        assert (await world.http.put(f"{url}&comp=blocklist", content=b"<BlockList/>")).status_code == 403
        world.clock.advance(7 * 3600)
        assert (await world.http.get(url)).status_code == 403


@pytest.mark.parametrize(
    "changes",
    [
        {"reportName": "Devices"},
        {"filter": None},
        {"filter": "(Platform eq 'Windows')"},
        {"filter": "x" * 2_001},
        {"select": ["NoSuchColumn"]},
        {"format": "pdf"},
        {"localizationType": "klingon"},
    ],
)
async def test_an_export_that_cannot_be_made_is_refused(changes: dict[str, Any]) -> None:
    async with World() as world:
        assert (await world.graph("POST", JOBS, json=_asked("0", **changes))).status_code == 400


async def test_old_exports_are_forgotten() -> None:
    async with World() as world:
        app = await world.publish()
        jobs = [(await world.graph("POST", JOBS, json=_asked(app))).json()["id"] for _ in range(21)]
        assert (await world.graph("GET", f"{JOBS}/{jobs[0]}")).status_code == 404
        assert (await world.graph("GET", f"{JOBS}/{jobs[1]}")).status_code == 200
