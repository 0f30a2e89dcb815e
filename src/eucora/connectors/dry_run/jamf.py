"""What a Jamf Pro server would say after the writes of a dry run.

Kept here are packages, policies and static computer groups as those writes leave them; the server answers everything
else, and what it holds is shown with our changes laid over it. A server that computes no SHA-256 of an upload gets one
more request than this one: a PUT of the package's record.
"""

import json
import re
from copy import deepcopy
from typing import Final
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

import httpx
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from eucora.connectors.dry_run.sent import Body, Names
from eucora.connectors.dry_run.transport import Ask, Json, Unforeseen, altered, with_content

_PACKAGES: Final = "/api/v1/packages"
_POLICIES: Final = "/JSSResource/policies"
_GROUPS: Final = "/JSSResource/computergroups"
_ROOTS: Final = {_POLICIES: "policy", _GROUPS: "computer_group"}
_FIRST_ID: Final = 2_000_000_001  # far from any that a server gave out, and still an int32


class JamfStandIn:
    """Objects that a dry run makes have ids of its own, shown as ``<new package>``, ``<new policy>``, ``<new group>``.

    A document of the server's is changed as it was read last; the connector reads each before it writes it.
    """

    def __init__(self) -> None:
        self.names = Names()
        self._next_id = _FIRST_ID
        self._new_packages: dict[str, Json] = {}
        self._changed_packages: dict[str, Json] = {}
        self._read: dict[tuple[str, str], Element] = {}  # (collection, id), as the server told it last
        self._kept: dict[tuple[str, str], Element] = {}  # as our writes left it

    async def read(self, request: httpx.Request, body: Body, ask: Ask) -> httpx.Response:
        path = _below_server(request.url.path)
        if path.startswith(_PACKAGES):
            return await self._read_package(path, request, ask)
        for collection in _ROOTS:
            if path == collection:
                return self._listed(collection, await ask(request))
            if path.startswith(f"{collection}/"):
                by, _, which = path.removeprefix(f"{collection}/").partition("/")
                return await self._read_document(collection, by, which, request, ask)
        return await ask(request)

    def write(self, request: httpx.Request, body: Body) -> httpx.Response:
        method, path = request.method, _below_server(request.url.path)
        if method == "POST" and path == _PACKAGES:
            id = self._new_id("new package")
            self._new_packages[id] = {**_object(request, body), "id": id, "cloudTransferStatus": "PENDING"}
            return httpx.Response(201, json={"id": id, "href": f"{request.url}/{id}"})
        if method == "POST" and (upload := re.fullmatch(rf"{_PACKAGES}/([^/]+)/upload", path)):
            self._change_package(upload[1], {"sha256": body.sha256, "cloudTransferStatus": "READY"})
            return httpx.Response(201, json={"id": upload[1], "href": str(request.url).removesuffix("/upload")})
        if method == "PUT" and (package := re.fullmatch(rf"{_PACKAGES}/([^/]+)", path)):
            self._change_package(package[1], _object(request, body))
            return httpx.Response(200, json=_object(request, body) | {"id": package[1]})
        for collection, root in _ROOTS.items():
            if (document := re.fullmatch(rf"{collection}/id/(\d+)", path)) and method in ("POST", "PUT"):
                id = self._write_document(collection, document[1], _element(request, body, root), method)
                told = Element(root)
                SubElement(told, "id").text = id
                return _xml(told, 201)
        raise Unforeseen(method, path)

    # packages

    async def _read_package(self, path: str, request: httpx.Request, ask: Ask) -> httpx.Response:
        id = path.removeprefix(_PACKAGES).strip("/")
        if id in self._new_packages:
            return httpx.Response(200, json=self._new_packages[id])
        answer = await ask(request)
        if not answer.is_success:
            return answer
        if id:
            return altered(answer, lambda record: record | self._changed_packages.get(id, {}))
        wanted, first = str(request.url.params.get("filter", "")), request.url.params.get("page", "0") == "0"
        made = [one for one in self._new_packages.values() if first and _is_among(one, wanted)]
        return altered(answer, lambda page: self._with_packages(page, made))

    def _with_packages(self, page: Json, made: list[Json]) -> Json:
        rows = [row | self._changed_packages.get(str(row.get("id")), {}) for row in page["results"]]
        return {**page, "totalCount": page["totalCount"] + len(made), "results": [*rows, *made]}

    def _change_package(self, id: str, changes: Json) -> None:
        kept = self._new_packages if id in self._new_packages else self._changed_packages
        kept[id] = kept.get(id, {}) | changes

    # policies and groups, which are XML documents

    async def _read_document(
        self, collection: str, by: str, which: str, request: httpx.Request, ask: Ask
    ) -> httpx.Response:
        for (kept_in, id), document in self._kept.items():
            if kept_in == collection and which.casefold() in ((id,) if by == "id" else (_name(document).casefold(),)):
                return _xml(document)
        answer = await ask(request)
        told = _parsed(answer.content) if answer.is_success else None
        if told is not None and (found := _id(told)):
            if (collection, found) in self._kept:  # by a name that our change took from it
                return _xml(self._kept[collection, found])
            self._read[collection, found] = told
        return answer

    def _listed(self, collection: str, answer: httpx.Response) -> httpx.Response:
        """The list with what was made here; renaming is nothing that we do."""
        listing = _parsed(answer.content) if answer.is_success else None
        if listing is None:
            return answer
        for kept_in, id in self._kept:
            if kept_in == collection and (kept_in, id) not in self._read:
                entry = SubElement(listing, _ROOTS[collection])
                SubElement(entry, "id").text = id
                SubElement(entry, "name").text = _name(self._kept[kept_in, id])
        return with_content(answer, ElementTree.tostring(listing, encoding="utf-8", xml_declaration=True))

    def _write_document(self, collection: str, id: str, change: Element, method: str) -> str:
        if method == "POST":
            id = self._new_id("new policy" if collection == _POLICIES else "new group")
            standing = Element(_ROOTS[collection])
        else:
            known = self._kept.get((collection, id), self._read.get((collection, id)))
            if known is None:  # written without a look: nobody here knows what would stand then
                raise Unforeseen(method, f"{collection}/id/{id}")
            standing = deepcopy(known)
        (_change_policy if collection == _POLICIES else _change_group)(standing, change)
        place = standing if collection == _GROUPS else _child(standing, "general")
        _child(place, "id").text = id
        self._kept[collection, id] = standing
        return id

    def _new_id(self, what: str) -> str:
        id, self._next_id = str(self._next_id), self._next_id + 1
        return self.names.give(id, what)


