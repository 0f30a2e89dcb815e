"""The main road over HTTP: from a file to a rollout before CAB, with what each read says on the way."""

from api_rig import (
    AUDITOR,
    CAB,
    CAB_2,
    DEVICES,
    OPERATOR,
    PACKAGER,
    PUBLISHER,
    Rig,
    id_of,
    intent_body,
    package,
    sha256,
)


async def test_an_artifact_is_known_by_its_digest(rig: Rig) -> None:
    answer = await rig.ask("POST", "/artifacts", PACKAGER, params={"file_name": "notes.pkg"}, content=package())
    assert (answer.status_code, answer.json()) == (201, {"id": sha256(package()), "version": 1})
    assert answer.headers["Eucora-Position"] == "0"
    body = (await rig.get(f"/artifacts/{sha256(package())}")).json()
    assert (body["platform"], body["size"], body["registered_by"]) == ("macos", len(package()), id_of(PACKAGER))
    assert [one["sha256"] for one in (await rig.get("/artifacts")).json()["items"]] == [body["sha256"]]


async def test_a_pack_says_what_is_missing(rig: Rig) -> None:
    body = await rig.pack_body()
    body["documents"] = [one for one in body["documents"] if one["kind"] != "scan"]
    told = (await rig.get(f"/evidence-packs/{await rig.made('/evidence-packs', PACKAGER, body)}")).json()
    assert told["missing"] == ["a vulnerability scan (scan)"]
    complete = (await rig.get(f"/evidence-packs/{await rig.pack()}")).json()
    assert complete["missing"] == []
    assert complete["findings"]["low"] == 1
    assert {one["kind"] for one in complete["documents"]} == {"sbom", "scan", "test_evidence", "rollback_plan"}


async def test_a_low_risk_release_is_approved_scored_and_listed(rig: Rig) -> None:
    intent_id = await rig.propose()
    answer = await rig.get(f"/deployment-intents/{intent_id}")
    body = answer.json()
    assert (body["status"], body["approval"]["source"]) == ("approved", "automated")
    assert answer.headers["ETag"] == f'"{body["version"]}"'
    assert sum(target["devices"] for ring in body["rings"] for target in ring["targets"]) == 3 * DEVICES
    assert {factor["provenance"] for factor in body["risk"]["factors"]} == {"computed", "declared"}
    listed = (await rig.get("/deployment-intents", status="approved", application="notes", plane="jamf")).json()
    assert [one["id"] for one in listed["items"]] == [intent_id]
    assert (await rig.get("/deployment-intents", plane="intune")).json()["items"] == []


async def test_the_rollout_shows_on_every_read(rig: Rig) -> None:
    intent_id = await rig.propose()
    await rig.installed_in_the_lab(intent_id)
    rig.later(hours=25)
    await rig.check_in(intent_id)
    path = f"/deployment-intents/{intent_id}"
    answer = await rig.post(f"{path}/promotions", PUBLISHER, {"to_ring": 1}, headers=await rig.seen(path))
    assert answer.status_code == 201, answer.text
    assert (await rig.get(f"/deployment-intents/{intent_id}")).json()["ring"] == 1
    (line,) = (await rig.get("/ring-board")).json()["items"]
    assert [(cell["ring"], cell["status"]) for cell in line["cells"]] == [(0, "passed"), (1, "opening")]
    devices = (await rig.get(f"/deployment-intents/{intent_id}/devices", ring=0, state="installed")).json()["items"]
    assert len(devices) == DEVICES
    types = [one["type"] for one in (await rig.get(f"/deployment-intents/{intent_id}/timeline")).json()["items"]]
    assert types[0] == "deployment_intent.proposed"
    assert types[-1] == "deployment_intent.ring-promoted"
    operations = (await rig.get(f"/deployment-intents/{intent_id}/operations")).json()["items"]
    assert [(one["operation"], one["plane"], one["ring"]) for one in operations] == [("publish", "jamf", 0)]


async def test_an_intent_can_be_seen_as_it_was(rig: Rig) -> None:
    intent_id = await rig.propose()
    before = (await rig.events()) - 1
    rig.later(hours=1)
    assert (await rig.post(f"/deployment-intents/{intent_id}/starts", PUBLISHER)).status_code == 201
    path = f"/deployment-intents/{intent_id}"
    by_position = (await rig.get(path, as_of=before)).json()
    assert by_position["status"] == "approved"
    assert [ring["opened_at"] for ring in by_position["rings"]] == [None] * len(by_position["rings"])
    now = (await rig.get(path)).json()
    assert (await rig.get(path, as_of=await rig.events())).json() == now  # the same shape, and the same fold
    by_time = (await rig.get(path, as_of="2026-03-02T08:30:00Z")).json()
    assert (by_time["status"], by_time["version"]) == ("approved", by_position["version"])
    assert (await rig.get(path, as_of=before + 1)).json()["status"] == "rolling_out"
    assert (await rig.get(path, as_of="2026-03-01T00:00:00Z")).status_code == 404


