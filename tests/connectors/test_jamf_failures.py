"""What Jamf Pro can answer when it is slow, wrong, or of another mind, and what becomes of it."""

import gzip
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from http_fakes import Answer, Handler, Network
from jamf_rig import CORRELATION, Distorting, Rig, a_publication, a_watch, an_assignment, plane_over

from eucora.application.planes import PlaneError, PlaneForbidden, PlaneRejected, PlaneTokenRefused, PlaneUnavailable
from eucora.connectors.jamf.plane import JamfPlane

TOKEN = {"access_token": "t", "token_type": "Bearer", "scope": "api-role:1", "expires_in": 1200}
GROUP = "<computer_group><id>4</id><name>Canary</name><computers>{}</computers></computer_group>"
HTML = (
    "<html><head><title>Status page</title></head><body><p>Conflict</p>"
    "<p>Error: Duplicate name password=hunter2</p></body></html>"
)


def xml(text: str) -> httpx.Response:
    return httpx.Response(200, text=text, headers={"Content-Type": "application/xml"})


def html(status: int) -> httpx.Response:
    return httpx.Response(status, text=HTML, headers={"Content-Type": "text/html;charset=UTF-8"})


def members(*ids: int) -> str:
    return GROUP.format("".join(f"<computer><id>{id_}</id></computer>" for id_ in ids))


def computer(id_: int, **general: Any) -> dict[str, Any]:
    return {
        "id": str(id_),
        "general": {"name": f"mac-{id_}", **general},
        "hardware": {"serialNumber": f"S{id_}"},
        "operatingSystem": {"version": "26.1"},
    }


@dataclass
class Script:
    """Answers by method and path; a list is answered in turn, its last one for good. Unknown paths are 404 pages."""

    routes: dict[str, Answer | list[Answer] | Callable[[httpx.Request], Answer]]
    counts: dict[str, int] = field(default_factory=dict)

    def __call__(self, request: httpx.Request) -> Answer:
        if request.url.path.endswith("/oauth/token"):
            return httpx.Response(200, json=TOKEN)
        call = f"{request.method} {request.url.path}"
        number = self.counts[call] = self.counts.get(call, 0) + 1
        answer = self.routes.get(call, html(404))
        if isinstance(answer, list):
            answer = answer[min(number, len(answer)) - 1]
        return answer(request) if callable(answer) else again(answer)


def again(answer: Answer) -> Answer:
    """A response can be read once; a script gives it many times."""
    if isinstance(answer, httpx.TransportError):
        return answer
    return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)


def over(script: Handler) -> tuple[JamfPlane, Network, Rig]:
    rig, network = Rig(macs=60), Network(script)
    return plane_over(network, rig.clock), network, rig


@pytest.mark.parametrize(
    ("answer", "error", "kind"),
    [
        (html(400), PlaneRejected, "permanent"),
        (html(401), PlaneTokenRefused, "transient"),
        (html(403), PlaneForbidden, "policy_violation"),
        (html(409), PlaneRejected, "permanent"),
        (html(422), PlaneRejected, "permanent"),
        (html(408), PlaneUnavailable, "transient"),
        (html(423), PlaneUnavailable, "transient"),
        (html(429), PlaneUnavailable, "transient"),
        (html(500), PlaneUnavailable, "transient"),
        (html(503), PlaneUnavailable, "transient"),
        (httpx.ReadTimeout("slow"), PlaneUnavailable, "transient"),
        (httpx.ConnectError("no route"), PlaneUnavailable, "transient"),
        (xml("<computer_group><id>4</id>"), PlaneRejected, "permanent"),
        (xml("<policy><id>4</id></policy>"), PlaneRejected, "permanent"),
        (xml("<computer_group><name>no id</name></computer_group>"), PlaneRejected, "permanent"),
        (xml('<!DOCTYPE a [<!ENTITY b "c">]><computer_group><id>4</id></computer_group>'), PlaneRejected, "permanent"),
        (httpx.Response(200, content=b"\xff\xfe\x00"), PlaneRejected, "permanent"),
    ],
)
async def test_each_failure_has_its_class_and_no_secret_of_a_page_is_shown(
    answer: Answer, error: type[PlaneError], kind: str
) -> None:
    plane, _, _ = over(Script({"GET /JSSResource/computergroups/name/Canary": answer}))
    with pytest.raises(error) as failed:
        await plane.resolve("Canary", correlation_id=CORRELATION)
    assert failed.value.kind == kind
    assert failed.value.operation == "resolve"
    for word in ("hunter2", "Status page", "<"):
        assert word not in failed.value.detail
    said = isinstance(answer, httpx.Response) and answer.status_code >= 400
    assert ("Error: Duplicate name password=[redacted]" in failed.value.detail) == said


