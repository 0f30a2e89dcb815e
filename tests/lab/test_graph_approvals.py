"""The lab's Multi Admin Approval, as one meets it over HTTP: what is guarded, how it answers, who decides."""

import base64
from datetime import timedelta
from typing import Any

import httpx
import pytest
from lab_world import APP_BODY, APPS, BASE, World

JUSTIFICATION, CODE = "x-msft-approval-justification", "x-msft-approval-code"
LIST = f"{BASE}/graph/beta/deviceManagement/operationApprovalRequests"
# The properties that Graph beta describes (operationApprovalRequest, read 2026-11-22), and OData's.
DESCRIBED = {
    "@odata.type",
    "id",
    "requestDateTime",
    "expirationDateTime",
    "lastModifiedDateTime",
    "requestor",
    "approver",
    "status",
    "requestJustification",
    "approvalJustification",
    "requiredOperationApprovalPolicyTypes",
}


def why(text: str = "für die Übung") -> dict[str, str]:
    return {JUSTIFICATION: base64.b64encode(text.encode()).decode()}


async def switch(world: World, **mode: Any) -> None:
    answer = await world.http.post("/admin/approvals/mode", json={"on": True} | mode)
    assert answer.status_code == 204, answer.text


async def ask(world: World, **headers: str) -> httpx.Response:
    return await world.graph("POST", APPS, json=APP_BODY, headers=headers or why())


async def decide(world: World, code: str, action: str) -> int:
    body = {"by": "Ada Admin", "said": "fits"}
    return (await world.http.post(f"/admin/approvals/{code}/{action}", json=body)).status_code


async def rows(world: World) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = (await world.graph("GET", LIST)).json()["value"]
    return listed


async def test_without_a_policy_headers_are_ignored_and_reads_never_wait() -> None:
    async with World() as world:
        assert (await ask(world)).status_code == 201
        await switch(world)
        assert len(await world.walk(APPS)) == 1
        assert (await ask(world)).status_code == 412
        assert len(await world.walk(APPS)) == 1


async def test_a_request_is_listed_as_graph_describes_it() -> None:
    async with World() as world:
        await switch(world)
        answer = await ask(world)
        (row,) = await rows(world)
        assert set(row) == DESCRIBED
        assert (row["id"], row["status"]) == (answer.headers[CODE], "needsApproval")
        assert row["requestJustification"] == "für die Übung"
        assert row["requestor"]["application"]["id"] == world.lab.directory.credentials.client_id
        assert (await world.graph("GET", LIST, headers={"authorization": ""})).status_code == 401
        in_v1 = await world.graph("GET", "/deviceManagement/operationApprovalRequests")
        assert in_v1.status_code == 400  # no such segment there


@pytest.mark.parametrize("status", [403, 412])
@pytest.mark.parametrize(("where", "header", "message"), [("header", 1, 0), ("message", 0, 1), ("both", 1, 1)])
async def test_each_way_to_name_the_code(status: int, where: str, header: int, message: int) -> None:
    async with World() as world:
        await switch(world, queued_status=status, code_in=where)
        answer = await ask(world)
        code = (await rows(world))[0]["id"]
        assert answer.status_code == status
        assert answer.headers.get(CODE) == (code if header else None)
        assert (code in answer.text) is bool(message)


@pytest.mark.parametrize("status", [400, 403])
async def test_a_write_without_a_readable_justification_is_not_queued(status: int) -> None:
    async with World() as world:
        await switch(world, unjustified_status=status)
        assert (await ask(world, **{"x-other": "1"})).status_code == status
        for unread in ({JUSTIFICATION: "plain words"}, why("x" * 1025)):
            assert (await ask(world, **unread)).status_code == 400
        assert (await ask(world, **why("x" * 1024))).status_code == 412
        assert len(await rows(world)) == 1