def _change_policy(standing: Element, change: Element) -> None:
    """Each part that is sent takes the place of the one before; of ``general`` each field by itself."""
    for part in change:
        if part.tag == "general":
            general = _child(standing, "general")
            for field in part:
                _child(general, field.tag).text = field.text
            continue
        for old in standing.findall(part.tag):
            standing.remove(old)
        standing.append(deepcopy(part))


def _change_group(standing: Element, change: Element) -> None:
    for field in ("name", "is_smart"):
        if (said := change.findtext(field)) is not None:
            _child(standing, field).text = said
    computers = _child(standing, "computers")
    gone = {one.findtext("id") for one in change.iterfind("computer_deletions/computer")}
    for computer in computers.findall("computer"):
        if computer.findtext("id") in gone:
            computers.remove(computer)
    for joined in change.iterfind("computer_additions/computer"):
        SubElement(SubElement(computers, "computer"), "id").text = joined.findtext("id")


def _child(element: Element, tag: str) -> Element:
    found = element.find(tag)
    return SubElement(element, tag) if found is None else found


def _id(document: Element) -> str:
    return (document.findtext("general/id") or document.findtext("id") or "").strip()


def _name(document: Element) -> str:
    return (document.findtext("general/name") or document.findtext("name") or "").strip()


def _is_among(package: Json, condition: str) -> bool:
    """Whether the filter, of a form that the connector sends, asks for the package; no filter asks for all."""
    field, equals, value = condition.partition("==")
    return not equals or value == json.dumps(str(package.get(field)), ensure_ascii=False)


def _below_server(path: str) -> str:
    """Without what a server may stand behind."""
    found = re.search(r"/(?:api|JSSResource)/.*", path)
    return found[0] if found else path


def _object(request: httpx.Request, body: Body) -> Json:
    said = json.loads(body.content) if body.content else None
    if not isinstance(said, dict):
        raise Unforeseen(request.method, request.url.path)
    return said


def _element(request: httpx.Request, body: Body, root: str) -> Element:
    document = _parsed(body.content or b"")
    if document is None or document.tag != root:
        raise Unforeseen(request.method, request.url.path)
    return document


def _parsed(content: bytes) -> Element | None:
    try:
        return fromstring(content, forbid_dtd=True)
    except (ElementTree.ParseError, DefusedXmlException, ValueError):
        return None


def _xml(document: Element, status: int = 200) -> httpx.Response:
    content = ElementTree.tostring(document, encoding="utf-8", xml_declaration=True)
    return httpx.Response(status, headers={"Content-Type": "application/xml"}, content=content)
