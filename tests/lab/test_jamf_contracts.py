"""The simulated Jamf Pro server held to Jamf's own descriptions of both APIs, for every operation that it serves."""

import json
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any
from xml.etree.ElementTree import Element

import httpx
import pytest
from defusedxml.ElementTree import fromstring
from jamf_world import (
    ACCOUNT,
    EVERYONE_REPORTED_S,
    PKG,
    XML,
    JamfWorld,
    group,
    install_policy,
    package_body,
    uninstall_policy,
)
from starlette.routing import BaseRoute, Mount, Route

from eucora.lab.recorder import Exchange
from vendor_contracts import FOLDER, Contract, contract

pytestmark = pytest.mark.contracts

# Live servers send these in a policy_log where the description has date_time, date_time_epoch and date_time_utc.
UNDESCRIBED = {"date_completed", "date_completed_epoch", "date_completed_utc"}
UNDESCRIBED_ANSWER = "response of type 'application/xml' is not described, only []"
ENVELOPE = {"$ref": "#/components/schemas/ApiError"}
CLASSIC = "jamf-classic.openapi.json"
# In Jamf's reference of the Classic API, but not among the operations that the description was cut to.
UNCUT = {("DELETE", "/logflush")}
# The older token path is in Jamf's guide and in most tools, not in the server's schema.
OLDER_TOKEN = "/jamf/api/oauth/token"
# App Installers are described by Jamf in a document of their own.
ELSEWHERE = ("/oauth/token", "/v1/app-installers/")


@pytest.fixture
async def jamf() -> AsyncIterator[JamfWorld]:
    world = JamfWorld(macs=400)
    async with world.http:
        await world.sign_in()
        yield world


async def walk_pro(jamf: JamfWorld) -> None:
    """Every operation of the Pro API, the refused ones too."""
    http = jamf.http
    package_id = await jamf.ready_package()
    await jamf.policy(install_policy("Editor", package_id, jamf.group_id()))
    jamf.clock.advance(EVERYONE_REPORTED_S)
    await http.get("api/v1/packages", params={"filter": 'notes=="x"', "page": 0, "page-size": 5, "sort": "id:asc"})
    await http.get("api/v1/packages")
    await http.get(f"api/v1/packages/{package_id}")
    await http.put(f"api/v1/packages/{package_id}", json=package_body("Editor 2.0") | {"notes": "n"})
    await http.post("api/v1/packages", json=package_body("Editor 2.0"))
    await http.get("api/v1/packages/99")
    await http.post("api/v1/packages/99/upload", files={"file": ("a.pkg", PKG)})
    await http.get("api/v1/categories")
    await http.get("api/v1/jamf-pro-version")
    await http.get("api/v1/auth")
    await http.get("api/v1/computer-groups")
    await http.get("api/v3/computer-groups/static-groups")
    await http.get(f"api/v3/computer-groups/static-groups/{jamf.group_id()}")
    await http.get("api/v3/computer-groups/static-groups/99")
    sections = ["GENERAL", "HARDWARE", "OPERATING_SYSTEM", "USER_AND_LOCATION", "GROUP_MEMBERSHIPS"]
    sections += ["PACKAGE_RECEIPTS", "APPLICATIONS"]
    for version in ("v3", "v4"):
        inventory = f"api/{version}/computers-inventory"
        await http.get(inventory, params={"section": sections, "page-size": 400, "sort": "id:asc"})
        await http.get(f"{inventory}/{jamf.sound().jamf_id}", params={"section": sections})
    await http.get("api/v4/computers-inventory/99999")
    await http.delete(f"api/v1/packages/{package_id}")
    await jamf.token(client_secret="wrong")
    await http.post("api/v1/auth/token", auth=httpx.BasicAuth("lab-user", "wrong"))
    account = (await http.post("api/v1/auth/token", auth=httpx.BasicAuth(*ACCOUNT))).json()["token"]
    kept = await http.post("api/v1/auth/keep-alive", headers={"Authorization": f"Bearer {account}"})
    await http.post("api/v1/auth/invalidate-token", headers={"Authorization": f"Bearer {kept.json()['token']}"})
    await http.get("api/v1/packages", headers={"Authorization": "Bearer nonsense"})


