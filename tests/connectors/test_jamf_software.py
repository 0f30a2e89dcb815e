"""What is on a computer by its inventory, and what Jamf itself installs from its App Catalog."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from jamf_rig import CLIENT_ID, CLIENT_SECRET, Distorting, Rig, a_publication, offered

from eucora.application.planes import Device, PlaneForbidden, PlaneRejected
from eucora.connectors.gate import Gate
from eucora.connectors.jamf.api import JamfApi
from eucora.connectors.jamf.app_installers import CatalogTitle, catalog_deployments, catalog_titles
from eucora.connectors.jamf.auth import JamfTokens
from eucora.connectors.jamf.inventory import Computer, computer_with_serial
from eucora.connectors.jamf.names import content_name
from eucora.connectors.jamf.sign_in import ApiClient
from eucora.connectors.jamf.software import SOFTWARE, InstalledApplication, applications_of, receipts_of


def api_of(rig: Rig, network: httpx.AsyncBaseTransport | None = None) -> JamfApi:
    http = httpx.AsyncClient(transport=network or rig.wire(), base_url="https://jamf.test")
    tokens = JamfTokens(http, ApiClient(CLIENT_ID, CLIENT_SECRET), now=rig.clock.now)
    return JamfApi(http, tokens, Gate(5), "inventory")


def a_computer(**sections: Any) -> Computer:
    return Computer(Device("1", "mac", "S1", "26.1", None), True, sections=sections)


async def test_a_release_shows_among_the_applications_and_receipts_once_it_is_installed(tmp_path: Path) -> None:
    rig = Rig(macs=60)
    publication = a_publication(tmp_path)
    await offered(rig, publication, 0)
    mac = rig.fleet.devices[0]
    for installed in (False, True):
        found = await computer_with_serial(api_of(rig), mac.serial, SOFTWARE)
        assert found is not None
        shown = [(one.name, one.version) for one in applications_of(found) or ()]
        assert (("Editor.app", "2.1") in shown) == installed
        assert ("Safari.app", mac.os_version) in shown
        assert receipts_of(found) == ([content_name("Editor-2.1.pkg", publication.key)] if installed else [])
        rig.clock.advance(12 * 3600)


def test_what_was_not_asked_for_is_not_taken_for_nothing() -> None:
    assert (applications_of(a_computer()), receipts_of(a_computer())) == (None, None)
    assert applications_of(a_computer(applications=None)) is None
    assert receipts_of(a_computer(packageReceipts={"installedByJamfPro": None})) is None
    assert applications_of(a_computer(applications=[])) == []


def test_nulls_and_strangers_in_the_inventory_are_passed_over() -> None:
    rows = [{"name": "B", "path": "/b", "version": "1", "cfBundleVersion": None}, None, "x", {"path": 7}]
    assert applications_of(a_computer(applications=rows)) == [
        InstalledApplication("", "", "", "", ""),
        InstalledApplication("B", "/b", "", "1", ""),
    ]
    assert receipts_of(a_computer(packageReceipts={"installedByJamfPro": ["b", None, "", "a", "b"]})) == ["a", "b"]


async def test_the_catalog_and_what_is_deployed_from_it() -> None:
    rig = Rig(macs=60)
    titles, deployments = await catalog_titles(api_of(rig)), await catalog_deployments(api_of(rig))
    assert titles is not None
    assert deployments is not None
    assert titles[0] == CatalogTitle("000", "Lab Browser", "Browser Software", "example.lab.browser", "143.0.1")
    told = [(one.title_id, one.enabled, one.automatic, one.updates, one.version, one.latest) for one in deployments]
    assert told == [
        ("000", True, True, True, "143.0.1", "143.0.1"),
        ("001", False, False, False, "6.1", "6.4"),
    ]
    assert (deployments[0].group, deployments[0].installed, deployments[0].failed) == ("All Managed Clients", 40, 2)


async def test_a_server_without_app_installers_says_so_and_one_that_refuses_does_not() -> None:
    rig = Rig(macs=60)
    rig.app.state.installers.there = False
    assert await catalog_titles(api_of(rig)) is None
    assert await catalog_deployments(api_of(rig)) is None

    def refused(request: httpx.Request, _: int) -> httpx.Response | None:
        return httpx.Response(403) if "app-installers" in request.url.path else None

    with pytest.raises(PlaneForbidden):
        await catalog_deployments(api_of(rig, Distorting(rig, refused)))


@pytest.mark.parametrize("rows", [[{"name": "no id"}], ["x"], [{"id": None}], None])
async def test_a_list_off_its_schema_is_not_taken_for_an_empty_one(rows: Any) -> None:
    rig = Rig(macs=60)

    def off(request: httpx.Request, _: int) -> httpx.Response | None:
        body = {"totalCount": 1, "results": rows}
        return httpx.Response(200, json=body) if "app-installers" in request.url.path else None

    for read in (catalog_titles, catalog_deployments):
        with pytest.raises(PlaneRejected, match="schema"):
            await read(api_of(rig, Distorting(rig, off)))
