"""Faults that strike at random: drawn from the seed, each of its kind and on its upstream, until they are ended."""

from collections.abc import Sequence
from datetime import timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from lab_world import APP_BODY, APPS, World, sealed

from eucora.lab import admin
from eucora.lab.fault_rates import APPLIES, ENDS, FaultKind, FaultRate, FaultRates, Hit

DEVICES = "/deviceManagement/managedDevices"
FAILURES = (500, 502, 503, 504)


async def rate(world: World, **body: Any) -> int:
    return (
        await world.http.post("/admin/fault-rates", json={"probability": 1, "upstream": "graph"} | body)
    ).status_code


async def names(world: World) -> list[str]:
    """Names of all apps, once every fault is ended."""
    assert (await world.http.delete("/admin/fault-rates")).status_code == 204
    await world.sign_in()
    return [app["displayName"] for app in await world.walk(APPS)]


def struck(seed: int, *rates: FaultRate, requests: int = 2000, part: bool = False) -> Sequence[list[Hit]]:
    faults = FaultRates(seed)
    for one in rates:
        faults.put(one)
    return [faults.strike("graph", "GET", "/graph/v1.0/groups", part=part) for _ in range(requests)]


# drawing


def test_the_same_seed_meets_the_same_faults_and_another_one_others() -> None:
    one = FaultRate("graph", FaultKind.THROTTLED, 0.05)
    numbers = [[hit.number for hits in struck(seed, one) for hit in hits] for seed in (7, 7, 8)]
    assert numbers[0] == numbers[1] != numbers[2]
    assert 60 <= len(numbers[0]) <= 140  # of 2000 at five per cent


def test_a_request_meets_one_end_at_most_and_any_number_of_the_others() -> None:
    rates = [FaultRate("graph", kind, 0.5) for kind, upstreams in APPLIES.items() if "graph" in upstreams]
    met = [[hit.rate.kind for hit in hits] for hits in struck(7, *rates, requests=300)]
    assert all(sum(kind in ENDS for kind in kinds) <= 1 for kinds in met)
    assert all(kind not in ENDS for kinds in met for kind in kinds[:-1])
    assert max(len(kinds) for kinds in met) > 3
    seen = {kind for kinds in met for kind in kinds}
    assert seen == {one.kind for one in rates} - {FaultKind.BATCH_PART_THROTTLED}


def test_only_the_parts_of_a_batch_are_throttled_as_parts() -> None:
    rates = [FaultRate("graph", kind, 1) for kind in (FaultKind.BATCH_PART_THROTTLED, FaultKind.SERVER_ERROR)]
    for part, kind in ((True, FaultKind.BATCH_PART_THROTTLED), (False, FaultKind.SERVER_ERROR)):
        [[hit]] = struck(7, *rates, requests=1, part=part)
        assert hit.rate.kind is kind


# each kind


@pytest.mark.parametrize("form", ["none", "seconds", "decimal", "date"])
async def test_throttling_says_when_to_come_back_in_every_form(form: str) -> None:
    async with World() as world:
        assert await rate(world, kind="throttled", retry_after=form) == 204
        answer = await world.graph("GET", APPS)
        assert (answer.status_code, answer.json()["error"]["code"]) == (429, "TooManyRequests")
        said = answer.headers.get("retry-after")
        if form == "none":
            assert said is None
            return
        assert said is not None
        if form == "date":
            wait = (parsedate_to_datetime(said) - world.clock.now()).total_seconds()
        else:
            assert ("." in said) is (form == "decimal")
            wait = float(said)
        assert 0 <= wait <= 30


async def test_throttling_draws_a_form_where_none_is_named() -> None:
    async with World() as world:
        await rate(world, kind="throttled")
        said = [(await world.graph("GET", APPS)).headers.get("retry-after") for _ in range(30)]
        assert None in said
        assert any(one and one.isdecimal() for one in said)
        assert any(one and "." in one for one in said)
        assert any(one and one.endswith("GMT") for one in said)