async def walk_classic(jamf: JamfWorld) -> None:
    """Every operation of the Classic API that answers with XML."""
    http = jamf.http
    policy_id = await jamf.policy(install_policy("Editor", await jamf.ready_package(), jamf.group_id()))
    jamf.clock.advance(EVERYONE_REPORTED_S)
    await jamf.policy(uninstall_policy("Editor", jamf.group_id()))
    jamf.clock.advance(EVERYONE_REPORTED_S)
    mac = jamf.sound().jamf_id
    for path in (
        "policies",
        f"policies/id/{policy_id}",
        "policies/name/Editor%20uninstall",
        "computergroups",
        f"computergroups/id/{jamf.group_id()}",
        "computergroups/name/ring-2-pilot",
        f"computerhistory/id/{mac}/subset/PolicyLogs",
        f"computerhistory/id/{mac}/subset/General",
    ):
        answer = await http.get(f"JSSResource/{path}")
        assert answer.status_code == 200, (path, answer.text)
    group_id = await jamf.group("eucora trial", mac)
    await http.put(
        f"JSSResource/computergroups/id/{group_id}", content=group("eucora trial", deletions=[mac]), headers=XML
    )
    await http.get(f"JSSResource/computergroups/id/{group_id}")
    await http.post("JSSResource/computergroups/id/0", content=group("eucora trial"), headers=XML)
    await http.delete(f"JSSResource/computergroups/id/{group_id}")
    await jamf.change(policy_id, "<policy><general><enabled>false</enabled></general></policy>")
    await http.delete(f"JSSResource/policies/id/{policy_id}")
    await http.get(f"JSSResource/policies/id/{policy_id}")
    await http.post("JSSResource/policies/id/0", content=uninstall_policy("Editor"), headers=XML)


async def test_every_answer_of_the_pro_api_is_as_described(jamf: JamfWorld) -> None:
    description = contract("jamf-pro.openapi.json", closed=True)
    await walk_pro(jamf)
    pro = [seen for seen in jamf.recorder.exchanges if seen.path.startswith("/jamf/api") and seen.path != OLDER_TOKEN]
    served = operations(description, "/jamf/api", pro)
    assert {(method, path) for method, path in offered(jamf, "/api") if not path.startswith(ELSEWHERE)} == served

    deviations = [text for seen in pro if seen.status < 400 for text in description.deviations(seen, base="/jamf/api")]
    assert deviations == []
    refusals = [seen for seen in pro if seen.status >= 400]
    assert {seen.status for seen in refusals} == {400, 401, 404}
    for seen in refusals:
        # A wrong client is refused in the words of RFC 6749, everything else in the envelope, described there or not.
        if seen.path.endswith("/oauth/token"):
            assert description.deviations(seen, base="/jamf/api") == []
        else:
            assert description.check(ENVELOPE, json.loads(seen.response_body or b"")) == []


async def test_every_answer_about_app_installers_is_as_described(jamf: JamfWorld) -> None:
    description = contract("jamf-app-installers.openapi.json", closed=True)
    for what in ("titles", "deployments"):
        answer = await jamf.http.get(f"api/v1/app-installers/{what}")
        assert answer.json()["totalCount"] == len(answer.json()["results"]) > 0
    seen = [one for one in jamf.recorder.exchanges if "/app-installers/" in one.path]
    assert operations(description, "/jamf/api", seen) == {
        (method, path) for method, path in offered(jamf, "/api") if path.startswith("/v1/app-installers/")
    }
    assert [text for one in seen for text in description.deviations(one, base="/jamf/api")] == []


