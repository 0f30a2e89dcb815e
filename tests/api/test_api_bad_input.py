"""Bad input: each kind has a problem type of its own and a way out, and leaves no event."""

from typing import Any

import pytest
from api_rig import (
    ADMIN,
    BOTH,
    CAB,
    NOBODY,
    OPERATOR,
    OTHER_PUBLISHER,
    PACKAGER,
    PUBLISHER,
    Rig,
    incident_body,
    intent_body,
    problem,
    sbom,
    scan,
)

from eucora.application.planes import PlaneForbidden, PlaneRejected, PlaneUnavailable
from eucora.domain.planes import Plane


@pytest.fixture
async def unchanged(rig: Rig):
    """Asserts that nothing was appended since it was called."""

    async def since(number: int) -> None:
        assert await rig.events() == number

    return since


@pytest.mark.parametrize(
    ("file_name", "slug"),
    [
        ("notes.intunewin", "unreadable-intunewin"),  # no zip
        ("notes.pkg", "unreadable-pkg"),
        ("notes.exe", "unreadable-exe"),
        ("notes.msi", "unreadable-msi"),
        ("notes.tar", "unreadable-artifact"),
    ],
)
async def test_an_artifact_that_is_not_what_it_is_called(rig: Rig, file_name: str, slug: str) -> None:
    told = problem(
        await rig.ask("POST", "/artifacts", PACKAGER, params={"file_name": file_name}, content=b"no installer"),
        422,
        slug,
    )
    assert told["way_out"]
    assert await rig.events() == 0


@pytest.mark.parametrize("file_name", ["", "../notes.pkg", "a\\b.pkg", "x" * 256])
async def test_a_file_name_that_is_a_path(rig: Rig, file_name: str) -> None:
    answer = await rig.ask("POST", "/artifacts", PACKAGER, params={"file_name": file_name}, content=b"-")
    problem(answer, 422, "file-name-invalid")


@pytest.mark.parametrize(("kind", "data"), [("sbom", b"<html>"), ("sbom", scan()), ("scan", sbom()), ("scan", b"")])
async def test_a_document_that_is_not_what_it_is_called(rig: Rig, kind: str, data: bytes) -> None:
    problem(await rig.upload(data, kind), 422, f"unreadable-{kind}")


async def test_a_form_is_not_a_file(rig: Rig) -> None:
    answer = await rig.ask("POST", "/evidence-documents", PACKAGER, params={"kind": "sbom"}, files={"file": sbom()})
    problem(answer, 415, "media-type-unsupported")


async def test_a_scan_of_another_artifact(rig: Rig, unchanged: Any) -> None:
    body = await rig.pack_body()
    other = (await rig.upload(scan("stranger"), "scan")).json()["sha256"]
    body["documents"] = [one for one in body["documents"] if one["kind"] != "scan"] + [
        {"kind": "scan", "sha256": other}
    ]
    before = await rig.events()
    problem(await rig.post("/evidence-packs", PACKAGER, body), 422, "scan-of-another-artifact")
    await unchanged(before)


@pytest.mark.parametrize(
    ("field", "value", "slug"),
    [("artifact", "0" * 64, "artifact-unknown"), ("plane", "intune", "wrong-platform")],
)
async def test_a_pack_with_the_wrong_artifact(rig: Rig, field: str, value: str, slug: str) -> None:
    body = await rig.pack_body()
    body["installs"][0][field] = value
    problem(await rig.post("/evidence-packs", PACKAGER, body), 422, slug)


async def test_a_pack_with_an_unknown_document(rig: Rig) -> None:
    body = await rig.pack_body()
    body["documents"].append({"kind": "sbom", "sha256": "0" * 64})
    problem(await rig.post("/evidence-packs", PACKAGER, body), 422, "document-unknown")