async def test_server_errors_come_in_the_vendors_words_and_as_pages_of_a_proxy() -> None:
    async with World() as world:
        await rate(world, kind="server_error")
        answers = [await world.graph("GET", APPS) for _ in range(30)]
        assert {answer.status_code for answer in answers} == set(FAILURES)
        assert all(answer.json()["error"]["message"] for answer in answers)
        await world.http.delete("/admin/fault-rates")
        await rate(world, kind="html_error")
        page = await world.graph("GET", APPS)
        assert page.status_code in FAILURES
        assert page.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize(
    ("kind", "error", "made"),
    [
        ("cut_before", httpx.RemoteProtocolError, False),
        ("cut_after", httpx.RemoteProtocolError, True),
        ("timeout", httpx.ReadTimeout, True),
    ],
)
async def test_an_answer_is_lost_with_and_without_its_effect(
    kind: str, error: type[httpx.TransportError], made: bool
) -> None:
    async with World() as world:
        before = world.clock.now()
        await rate(world, kind=kind, delay_s=45)
        with pytest.raises(error):
            await world.graph("POST", APPS, json=APP_BODY)
        assert world.clock.now() - before == timedelta(seconds=45 if kind == "timeout" else 0)
        assert await names(world) == (["Paint 2.0"] if made else [])


async def test_a_slow_answer_comes_in_the_labs_own_time() -> None:
    async with World() as world:
        before = world.clock.now()
        await rate(world, kind="slow", delay_s=5)
        assert (await world.graph("GET", APPS)).status_code == 200
        assert world.clock.now() - before == timedelta(seconds=5)


async def test_the_date_header_and_the_times_of_tokens_are_off() -> None:
    async with World() as world:
        await rate(world, kind="clock_skew", skew_s=600)
        dates = [parsedate_to_datetime((await world.graph("GET", APPS)).headers["date"]) for _ in range(20)]
        assert {date - world.clock.now() for date in dates} == {timedelta(seconds=600), timedelta(seconds=-600)}
        await rate(world, kind="clock_skew", upstream="entra", skew_s=86_400)
        accepted = set()
        for _ in range(20):  # a token that was dated yesterday is over today
            await world.sign_in()
            accepted.add((await world.graph("GET", "/groups", headers={})).status_code)
        assert accepted == {200, 401}


@pytest.mark.parametrize("upstream", ["graph", "jamf"])
async def test_tokens_end_early(upstream: str) -> None:
    async with World() as world:
        world.lab.jamf.tokens.issue()
        await rate(world, kind="tokens_revoked", upstream=upstream, path_contains="revoking")
        assert (await world.graph("GET", APPS)).status_code == 200
        await world.http.get(f"/{upstream}/v1.0/revoking")
        assert (await world.graph("GET", APPS)).status_code == (401 if upstream == "graph" else 200)
        assert world.lab.jamf.tokens.standing() == (0 if upstream == "jamf" else 1)


async def test_a_status_lies_to_the_request_that_it_strikes_and_to_no_other() -> None:
    async with World() as world:
        app = await world.publish()
        await world.assign(app, "ring-0-lab")
        await world.wait(120)
        truth = (await world.report(app, select=["InstallState"]))["Values"]
        await rate(world, kind="lying_status", path_contains="reports")
        assert (await world.report(app, select=["InstallState"]))["Values"] == [["installed"]] * 8 != truth
        await world.http.delete("/admin/fault-rates")
        assert (await world.report(app, select=["InstallState"]))["Values"] == truth


async def test_a_filter_on_devices_is_ignored() -> None:
    async with World() as world:
        query = {"$filter": f"serialNumber eq '{world.lab.fleet.devices[5].serial}'"}
        assert len((await world.graph("GET", DEVICES, params=query)).json()["value"]) == 1
        await rate(world, kind="ignored_filter")
        assert len((await world.graph("GET", DEVICES, params=query)).json()["value"]) == 80


