"""What Jamf itself installs from its App Catalog: told where a rollout of ours would be its second owner."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from jamf_rig import CLIENT_ID, CLIENT_SECRET, CORRELATION, Distorting, Rig, a_publication

from eucora.application.checkups import Health
from eucora.application.planes import PlaneForbidden, PlaneRejected
from eucora.connectors.gate import Gate
from eucora.connectors.jamf.api import JamfApi
from eucora.connectors.jamf.app_installers import catalog_deployments
from eucora.connectors.jamf.auth import JamfTokens
from eucora.connectors.jamf.sign_in import ApiClient

BROWSER = "App Installers: Lab Browser 143.0.1 and later for All Managed Clients"


def api_of(rig: Rig, network: httpx.AsyncBaseTransport | None = None) -> JamfApi:
    http = httpx.AsyncClient(transport=network or rig.wire(), base_url="https://jamf.test")
    tokens = JamfTokens(http, ApiClient(CLIENT_ID, CLIENT_SECRET), now=rig.clock.now)
    return JamfApi(http, tokens, Gate(5), "inventory")


def answering(rig: Rig, answer: httpx.Response) -> Distorting:
    def installers(request: httpx.Request, _: int) -> httpx.Response | None:
        if "app-installers" not in request.url.path:
            return None
        return httpx.Response(answer.status_code, content=answer.content, headers=answer.headers)

    return Distorting(rig, installers)


async def test_what_is_deployed_from_the_catalog() -> None:
    deployments = await catalog_deployments(api_of(Rig(macs=3)))
    assert deployments is not None
    assert [str(one) for one in deployments] == [
        BROWSER,
        "App Installers: Lab Meeting 6.1 for All Managed Clients, in Self Service",
    ]
    assert [one.enabled for one in deployments] == [True, False]


async def test_a_list_in_pages_is_read_to_its_end() -> None:
    rig = Rig(macs=3)
    rows = [{"id": str(number), "app": {"titleName": f"Title {number}"}} for number in range(5)]

    def paged(request: httpx.Request, _: int) -> httpx.Response | None:
        if "app-installers" not in request.url.path:
            return None
        start = 2 * int(request.url.params.get("page", 0))
        assert int(request.url.params.get("page-size", 2)) == 2
        return httpx.Response(200, json={"totalCount": 5, "results": rows[start : start + 2]})

    found = await catalog_deployments(api_of(rig, Distorting(rig, paged)))
    assert [one.id for one in found or ()] == ["0", "1", "2", "3", "4"]


async def test_a_server_without_app_installers_says_so_and_one_that_refuses_does_not() -> None:
    rig = Rig(macs=3)
    rig.app.state.installers.there = False
    assert await catalog_deployments(api_of(rig)) is None
    with pytest.raises(PlaneForbidden):
        await catalog_deployments(api_of(rig, answering(rig, httpx.Response(403))))


@pytest.mark.parametrize("rows", [[{"name": "no id"}], ["x"], [{"id": None}], None])
async def test_a_list_off_its_schema_is_not_taken_for_an_empty_one(rows: Any) -> None:
    rig = Rig(macs=3)
    off = httpx.Response(200, json={"totalCount": 1, "results": rows})
    with pytest.raises(PlaneRejected, match="schema"):
        await catalog_deployments(api_of(rig, answering(rig, off)))


@pytest.mark.parametrize(
    ("name", "wide"), [("lab browser ", (BROWSER,)), ("Lab Meeting", ()), ("Editor", ())]
)  # the second is turned off, the third nobody deploys
async def test_a_second_owner_of_a_release_is_seen_at_every_look(
    tmp_path: Path, name: str, wide: tuple[str, ...]
) -> None:
    rig = Rig(macs=3)
    publication = replace(a_publication(tmp_path), name=name)
    await rig.plane().publish(publication, correlation_id=CORRELATION)
    seen = await rig.plane().inspect(publication.key, name, publication.version, correlation_id=CORRELATION)
    assert seen.wide == wide


@pytest.mark.parametrize("answer", [httpx.Response(403), httpx.Response(404), httpx.Response(200, json={"x": 1})])
async def test_a_catalog_that_cannot_be_read_keeps_no_look_back(tmp_path: Path, answer: httpx.Response) -> None:
    rig = Rig(macs=3)
    publication = replace(a_publication(tmp_path), name="Lab Browser")
    done = await rig.plane().publish(publication, correlation_id=CORRELATION)
    plane = rig.plane(answering(rig, answer))
    seen = await plane.inspect(publication.key, "Lab Browser", publication.version, correlation_id=CORRELATION)
    assert (seen.ref, seen.wide) == (done.ref, ())


async def test_the_doctor_names_what_is_deployed_before_somebody_rolls_it_out_as_well() -> None:
    rig = Rig(macs=3)
    for network, health, told in (
        (rig.wire(), Health.UNKNOWN, f"{BROWSER}; roll none of them out as well"),
        (answering(rig, httpx.Response(404)), Health.GOOD, "none is deployed"),
        (answering(rig, httpx.Response(403)), Health.UNKNOWN, "403"),
    ):
        found = {one.check: one for one in await rig.plane(network).check_up(correlation_id=CORRELATION)}
        assert (found["App Installers"].health, told in found["App Installers"].told) == (health, True)