async def test_a_ring_plan_with_no_devices(rig: Rig, unchanged: Any) -> None:
    pack = await rig.pack()
    before = await rig.events()
    answer = await rig.post("/deployment-intents", PACKAGER, intent_body(pack, (0, 1), "empty"))
    told = problem(answer, 422, "ring-plan-invalid")
    assert told["errors"][0]["pointer"] == "#/rings"
    await unchanged(before)


async def test_a_group_that_does_not_exist(rig: Rig, unchanged: Any) -> None:
    pack = await rig.pack()
    before = await rig.events()
    answer = await rig.post("/deployment-intents", PACKAGER, intent_body(pack, (0, 1), "nowhere"))
    told = problem(answer, 422, "group-unknown")
    assert (told["group"], told["plane"], told["ring"]) == ("nowhere", "jamf", 0)
    await unchanged(before)


async def test_an_intent_of_an_incomplete_or_unknown_pack(rig: Rig) -> None:
    pack = await rig.pack(documents=[])
    told = problem(
        await rig.post("/deployment-intents", PACKAGER, intent_body(pack, (0, 1))), 422, "evidence-incomplete"
    )
    assert len(told["missing"]) == 4
    answer = await rig.post("/deployment-intents", PACKAGER, intent_body("0" * 64, (0, 1)))
    problem(answer, 422, "evidence-pack-unknown")


async def test_an_intent_under_an_unknown_or_inactive_policy(rig: Rig) -> None:
    body = intent_body(await rig.pack(), (0, 1)) | {"gate_policy": "9.9"}
    problem(await rig.post("/deployment-intents", PACKAGER, body), 404, "gate-policy-unknown")
    rules = [{"ring": ring, "success_min": "0.95", "soak_s": 60} for ring in range(5)]
    times = {"online": 3600, "intermittent": 7200, "air_gapped": 86400}
    policy = {"version": "9.9", "rings": rules, "time_to_compliance_s": times}
    await rig.made("/gate-policies", ADMIN, {"policy": policy, "reason": "faster"})
    problem(await rig.post("/deployment-intents", PACKAGER, body), 409, "gate-policy-not-active")
    await rig.made("/gate-policies/9.9/activations", CAB, headers={"If-Match": '"1"'})
    await rig.made("/deployment-intents", PACKAGER, body)
    assert (await rig.get("/gate-policies", status="active")).json()["items"][0]["id"] == "9.9"
    wrong = {"policy": policy | {"version": "9.10", "coverage_min": 2}, "reason": "typo"}
    problem(await rig.post("/gate-policies", ADMIN, wrong), 422, "gate-policy-invalid")


async def test_a_stale_if_match_on_a_transition(rig: Rig, unchanged: Any) -> None:
    intent_id = await rig.propose()
    before = await rig.events()
    answer = await rig.post(f"/deployment-intents/{intent_id}/starts", PUBLISHER, headers={"If-Match": '"1"'})
    told = problem(answer, 412, "version-mismatch")
    assert (told["expected"], told["actual"]) == (1, 2)
    for etag in ('W/"2"', '"two"'):
        answer = await rig.post(f"/deployment-intents/{intent_id}/starts", PUBLISHER, headers={"If-Match": etag})
        problem(answer, 412, "version-mismatch")
    await unchanged(before)
    answer = await rig.post(f"/deployment-intents/{intent_id}/starts", PUBLISHER, headers={"If-Match": '"2"'})
    assert answer.status_code == 201


@pytest.fixture
async def review(rig: Rig) -> str:
    intent_id = await rig.proposed_before_cab()
    return await rig.made(f"/deployment-intents/{intent_id}/submissions", PACKAGER, {})


VOTE = {"vote": "approve", "reason": "complete"}


async def test_a_vote_must_name_what_was_seen(rig: Rig, review: str, unchanged: Any) -> None:
    before, path = await rig.events(), f"/cab-reviews/{review}/votes"
    problem(await rig.post(path, CAB, VOTE), 428, "if-match-missing")
    problem(await rig.post(path, CAB, VOTE, headers={"If-Match": "*"}), 428, "if-match-missing")
    told = problem(await rig.post(path, CAB, VOTE, headers={"If-Match": '"9"'}), 412, "review-changed")
    assert (told["saw"], told["version"]) == (9, 1)
    await unchanged(before)