async def test_somebody_else_makes_an_app_of_the_same_name() -> None:
    async with World() as world:
        await rate(world, kind="duplicate_name")
        ours = await world.create_app()
        assert await names(world) == ["Paint 2.0", "Paint 2.0"]
        notes = {app.id == ours: app.body["notes"] for app in world.lab.tenant.apps.values()}
        assert notes == {True: APP_BODY["notes"], False: "made by hand"}


async def test_a_signed_address_is_refused() -> None:
    async with World() as world:
        file = await world.open_file(await world.create_app(), sealed())
        uri = (await world.graph("GET", file)).json()["azureStorageUri"]
        await rate(world, kind="sas_refused", upstream="blob")
        refused = await world.put_block(uri, "MDAwMA==", b"x")
        assert (refused.status_code, refused.headers["x-ms-error-code"]) == (403, "AuthenticationFailed")


async def test_parts_of_a_batch_are_throttled_each_by_itself() -> None:
    async with World() as world:
        await rate(world, kind="batch_part_throttled", path_contains="mobileApps")
        parts = [{"id": str(n), "method": "GET", "url": url} for n, url in enumerate((APPS, "/groups"))]
        answer = await world.graph("POST", "/$batch", json={"requests": parts})
        assert answer.status_code == 200
        assert {part["id"]: part["status"] for part in answer.json()["responses"]} == {"0": 429, "1": 200}


# switching


async def test_one_body_switches_on_everything_everywhere_and_one_delete_ends_it() -> None:
    async with World() as world:
        assert (await world.http.post("/admin/fault-rates", json={"probability": 0.5})).status_code == 204
        listed = (await world.http.get("/admin/fault-rates")).json()
        assert len(listed["rates"]) == sum(len(upstreams) for upstreams in APPLIES.values())
        for _ in range(20):
            try:
                await world.graph("GET", APPS)
            except httpx.TransportError:
                continue
        listed = (await world.http.get("/admin/fault-rates")).json()
        assert sum(row["struck"] for row in listed["struck"]) > 10
        assert (await world.http.get("/admin/requests")).json()["upstreams"]["graph"]["failed"] > 5
        assert await names(world) == []
        assert (await world.http.get("/admin/fault-rates")).json()["rates"] == []


async def test_all_is_well_once_faults_are_cleared() -> None:
    async with World() as world:
        await rate(world, kind="server_error")
        assert (await world.http.delete("/admin/faults")).status_code == 204
        assert (await world.graph("GET", APPS)).status_code == 200


async def test_a_rate_may_be_for_one_method_and_a_later_one_takes_its_place() -> None:
    async with World() as world:
        await rate(world, kind="server_error", method="POST")
        assert (await world.graph("GET", APPS)).status_code == 200
        assert (await world.graph("POST", APPS, json=APP_BODY)).status_code in FAILURES
        await rate(world, kind="server_error", method="POST", probability=0)
        assert (await world.graph("POST", APPS, json=APP_BODY)).status_code == 201


async def test_rates_without_end_are_not_kept() -> None:
    async with World() as world:
        answers = [await rate(world, kind="slow", path_contains=f"/{number}") for number in range(501)]
        assert answers == [204] * 500 + [409]


def test_every_kind_is_written_down_for_people() -> None:
    told = (Path(__file__).parents[2] / "docs/lab.md").read_text()
    assert [kind for kind in FaultKind if f"| `{kind}` |" not in told or kind not in str(admin.__doc__)] == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"probability": 1.01},
        {"probability": -0.1},
        {"probability": 0.5, "kind": "sas_refused", "upstream": "jamf"},
        {"probability": 0.5, "kind": "gremlins"},
        {"probability": 0.5, "upstream": "nobody"},
        {"probability": 0.5, "delay_s": 0},
        {"probability": 0.5, "retry_after": "tomorrow"},
        {"probability": 0.5, "kinds": "slow"},
    ],
)
async def test_a_rate_that_is_not_understood_changes_nothing(body: dict[str, Any]) -> None:
    async with World() as world:
        assert (await world.http.post("/admin/fault-rates", json=body)).status_code == 422
        assert (await world.http.get("/admin/fault-rates")).json()["rates"] == []
