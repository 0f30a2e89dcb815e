"""Every request of the plane is one that Jamf's own descriptions know."""

import json
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element, fromstring

import httpx
import pytest
from jamf_rig import CORRELATION, Rig, a_publication, a_watch, a_withdrawal, an_assignment

from classic_documents import deviations
from eucora.application.planes import Gathering, GroupNotFound, Offer
from vendor_contracts import FOLDER, contract

pytestmark = pytest.mark.contracts
PRO, CLASSIC = "jamf-pro.openapi.json", "jamf-classic.openapi.json"
INSTALLERS = "jamf-app-installers.openapi.json"


@dataclass(frozen=True)
class Exchange:
    method: str
    path: str
    query: str
    request_type: str
    request_body: bytes | None
    status: int
    response_type: str
    response_body: bytes | None


class Recorder(httpx.AsyncBaseTransport):
    """Keeps what was said. ``older``: no inventory v4, and a package has no digest until one is written."""

    def __init__(self, rig: Rig, *, older: bool = False) -> None:
        self._inner, self._older = httpx.ASGITransport(rig.app), older
        self.exchanges: list[Exchange] = []
        self.documents: list[Element] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await self._answer(request)
        body = await answer.aread()
        kind = request.headers.get("content-type", "")
        if kind == "application/xml":
            self.documents.append(fromstring(request.content))
        self.exchanges.append(
            Exchange(
                request.method,
                request.url.path,
                request.url.query.decode(),
                kind,
                None if kind.startswith("multipart/") else request.content,
                answer.status_code,
                answer.headers.get("content-type", ""),
                # the description gives no body for what POST and PUT of the Classic API answer
                None if answer.status_code == 201 and "xml" in answer.headers["content-type"] else body,
            )
        )
        return httpx.Response(
            answer.status_code, headers={"content-type": answer.headers["content-type"]}, content=body
        )

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if self._older and path.startswith("/api/v4/"):
            return httpx.Response(404, json={"httpStatus": 404, "errors": []})
        if self._older and path.startswith("/api/v3/"):
            newer = request.url.copy_with(path=path.replace("/v3/", "/v4/"))
            answer = await self._inner.handle_async_request(httpx.Request("GET", newer, headers=request.headers))
            text = (await answer.aread()).decode().replace("lastCheckIn", "lastContactTime")
            page = json.loads(text)
            for row in page["results"]:
                del row["general"]["lastContact"]
            return httpx.Response(answer.status_code, json=page)
        answer = await self._inner.handle_async_request(request)
        unsigned = not any(exchange.method == "PUT" for exchange in self.exchanges)
        if self._older and unsigned and request.method == "GET" and path == "/api/v1/packages/1":
            record = json.loads(await answer.aread()) | {"sha256": None, "hashType": None, "hashValue": None}
            return httpx.Response(answer.status_code, json=record)
        return answer


async def everything(directory: Path, *, older: bool = False) -> Recorder:
    """Every verb, with both offers, over one recorded line."""
    rig = Rig(macs=60)
    recorder = Recorder(rig, older=older)
    plane = rig.plane(recorder)
    publication = a_publication(directory)
    published = await plane.publish(publication, correlation_id=CORRELATION)
    for ring, offer in ((0, Offer.INSTALL), (1, Offer.INSTALL), (1, Offer.UNINSTALL), (1, Offer.INSTALL)):
        assignment = an_assignment(publication, published.ref, rig.groups[ring].id, offer)
        await plane.assign(assignment, correlation_id=CORRELATION)
    group = await plane.resolve(rig.groups[0].name, correlation_id=CORRELATION)
    for devices in (2, 1):
        chosen = [device.id for device in group.devices][:devices]
        gathering = Gathering(publication.key, "eucora trial", group.ref, chosen)
        await plane.gather(gathering, correlation_id=CORRELATION)
    with pytest.raises(GroupNotFound):
        await plane.resolve("no such ring", correlation_id=CORRELATION)
    watch = a_watch(publication, published.ref, [device.id for device in group.devices])
    _ = [_ async for _ in plane.observe(watch, correlation_id=CORRELATION)]
    await plane.withdraw(a_withdrawal(publication, published.ref), correlation_id=CORRELATION)
    await plane.inspect(publication.key, publication.name, publication.version, correlation_id=CORRELATION)
    return recorder


@pytest.mark.parametrize("older", [False, True])
async def test_requests_and_answers_are_as_described(tmp_path: Path, older: bool) -> None:
    pro, classic, installers = contract(PRO, closed=True), contract(CLASSIC), contract(INSTALLERS, closed=True)
    templates: set[str] = set()
    for exchange in (await everything(tmp_path, older=older)).exchanges:
        base = "/JSSResource" if exchange.path.startswith("/JSSResource") else "/api"
        description = installers if "/app-installers/" in exchange.path else pro if base == "/api" else classic
        operation = description.operation(exchange.method, exchange.path.removeprefix(base))
        assert operation is not None, exchange
        templates.add(f"{exchange.method} {base}{operation.template}")
        if exchange.status == 404 and (older or base == "/JSSResource"):  # refusals that the descriptions leave out
            continue
        assert description.deviations(exchange, base=base) == []
    assert templates == {
        "POST /api/v1/oauth/token",
        "GET /api/v1/packages",
        "POST /api/v1/packages",
        "POST /api/v1/packages/{id}/upload",
        "GET /api/v1/packages/{id}",
        "GET /api/v4/computers-inventory",
        "GET /api/v1/app-installers/deployments",
        "GET /JSSResource/computergroups/id/{id}",
        "GET /JSSResource/computergroups/name/{name}",
        "POST /JSSResource/computergroups/id/{id}",
        "PUT /JSSResource/computergroups/id/{id}",
        "GET /JSSResource/policies",
        "GET /JSSResource/policies/id/{id}",
        "GET /JSSResource/policies/name/{name}",
        "POST /JSSResource/policies/id/{id}",
        "PUT /JSSResource/policies/id/{id}",
        "GET /JSSResource/computerhistory/id/{id}/subset/{subset}",
        *(["GET /api/v3/computers-inventory", "PUT /api/v1/packages/{id}"] if older else []),
    }


async def test_policies_and_groups_hold_only_elements_and_values_of_the_full_resource(tmp_path: Path) -> None:
    if not (FOLDER / CLASSIC).exists():
        pytest.skip(f"vendor description {CLASSIC} is not beside the repository")
    schemas = json.loads((FOLDER / CLASSIC).read_text(encoding="utf-8"))["components"]["schemas"]
    documents = (await everything(tmp_path)).documents
    assert [document.tag for document in documents].count("policy") >= 5
    assert [document.tag for document in documents].count("computer_group") == 3
    for document in documents:
        for moved in (*document.iterfind("computer_additions"), *document.iterfind("computer_deletions")):
            moved.tag = "computers"  # in whose place the description's words put them
        assert list(deviations(schemas, schemas[document.tag], document, document.tag)) == []


def test_the_walk_over_a_policy_sees_what_does_not_belong() -> None:
    if not (FOLDER / CLASSIC).exists():
        pytest.skip(f"vendor description {CLASSIC} is not beside the repository")
    schemas = json.loads((FOLDER / CLASSIC).read_text(encoding="utf-8"))["components"]["schemas"]
    wrong = fromstring(
        "<policy><general><frequency>Once per moon</frequency><enabled>yes</enabled><colour/></general>"
        "<scope><computer_groups><computer_group><id>four</id></computer_group></computer_groups></scope></policy>"
    )
    assert len(list(deviations(schemas, schemas["policy"], wrong, "policy"))) == 4