async def test_a_vote_by_the_requester_is_refused_and_stays_on_record(rig: Rig) -> None:
    pack = await rig.made("/evidence-packs", PACKAGER, await rig.pack_body(category="vpn"))
    packager = rig.token(PACKAGER, groups=["eucora-packaging-engineer", "eucora-cab-approver"])
    both = {"Authorization": f"Bearer {packager}"}
    intent_id = await rig.made("/deployment-intents", PACKAGER, intent_body(pack, (0, 1)))
    review_id = await rig.made(f"/deployment-intents/{intent_id}/submissions", PACKAGER, {})
    before = await rig.events()
    answer = await rig.post(f"/cab-reviews/{review_id}/votes", PACKAGER, VOTE, headers=both | {"If-Match": '"1"'})
    problem(answer, 403, "requester-may-not-vote")
    assert await rig.events() == before + 1
    body = (await rig.get(f"/cab-reviews/{review_id}")).json()
    assert ([one["rule"] for one in body["refused_votes"]], body["votes"]) == (["requester"], [])


async def test_voting_twice_and_conditions_that_cannot_be_checked(rig: Rig, review: str) -> None:
    path, seen = f"/cab-reviews/{review}/votes", {"If-Match": '"1"'}
    wrong = VOTE | {"conditions": [{"kind": "max_ring", "value": "soon"}]}
    problem(await rig.post(path, CAB, wrong, headers=seen), 422, "condition-invalid")
    problem(await rig.post(path, CAB, VOTE | {"reason": " "}, headers=seen), 422, "reason-missing")
    assert (await rig.post(path, CAB, VOTE, headers=seen)).status_code == 201
    again = {"vote": "reject", "reason": "changed my mind"}
    problem(await rig.post(path, CAB, again, headers={"If-Match": '"2"'}), 409, "already-voted")


async def test_a_promotion_before_the_soak_is_over(rig: Rig, unchanged: Any) -> None:
    intent_id = await rig.propose()
    await rig.installed_in_the_lab(intent_id)
    before = await rig.events()
    path = f"/deployment-intents/{intent_id}"
    answer = await rig.post(f"{path}/promotions", PUBLISHER, {"to_ring": 1}, headers=await rig.seen(path))
    told = problem(answer, 409, "soak-not-over")
    assert [gate["gate"] for gate in told["gates"]] == ["soak"]
    await unchanged(before)


async def test_a_ring_that_is_skipped(rig: Rig) -> None:
    intent_id = await rig.propose()
    await rig.installed_in_the_lab(intent_id)
    path = f"/deployment-intents/{intent_id}"
    answer = await rig.post(f"{path}/promotions", PUBLISHER, {"to_ring": 2}, headers=await rig.seen(path))
    told = problem(answer, 409, "ring-out-of-order")
    assert told["next"] == 1


async def test_publishing_what_one_packaged_or_outside_ones_scope(rig: Rig) -> None:
    intent_id = await rig.propose(person=BOTH)
    path = f"/deployment-intents/{intent_id}/starts"
    before = await rig.events()
    problem(await rig.post(path, BOTH), 403, "requester-may-not-publish")
    sees_all = rig.token(OTHER_PUBLISHER, groups=["eucora-auditor", "eucora-publisher@logistics/apac"])
    headers = await rig.seen(path.removesuffix("/starts")) | {"Authorization": f"Bearer {sees_all}"}
    problem(await rig.ask("POST", path, headers=headers), 403, "outside-publisher-scope")
    assert await rig.events() == before + 2, "both refusals stay on record"
    problem(await rig.post(path, OTHER_PUBLISHER), 404, "deployment-intent-unknown")  # who does not even see it
    assert await rig.events() == before + 2