async def test_every_answer_of_the_classic_api_is_as_described(jamf: JamfWorld) -> None:
    description = contract(CLASSIC, closed=True)
    await walk_classic(jamf)
    base = "/jamf/JSSResource"
    classic = [seen for seen in jamf.recorder.exchanges if seen.path.startswith(base)]
    assert operations(description, base, classic) == set(offered(jamf, "/JSSResource")) - UNCUT

    schemas = json.loads((FOLDER / CLASSIC).read_text())["components"]["schemas"]
    logs = 0
    for seen in classic:
        if seen.status >= 400:
            assert seen.response_type.startswith("text/html")
            continue
        found = description.deviations(seen, base=base)
        if seen.method == "GET":
            assert found == []
            logs += fits(description, schemas, seen, base)
        else:
            # That writes answer with the id of what they wrote is in Jamf's guide, not in the description.
            assert [text.partition(": ")[2] for text in found] == [UNDESCRIBED_ANSWER]
    assert logs == 2


def operations(description: Contract, base: str, exchanges: list[Exchange]) -> set[tuple[str, str]]:
    """(method, template) of each exchange; one that no operation describes fails the test."""
    found = set()
    for seen in exchanges:
        operation = description.operation(seen.method, seen.path[len(base) :])
        assert operation is not None, (seen.method, seen.path)
        found.add((seen.method, operation.template))
    return found


def offered(jamf: JamfWorld, under: str) -> Iterator[tuple[str, str]]:
    """(method, template) of each route of the app below ``under``."""

    def routes(found: list[BaseRoute], prefix: str) -> Iterator[tuple[str, str]]:
        for route in found:
            if isinstance(route, Mount):
                yield from routes(route.routes, prefix + route.path)
            elif isinstance(route, Route):
                path = re.sub(r":[a-z]+}", "}", prefix + route.path)
                for method in (route.methods or set()) - {"HEAD"}:
                    yield method, path

    return (
        (method, path.removeprefix(under)) for method, path in routes(jamf.app.routes, "") if path.startswith(under)
    )


def fits(description: Contract, schemas: Mapping[str, Any], seen: Exchange, base: str) -> int:
    """Hold the XML of an answer to the schema of its operation; how many policy logs it had."""
    operation = description.operation(seen.method, seen.path[len(base) :])
    assert operation is not None
    schema = operation.body["responses"]["200"]["content"]["application/xml"]["schema"]
    root = fromstring(seen.response_body or b"")
    for log in (logs := list(root.iter("policy_log"))):
        assert {child.tag for child in log} >= UNDESCRIBED
        for child in [child for child in log if child.tag in UNDESCRIBED]:
            log.remove(child)
    assert description.check(schema, as_described(schemas, schema, root, root.tag)) == []
    return len(logs)


def as_described(schemas: Mapping[str, Any], schema: Mapping[str, Any], element: Element, path: str) -> Any:
    """The element as the JSON that Jamf's description of the XML speaks of: a list has one object for each child."""
    schema = resolved(schemas, schema)
    if schema.get("type") == "array":
        parts = resolved(schemas, schema["items"])
        return [{child.tag: part(schemas, parts, child, path)} for child in element]
    if "properties" in schema:
        assert len({child.tag for child in element}) == len(element), f"{path} repeats an element"
        return {child.tag: part(schemas, schema, child, path) for child in element}
    text = element.text or ""
    if schema.get("type") == "integer":
        return int(text)
    return {"true": True, "false": False}[text] if schema.get("type") == "boolean" else text


def part(schemas: Mapping[str, Any], schema: Mapping[str, Any], child: Element, path: str) -> Any:
    here = f"{path}/{child.tag}"
    assert child.tag in schema["properties"], f"{here} is not described"
    return as_described(schemas, schema["properties"][child.tag], child, here)


def resolved(schemas: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    while "$ref" in schema:
        schema = schemas[schema["$ref"].rpartition("/")[2]]
    return schema
