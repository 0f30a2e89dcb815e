"""The lab's switches: faults by upstream, outages, a bad release, the clock, and what can be looked at."""

import json
import re
import shlex
import subprocess
import sys
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import httpx
import pytest
from lab_world import APPS, World, sealed

from eucora.cli.stack import lab_environment
from eucora.lab.recorder import Recorder
from eucora.lab.server import LabAddresses, serve_lab


async def admin(world: World, path: str, **body: Any) -> int:
    return (await world.http.post(f"/admin/{path}", json=body)).status_code


async def test_the_next_requests_fail_and_then_all_is_well() -> None:
    async with World() as world:
        assert await admin(world, "faults", upstream="graph", status=429, count=2, retry_after_s=3) == 204
        answers = [await world.graph("GET", APPS) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [429, 429, 200]
        assert answers[0].headers["retry-after"] == "3"
        assert answers[0].json()["error"]["code"] == "TooManyRequests"


async def test_a_fault_without_retry_after_sends_none() -> None:
    async with World() as world:
        await admin(world, "faults", upstream="graph", status=429)
        assert "retry-after" not in (await world.graph("GET", APPS)).headers


async def test_a_fault_may_be_for_one_method_and_path() -> None:
    async with World() as world:
        await admin(world, "faults", upstream="graph", status=503, method="POST", path_contains="mobileApps")
        assert (await world.graph("GET", APPS)).status_code == 200
        assert (await world.graph("POST", "/devices")).status_code == 405
        assert (await world.graph("POST", APPS, json={})).status_code == 503
        assert (await world.graph("POST", APPS, json={})).status_code == 400


@pytest.mark.parametrize(
    ("upstream", "path", "media_type"),
    [
        ("graph", f"/graph/v1.0{APPS}", "application/json"),
        ("blob", "/blob/a/b", "application/xml"),
        ("jamf", "/jamf/api/v1/packages", "application/json"),
        ("jamf", "/jamf/JSSResource/policies", "text/html; charset=utf-8"),
        ("entra", "/entra/t/oauth2/v2.0/token", "application/json"),
        ("kandji", "/kandji/api/v1/devices", "application/json"),
        ("oidc", "/oidc/jwks", "application/json"),
    ],
)
async def test_an_upstream_that_is_down_fails_in_its_own_words(upstream: str, path: str, media_type: str) -> None:
    async with World() as world:
        assert await admin(world, "outages", upstream=upstream, seconds=60) == 204
        down = await world.http.get(path)
        assert (down.status_code, down.headers["content-type"]) == (503, media_type)
        world.clock.advance(60)
        assert (await world.http.get(path)).status_code != 503


async def test_all_faults_can_be_cleared() -> None:
    async with World() as world:
        await admin(world, "outages", upstream="graph", seconds=60)
        await admin(world, "faults", upstream="graph", status=500, count=5)
        assert (await world.http.delete("/admin/faults")).status_code == 204
        assert (await world.graph("GET", APPS)).status_code == 200


async def test_a_bad_release_can_be_told_from_outside() -> None:
    async with World() as world:
        assert await admin(world, "failure-rates", package_prefix="Paint", rate=1.0) == 204
        app = await world.publish()
        await world.assign(app, "ring-0-lab")
        await world.wait(24 * 3600)
        page = await world.report(app, select=["InstallState"])
        assert page["Values"] == [["failed"]] * 8


async def test_a_plane_can_be_made_to_lie_from_outside() -> None:
    async with World() as world:
        assert await admin(world, "lying-statuses", plane="intune") == 204
        app = await world.publish()
        await world.assign(app, "ring-0-lab")
        await world.wait(120)
        assert (await world.report(app, select=["InstallState"]))["Values"] == [["installed"]] * 8
        assert await admin(world, "lying-statuses", plane="intune", on=False) == 204
        assert (await world.report(app, select=["InstallState"]))["Values"] != [["installed"]] * 8


async def test_the_clock_moves_when_it_is_a_manual_one() -> None:
    async with World() as world:
        before = world.clock.now()
        answer = await world.http.post("/admin/clock/advance", json={"seconds": 90})
        assert answer.json() == {"now": world.clock.now().isoformat()}
        assert (world.clock.now() - before).total_seconds() == 90


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("faults", {"upstream": "nobody", "status": 500}),
        ("faults", {"upstream": "graph"}),
        ("faults", {"upstream": "graph", "status": 500, "cuont": 3}),
        ("outages", {"upstream": "graph", "seconds": -1}),
        ("failure-rates", {"package_prefix": "x", "rate": 2}),
        ("lying-statuses", {"plane": "kandji"}),
        ("clock/advance", {}),
    ],
)
async def test_a_switch_that_is_not_understood_changes_nothing(path: str, body: dict[str, Any]) -> None:
    async with World() as world:
        assert await admin(world, path, **body) == 422
        assert (await world.graph("GET", APPS)).status_code == 200