async def test_a_status_that_allows_no_start(rig: Rig) -> None:
    intent_id = await rig.propose()
    assert (await rig.post(f"/deployment-intents/{intent_id}/aborts", PUBLISHER, {"reason": "late"})).status_code == 201
    told = problem(await rig.post(f"/deployment-intents/{intent_id}/starts", PUBLISHER), 409, "illegal-transition")
    assert told["intent_status"] == "aborted", "a fact never covers the status of the answer"


@pytest.mark.parametrize(
    ("path", "person", "body", "slug"),
    [
        (f"/deployment-intents/{NOBODY}/starts", PUBLISHER, None, "deployment-intent-unknown"),
        (f"/deployment-intents/{NOBODY}/submissions", PACKAGER, {}, "deployment-intent-unknown"),
        (f"/cab-reviews/{NOBODY}/withdrawals", PACKAGER, {"reason": "x"}, "cab-review-unknown"),
        (f"/incidents/{NOBODY}/resolutions", OPERATOR, {"root_cause": "x"}, "incident-unknown"),
        ("/gate-policies/none/activations", CAB, None, "gate-policy-unknown"),
        (f"/service-tokens/{NOBODY}/revocations", ADMIN, {"reason": "x"}, "service-token-unknown"),
        ("/operations/jobs/4711/retries", ADMIN, None, "dead-job-unknown"),
    ],
)
async def test_what_does_not_exist_cannot_be_changed(rig: Rig, path: str, person: str, body: object, slug: str) -> None:
    problem(await rig.post(path, person, body, headers={"If-Match": '"1"'}), 404, slug)
    assert await rig.events() == 0


@pytest.mark.parametrize(
    ("path", "slug"),
    [
        (f"/deployment-intents/{NOBODY}", "deployment-intent-unknown"),
        (f"/deployment-intents/{NOBODY}/blockers", "deployment-intent-unknown"),
        (f"/cab-reviews/{NOBODY}", "cab-review-unknown"),
        (f"/incidents/{NOBODY}", "incident-unknown"),
        (f"/artifacts/{'0' * 64}", "artifact-not-registered"),
        (f"/evidence-packs/{'0' * 64}", "evidence-pack-not-assembled"),
    ],
)
async def test_what_does_not_exist_cannot_be_read(rig: Rig, path: str, slug: str) -> None:
    problem(await rig.get(path), 404, slug)


@pytest.mark.parametrize(
    ("failure", "status", "slug"),
    [
        (PlaneUnavailable(Plane.JAMF, "resolve", "timed out", retry_after_s=7.4), 503, "plane-unavailable"),
        (PlaneForbidden(Plane.JAMF, "resolve", "token refused", status=403), 502, "plane-forbids"),
        (PlaneRejected(Plane.JAMF, "resolve", "off its schema"), 502, "plane-rejected"),
    ],
)
async def test_a_plane_that_fails(rig: Rig, failure: Exception, status: int, slug: str) -> None:
    pack = await rig.pack()
    rig.planes[Plane.JAMF].failure = failure
    answer = await rig.post("/deployment-intents", PACKAGER, intent_body(pack, (0, 1)))
    assert problem(answer, status, slug)["plane"] == "jamf"
    assert answer.headers.get("Retry-After") == ("7" if status == 503 else None)


async def test_invalid_fields_are_pointed_at_and_not_repeated(rig: Rig) -> None:
    body = incident_body(severity="p9", secret="hunter2")
    told = problem(await rig.post("/incidents", OPERATOR, body), 422, "request-invalid")
    assert sorted(error["pointer"] for error in told["errors"]) == ["#/secret", "#/severity"]
    assert "hunter2" not in str(told)
    told = problem(await rig.get("/deployment-intents", status="asleep"), 422, "request-invalid")
    assert (told["errors"][0]["parameter"], told["errors"][0]["in"]) == ("status", "query")


async def test_an_incident_with_less_than_no_devices(rig: Rig) -> None:
    await rig.pack()
    answer = await rig.post("/incidents", OPERATOR, incident_body(affected_devices=-1))
    problem(answer, 422, "affected-devices-invalid")