async def test_blockers_name_the_condition_the_threshold_and_who_can_act(rig: Rig) -> None:
    intent_id = await rig.proposed_before_cab()
    path = f"/deployment-intents/{intent_id}/blockers"
    told = (await rig.get(path)).json()
    assert [(one["condition"], one["who"]) for one in told["blockers"]] == [("start", "publisher")]
    await rig.installed_in_the_lab(intent_id)
    intent = f"/deployment-intents/{intent_id}"
    refused = await rig.post(f"{intent}/promotions", PUBLISHER, {"to_ring": 1}, headers=await rig.seen(intent))
    assert refused.status_code == 409
    told = (await rig.get(path)).json()
    assert (told["ring"], told["next_ring"], told["automatic"]) == (0, 1, False)
    assert ("approval", "packaging_engineer") in [(one["condition"], one["who"]) for one in told["blockers"]]


async def test_cab_votes_on_what_it_saw(rig: Rig) -> None:
    intent_id = await rig.proposed_before_cab()
    review_id = await rig.made(
        f"/deployment-intents/{intent_id}/submissions", PACKAGER, {"urgency": "standard", "justification": ""}
    )
    (waiting,) = (await rig.get("/cab-reviews", state="open")).json()["items"]
    assert (waiting["id"], waiting["quorum"], waiting["approvals"]) == (review_id, 3, 0)
    seen = (await rig.get(f"/cab-reviews/{review_id}")).headers["ETag"]
    vote = {"vote": "approve", "reason": "complete", "conditions": [{"kind": "max_ring", "value": "1"}]}
    first = await rig.post(f"/cab-reviews/{review_id}/votes", CAB, vote, headers={"If-Match": seen})
    assert (first.status_code, first.headers["ETag"]) == (201, '"2"')
    second = await rig.post(f"/cab-reviews/{review_id}/votes", CAB_2, vote, headers={"If-Match": first.headers["ETag"]})
    assert second.status_code == 201
    assert (await rig.get(f"/cab-reviews/{review_id}")).json()["approvals"] == 2
    assert (await rig.post(f"/cab-reviews/{review_id}/withdrawals", PACKAGER, {"reason": "later"})).status_code == 201
    assert (await rig.get("/cab-reviews", state="decided")).json()["items"][0]["status"] == "withdrawn"


async def test_an_operator_pauses_and_a_publisher_aborts(rig: Rig) -> None:
    intent_id = await rig.propose()
    path = f"/deployment-intents/{intent_id}"
    await rig.installed_in_the_lab(intent_id)
    assert (await rig.post(f"{path}/pauses", OPERATOR, {"reason": "calls"})).status_code == 201
    assert (await rig.get(path)).json()["hold"]["kind"] == "paused"
    assert (await rig.post(f"{path}/aborts", PUBLISHER, {"reason": "superseded"})).status_code == 201
    assert (await rig.get(path)).json()["status"] == "aborted"
    assert (await rig.get(f"{path}/blockers")).json()["blockers"] == []


async def test_a_p1_incident_is_reported_reclassified_and_resolved(rig: Rig) -> None:
    await rig.pack()
    report = {
        "application_id": "notes",
        "severity": "p1",
        "kind": "stability",
        "affected_devices": 4,
        "description": "stops",
    }
    incident_id = await rig.made("/incidents", OPERATOR, report)
    change = {"severity": "p3", "kind": "performance", "attributable": "no", "reason": "a network outage"}
    path = f"/incidents/{incident_id}"
    seen = (await rig.get(path)).headers["ETag"]
    alone = await rig.post(f"{path}/classifications", OPERATOR, change, headers={"If-Match": seen})
    assert (alone.status_code, alone.json()["type"]) == (403, "urn:eucora:problem:reporter-may-not-clear")
    seen = (await rig.get(path)).headers["ETag"]  # the refusal is on record
    answer = await rig.post(f"{path}/classifications", "sana.security", change, headers={"If-Match": seen})
    assert answer.status_code == 201
    assert (await rig.post(f"{path}/resolutions", OPERATOR, {"root_cause": "a switch"})).status_code == 201
    body = (await rig.get(path)).json()
    assert (body["status"], body["severity"], body["attributable"]) == ("resolved", "p3", "no")
    assert len((await rig.get("/incidents", status="resolved")).json()["items"]) == 1


async def test_connectors_and_the_caller_himself(rig: Rig) -> None:
    told = (await rig.get("/connectors")).json()
    assert [(one["plane"], one["breaker"]) for one in told] == [
        ("intune", None),
        ("intune_macos", None),
        ("jamf", None),
    ]
    me = (await rig.get("/people/me", PUBLISHER)).json()
    assert me["id"] == id_of(PUBLISHER)
    scope = {"business_unit": "retail", "boundary": "emea", "site": "*"}
    assert me["grants"] == [{"role": "publisher", "scope": scope}]


async def test_a_read_can_ask_to_see_a_write(rig: Rig) -> None:
    await rig.pack()
    pack = await rig.pack()
    answer = await rig.post("/deployment-intents", PACKAGER, intent_body(pack, (0, 1)))
    position = answer.headers["Eucora-Position"]
    path, headers = f"/deployment-intents/{answer.json()['id']}", {"Eucora-Min-Position": position}
    await rig.runner.catch_up("intents")
    fresh = await rig.ask("GET", path, AUDITOR, headers=headers, caught_up=False)
    assert fresh.status_code == 200