@pytest.mark.parametrize(
    ("page", "detail"),
    [
        ("<p>Conflict</p><p>Error: Problem with script</p>", "409 Conflict: Conflict Error: Problem with script"),
        ("<p>a &lt;b&gt; &amp; c</p>", "409 Conflict: a b & c"),
        ("<style>p{x:1}</style><script>alert(1)</script><!-- no --><p>said</p>", "409 Conflict: said"),
        ("<script>never closed " + "x" * 200, "409 Conflict"),
        ("<p>cut in a tag</p><p class='", "409 Conflict: cut in a tag"),
        ("", "409 Conflict"),
    ],
)
async def test_a_page_is_shown_as_a_person_would_read_it(page: str, detail: str) -> None:
    refusal = httpx.Response(409, text=page, headers={"Content-Type": "text/html;charset=UTF-8"})
    plane, _, _ = over(Script({"GET /JSSResource/computergroups/id/4": refusal}))
    with pytest.raises(PlaneRejected) as failed:
        await plane.resolve("4", correlation_id=CORRELATION)
    assert failed.value.detail == detail


async def test_a_long_page_is_cut_and_its_wait_is_still_heard() -> None:
    page = httpx.Response(
        503, text="<p>" + "word " * 100_000, headers={"Content-Type": "text/html", "Retry-After": "9"}
    )
    plane, _, _ = over(Script({"GET /JSSResource/computergroups/id/4": page}))
    with pytest.raises(PlaneUnavailable) as failed:
        await plane.resolve("4", correlation_id=CORRELATION)
    assert (len(failed.value.detail), failed.value.retry_after_s) == (500, 9)