async def test_requests_are_counted_by_upstream_and_route() -> None:
    async with World() as world:
        app = await world.create_app()
        await world.graph("GET", f"{APPS}/{app}")
        await admin(world, "faults", upstream="graph", status=500)
        await world.graph("GET", f"{APPS}/{app}")
        seen = (await world.http.get("/admin/requests")).json()
        assert seen["upstreams"]["graph"] == {"asked": 3, "failed": 1}
        assert seen["upstreams"]["entra"]["asked"] == 1
        assert seen["routes"][f"GET /graph/v1.0{APPS}/{{id}}"] == 2


async def test_the_recorder_keeps_both_sides_of_an_exchange() -> None:
    async with World() as world:
        await world.graph("POST", APPS, params={"x": "1"}, json={"a": 1})
        seen = world.recorder.exchanges[-1]
        assert (seen.method, seen.path, seen.query, seen.status) == ("POST", f"/graph/v1.0{APPS}", "x=1", 400)
        assert (seen.request_body, seen.request_type) == (b'{"a":1}', "application/json")
        assert seen.response_body is not None
        assert b"BadRequest" in seen.response_body


async def test_the_recorder_leaves_out_long_bodies_and_forgets_the_oldest() -> None:
    async with World() as world:
        file = await world.open_file(await world.create_app(), sealed())
        uri = (await world.graph("GET", file)).json()["azureStorageUri"]
        for size, kept in ((256 * 1024, bytes(256 * 1024)), (256 * 1024 + 1, None)):
            assert (await world.put_block(uri, "MDAwMA==", bytes(size))).status_code == 201
            assert world.recorder.exchanges[-1].request_body == kept
    assert Recorder(capacity=1).exchanges.maxlen == 1


def test_the_lab_serves_on_loopback_and_tells_where() -> None:
    recorder = Recorder()
    with serve_lab(seed=7, pace=1800, windows=10, macs=5, recorder=recorder) as lab, httpx.Client() as client:
        assert lab.base_url.startswith("http://127.0.0.1:")
        form = {
            "grant_type": "client_credentials",
            "client_id": lab.client_id,
            "client_secret": lab.client_secret,
            "scope": "https://graph.microsoft.com/.default",
        }
        token = client.post(f"{lab.entra_authority}/{lab.tenant}/oauth2/v2.0/token", data=form).json()["access_token"]
        headers = {"authorization": f"Bearer {token}"}
        page = client.get(f"{lab.graph_url}/groups?$top=2", headers=headers).json()
        assert page["@odata.nextLink"].startswith(lab.graph_url)
        assert len(client.get(page["@odata.nextLink"], headers=headers).json()["value"]) == 2
        form |= {"client_id": lab.jamf_client_id, "client_secret": lab.jamf_client_secret}
        form.pop("scope")
        assert client.post(f"{lab.jamf_url}/api/v1/oauth/token", data=form).status_code == 200
        issuer = client.get(f"{lab.oidc_issuer}/.well-known/openid-configuration").json()["issuer"]
        assert issuer == lab.oidc_issuer
        client.post(f"{lab.admin_url}/faults", json={"upstream": "graph", "status": 0})
        with pytest.raises(httpx.RemoteProtocolError):
            client.get(f"{lab.graph_url}/groups", headers=headers)
        assert client.post(f"{lab.admin_url}/clock/advance", json={"seconds": 1}).status_code == 409
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{lab.admin_url}/requests")
    assert len(recorder.exchanges) > 5


async def test_the_groups_are_listed_with_what_the_vendors_call_them() -> None:
    async with World() as world:
        groups = (await world.http.get("/admin/groups")).json()["groups"]
        assert {group["plane"] for group in groups} >= {"intune", "jamf"}
        intune = next(group for group in groups if (group["plane"], group["name"]) == ("intune", "ring-1-canary"))
        answer = await world.graph("GET", f"/groups/{intune['id']}")
        assert (answer.json()["displayName"], intune["devices"] > 0) == ("ring-1-canary", True)


def test_the_lines_of_the_papers_connect_a_shell_to_the_lab(tmp_path: Path) -> None:
    papers = (Path(__file__).parents[2] / "docs" / "lab.md").read_text()
    (program,) = re.findall(r"^python -c '\n(.*?)^' > lab.env$", papers, flags=re.M | re.S)
    lab = LabAddresses(*(f"{field.name} of the lab" for field in fields(LabAddresses)))
    (tmp_path / "lab.json").write_text(json.dumps(asdict(lab)) + "\n")
    ran = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert [shlex.split(line) for line in ran.stdout.splitlines()] == [
        ["export", f"{name}={value}"] for name, value in lab_environment(lab).items()
    ]