async def test_approved_is_not_applied_until_the_very_same_is_sent_again_with_the_code() -> None:
    async with World() as world:
        await switch(world)
        code = (await ask(world)).headers[CODE]
        assert (await ask(world, **{CODE: code})).status_code == 403  # nobody approved it
        assert await decide(world, code, "approve") == 204
        assert await world.walk(APPS) == []
        other = await world.graph("POST", APPS, json=APP_BODY | {"publisher": "Eve"}, headers={CODE: code})
        assert other.status_code == 403
        assert (await ask(world, **{CODE: base64.b64encode(code.encode()).decode()})).status_code == 400
        assert (await ask(world, **{CODE: code})).status_code == 201
        assert [row["status"] for row in await rows(world)] == ["completed"]
        assert (await rows(world))[0]["approver"]["user"]["displayName"] == "Ada Admin"
        assert (await ask(world, **{CODE: code})).status_code == 403  # an approval serves once


async def test_one_request_is_active_for_an_object_and_the_application_may_take_back_its_own() -> None:
    async with World() as world:
        app = await world.publish()
        await switch(world)
        change = {"@odata.type": APP_BODY["@odata.type"], "owner": "eucora"}
        first = await world.graph("PATCH", f"{APPS}/{app}", json=change, headers=why())
        second = await world.graph("DELETE", f"{APPS}/{app}", headers=why())
        assert (first.status_code, second.status_code) == (412, 409)
        assert "active Approval Request already exists" in second.text
        gone = await world.graph("POST", f"{LIST}/cancelMyRequest", json={"id": first.headers[CODE]})
        assert gone.status_code == 204
        assert (await world.graph("DELETE", f"{APPS}/{app}", headers=why())).status_code == 412


async def test_a_guarded_creation_may_leave_a_stub_until_it_is_completed_or_refused() -> None:
    async with World() as world:
        await switch(world, stub=True)
        first, second = (await ask(world)).headers[CODE], (await ask(world)).headers[CODE]
        assert [app["publishingState"] for app in await world.walk(APPS)] == ["processing"] * 2
        await decide(world, first, "approve")
        await decide(world, second, "reject")
        assert (await ask(world, **{CODE: first})).status_code == 201
        assert [app["publishingState"] for app in await world.walk(APPS)] == ["notPublished"]


async def test_what_nobody_completes_expires() -> None:
    async with World() as world:
        await switch(world, expires_s=3600)
        code = (await ask(world)).headers[CODE]
        await decide(world, code, "approve")
        expires = (await rows(world))[0]["expirationDateTime"]
        assert expires.startswith((world.clock.now() + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%S"))
        await world.wait(3600)
        assert [row["status"] for row in await rows(world)] == ["expired"]
        assert (await ask(world, **{CODE: code})).status_code == 403
        assert await decide(world, code, "reject") == 409


async def test_an_excluded_application_is_let_through_and_uploads_are_free_unless_guarded() -> None:
    async with World() as world:
        app = await world.publish()
        versions = f"{APPS}/{app}/microsoft.graph.win32LobApp/contentVersions"
        await switch(world)
        assert (await world.graph("POST", versions, json={})).status_code == 201
        await switch(world, content=True)
        assert (await world.graph("POST", versions, json={}, headers=why())).status_code == 412
        await switch(world, excluded=True)
        assert (await ask(world)).status_code == 201


async def test_the_administrators_portal_refuses_what_makes_no_sense() -> None:
    async with World() as world:
        await switch(world)
        code = (await ask(world)).headers[CODE]
        assert (await world.http.post("/admin/approvals/mode", json={"queued_status": 500})).status_code == 422
        assert (await world.http.post(f"/admin/approvals/{code}/approve", json={})).status_code == 422
        assert await decide(world, code, "applaud") == 404
        assert await decide(world, "nobody", "approve") == 409
        listed = (await world.http.get("/admin/approvals/")).json()["requests"]
        assert [row["id"] for row in listed] == [code]