async def test_a_redirect_is_refused_and_the_token_stays_here() -> None:
    away = httpx.Response(302, headers={"Location": "https://elsewhere.test/login"})
    plane, network, _ = over(Script({"GET /JSSResource/computergroups/id/4": away}))
    with pytest.raises(PlaneRejected) as failed:
        await plane.resolve("4", correlation_id=CORRELATION)
    assert failed.value.status == 302
    assert {request.url.host for request in network.requests} == {"jamf.test"}


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
async def test_a_body_of_a_gigabyte_is_not_read_to_its_end(encoding: str) -> None:
    """32 MiB are read, whatever the compression."""
    piece = b" " * 65_536
    packed = gzip.compress(piece * 1_024)
    fed = 0

    class Endless(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            nonlocal fed
            for _ in range(16_384):
                fed += 1
                yield packed if encoding == "gzip" else piece

    class Vast(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            if request.url.path.endswith("/oauth/token"):
                return httpx.Response(200, json=TOKEN)
            return httpx.Response(200, headers={"Content-Encoding": encoding}, stream=Endless())

    with pytest.raises(PlaneRejected, match="larger than 33554432 bytes"):
        await plane_over(Vast(), Rig(macs=60).clock).resolve("4", correlation_id=CORRELATION)
    assert fed < 600


async def test_the_wait_that_jamf_asks_for_is_handed_on() -> None:
    busy = httpx.Response(503, headers={"Retry-After": "17"})
    plane, _, _ = over(Script({"GET /JSSResource/computergroups/id/4": busy}))
    with pytest.raises(PlaneUnavailable) as failed:
        await plane.resolve("4", correlation_id=CORRELATION)
    assert failed.value.retry_after_s == 17


async def test_an_older_server_is_read_by_the_older_inventory() -> None:
    page = {"totalCount": 1, "results": [computer(7, lastContactTime="2026-03-02T11:00:00Z")]}
    plane, _, _ = over(
        Script(
            {
                "GET /JSSResource/computergroups/id/4": xml(members(7)),
                "GET /api/v3/computers-inventory": httpx.Response(200, json=page),
            }
        )
    )
    group = await plane.resolve("4", correlation_id=CORRELATION)
    [device] = group.devices
    assert device.last_check_in is not None
    assert (device.id, device.serial, device.last_check_in.hour) == ("7", "S7", 11)


async def test_members_that_are_not_managed_or_not_on_record_are_counted_not_listed() -> None:
    rows = [computer(7), computer(8, remoteManagement={"managed": False}), computer(99)]
    plane, _, _ = over(
        Script(
            {
                "GET /JSSResource/computergroups/id/4": xml(members(7, 8, 9)),
                "GET /api/v4/computers-inventory": httpx.Response(200, json={"totalCount": 3, "results": rows}),
            }
        )
    )
    group = await plane.resolve("4", correlation_id=CORRELATION)
    assert [device.id for device in group.devices] == ["7"]
    assert group.unenrolled == 2


def inventory(pages: list[list[int]], totals: list[int]) -> list[Answer]:
    return [
        httpx.Response(200, json={"totalCount": total, "results": [computer(id_) for id_ in page]})
        for page, total in zip(pages, totals, strict=True)
    ]


async def test_a_server_that_gives_short_pages_is_read_to_its_end() -> None:
    plane, network, _ = over(
        Script(
            {
                "GET /JSSResource/computergroups/id/4": xml(members(1, 2, 3)),
                "GET /api/v4/computers-inventory": inventory([[1], [2], [3]], [3, 3, 3]),
            }
        )
    )
    group = await plane.resolve("4", correlation_id=CORRELATION)
    assert len(group.devices) == 3
    sweep = [request.url.params for request in network.requests if "inventory" in request.url.path]
    assert [params["page"] for params in sweep] == ["0", "1", "2"]
    assert {params["sort"] for params in sweep} == {"id:asc"}
    assert sweep[0].get_list("section") == ["GENERAL", "HARDWARE", "OPERATING_SYSTEM"]


async def test_a_deletion_during_the_sweep_hides_nobody() -> None:
    """1 is deleted after the first page, so 2 moves back onto it, unseen; the second sweep finds it."""
    plane, _, _ = over(
        Script(
            {
                "GET /JSSResource/computergroups/id/4": xml(members(2, 3)),
                "GET /api/v4/computers-inventory": inventory([[1], [3], [2], [3]], [3, 2, 2, 2]),
            }
        )
    )
    group = await plane.resolve("4", correlation_id=CORRELATION)
    assert [device.id for device in group.devices] == ["2", "3"]


@pytest.mark.parametrize(
    "page", [[], {"results": []}, {"totalCount": 1, "results": [{"udid": "no id"}]}, {"totalCount": 1, "results": {}}]
)
async def test_an_inventory_off_its_schema_is_not_taken_for_an_empty_one(page: Any) -> None:
    plane, _, _ = over(
        Script(
            {
                "GET /JSSResource/computergroups/id/4": xml(members(7)),
                "GET /api/v4/computers-inventory": httpx.Response(200, json=page),
            }
        )
    )
    with pytest.raises(PlaneRejected, match="schema"):
        await plane.resolve("4", correlation_id=CORRELATION)


async def test_a_server_without_any_known_inventory_is_refused() -> None:
    plane, _, _ = over(Script({"GET /JSSResource/computergroups/id/4": xml(members(7))}))
    with pytest.raises(PlaneRejected, match="computers-inventory"):
        await plane.resolve("4", correlation_id=CORRELATION)


async def test_a_refused_package_says_which_field(tmp_path: Path) -> None:
    refusal = {"httpStatus": 400, "errors": [{"code": "INVALID_FIELD", "field": "categoryId", "description": "no"}]}
    plane, _, _ = over(
        Script(
            {
                "GET /api/v1/packages": httpx.Response(200, json={"totalCount": 0, "results": []}),
                "POST /api/v1/packages": httpx.Response(400, json=refusal),
            }
        )
    )
    with pytest.raises(PlaneRejected, match="INVALID_FIELD categoryId"):
        await plane.publish(a_publication(tmp_path), correlation_id=CORRELATION)


async def test_one_failing_history_ends_the_observation_with_its_own_error(tmp_path: Path) -> None:
    rig = Rig(macs=60)
    publication = a_publication(tmp_path)
    published = await rig.plane().publish(publication, correlation_id=CORRELATION)
    await rig.plane().assign(an_assignment(publication, published.ref, rig.groups[0].id), correlation_id=CORRELATION)
    devices = [device.jamf_id for device in rig.fleet.members(rig.groups[0])]

    def broken(request: httpx.Request, _: int) -> httpx.Response | None:
        return html(500) if f"/computerhistory/id/{devices[3]}/" in request.url.path else None

    plane = plane_over(Distorting(rig, broken), rig.clock)
    with pytest.raises(PlaneUnavailable) as failed:
        _ = [_ async for _ in plane.observe(a_watch(publication, published.ref, devices), correlation_id=CORRELATION)]
    assert failed.value.status == 500


async def test_where_the_server_computes_no_digest_ours_is_written_after_the_upload_and_not_before(
    tmp_path: Path,
) -> None:
    """The record's digest is how a cut upload is told from a finished one, so it must not be there too early."""
    record: dict[str, Any] = {}
    seen: list[str] = []

    def listing(_: httpx.Request) -> httpx.Response:
        rows = [record] if record else []
        return httpx.Response(200, json={"totalCount": len(rows), "results": rows})

    def create(request: httpx.Request) -> httpx.Response:
        record.update(json.loads(request.content), id="5", cloudTransferStatus="READY")
        assert "sha256" not in record
        return httpx.Response(201, json={"id": "5", "href": "x"})

    def upload(_: httpx.Request) -> httpx.Response:
        seen.append("upload")
        return httpx.Response(201, json={"id": "5", "href": "x"})

    def update(request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        assert "cloudTransferStatus" not in body
        assert body["notes"] == record["notes"]
        record.update(body)
        seen.append("digest")
        return httpx.Response(200, json=record)

    script = Script(
        {
            "GET /api/v1/packages": listing,
            "POST /api/v1/packages": create,
            "POST /api/v1/packages/5/upload": upload,
            "GET /api/v1/packages/5": lambda _: httpx.Response(200, json=record),
            "PUT /api/v1/packages/5": update,
        }
    )
    publication = a_publication(tmp_path)
    plane, _, _ = over(script)
    await plane.publish(publication, correlation_id=CORRELATION)
    assert record["sha256"] == publication.content_sha256
    await plane.publish(publication, correlation_id=CORRELATION)
    assert seen == ["upload", "digest"]