@pytest.mark.parametrize(
    ("content", "status", "slug"),
    [
        (b'{"reason": ', 400, "json-malformed"),
        (b'{"reason": "\\u0000"}', 422, "request-invalid"),
        (b'{"reason": ' + b"[" * 33 + b"]" * 33 + b"}", 422, "request-invalid"),
        (b'{"reason": ' + b"[" * 10_000 + b"]" * 10_000 + b"}", 422, "request-invalid"),
        (b'{"reason": "' + b"x" * 1_000_000 + b'"}', 413, "body-too-large"),
        (b'{"reason": NaN}', 400, "json-malformed"),
        (b'{"reason": "\\ud800"}', 400, "json-malformed"),
        (b"[]", 422, "request-invalid"),
        (b"", 422, "request-invalid"),
        (b'{"reason": "' + b"x" * 5_000 + b'"}', 422, "request-invalid"),
    ],
)
async def test_bodies_out_of_bounds(rig: Rig, content: bytes, status: int, slug: str) -> None:
    answer = await rig.ask(
        "POST",
        f"/deployment-intents/{NOBODY}/pauses",
        OPERATOR,
        content=content,
        headers={"Content-Type": "application/json"},
    )
    problem(answer, status, slug)


async def test_a_body_whose_size_is_not_announced_is_cut_off_too(rig: Rig) -> None:
    async def endless():
        for _ in range(200):
            yield b" " * 10_000

    headers = {"Content-Type": "application/json"}
    intent_id = await rig.propose()
    # The second takes no body.
    for path, person in ((f"{NOBODY}/pauses", OPERATOR), (f"{intent_id}/starts", PUBLISHER)):
        answer = await rig.ask("POST", f"/deployment-intents/{path}", person, content=endless(), headers=headers)
        problem(answer, 413, "body-too-large")


async def test_a_body_of_another_media_type(rig: Rig) -> None:
    answer = await rig.ask("POST", f"/deployment-intents/{NOBODY}/pauses", OPERATOR, content=b"reason=x")
    problem(answer, 415, "media-type-unsupported")


async def test_a_nul_in_a_parameter(rig: Rig) -> None:
    problem(await rig.get("/deployment-intents", application="a\x00b"), 422, "request-invalid")
    problem(await rig.get("/artifacts", registered_by="\x00"), 422, "request-invalid")


async def test_the_framework_answers_with_problems_too(rig: Rig) -> None:
    problem(await rig.get("/nowhere"), 404, "route-unknown")
    problem(await rig.get("/artifacts/"), 404, "route-unknown")
    answer = await rig.ask("DELETE", "/artifacts", PACKAGER)
    problem(answer, 405, "method-not-allowed")
    assert answer.headers["Allow"]


async def test_a_read_that_asks_for_the_future_is_told_when_to_ask_again(rig: Rig) -> None:
    head = (await rig.events()) + 5
    answer = await rig.ask("GET", "/incidents", OPERATOR, headers={"Eucora-Min-Position": str(head)})
    problem(answer, 503, "projection-behind")
    assert answer.headers["Retry-After"] == "1"
    wrong = await rig.ask("GET", "/incidents", OPERATOR, headers={"Eucora-Min-Position": "-1"})
    problem(wrong, 422, "request-invalid")


async def test_a_fault_tells_nothing_of_its_cause(rig: Rig) -> None:
    rig.planes[Plane.JAMF].failure = RuntimeError("password=hunter2")
    pack = await rig.pack()
    answer = await rig.post("/deployment-intents", PACKAGER, intent_body(pack, (0, 1)))
    told = problem(answer, 500, "internal-fault")
    assert "hunter2" not in answer.text
    assert set(told) == {"type", "title", "status", "detail", "instance", "correlation_id"}
    assert [one["correlation_id"] for one in rig.logs if one["event"] == "request_failed"] == [told["correlation_id"]]
