"""Incidents over HTTP: what a person sees who has to decide."""

from typing import Any

import pytest
from api_rig import ADMIN, AUDITOR, DEVICES, NOBODY, OPERATOR, PUBLISHER, Rig, id_of, incident_body, problem

from eucora.application.incident_jobs import JOBS
from eucora.application.ports import Context
from eucora.store.jobs import JobQueue

SECURITY = "sana.security"


async def work(rig: Rig) -> None:
    """Run the incident's jobs that are due, as a worker would."""
    queue = JobQueue(rig.app.state.house.deps.pool, "worker", lease_s=60)
    while jobs := [job for job in await queue.claim(50, rig.clock.now()) if job.kind in JOBS]:
        for job in jobs:
            context = Context("eucora|service", job.correlation_id, job.causation_id, job.intent_id)
            if not await JOBS[job.kind](rig.world, job.payload, context, job.lease):
                await queue.done(job.lease)


async def installed(rig: Rig) -> str:
    intent_id = await rig.propose()
    await rig.installed_in_the_lab(intent_id)
    return intent_id


async def test_the_detail_shows_release_rings_devices_rollback_and_latency(rig: Rig) -> None:
    intent_id = await installed(rig)
    body = incident_body(severity="p1", intent_id=intent_id)
    del body["affected_devices"]
    incident_id = await rig.made("/incidents", OPERATOR, body)
    await work(rig)
    told = (await rig.get(f"/incidents/{incident_id}")).json()
    assert (told["response"], told["app_version"], told["affected_devices"]) == ("halt", "1.0", DEVICES)
    assert told["blast_radius_class"] == "non_critical"
    assert told["devices"] == [{"plane": "jamf", "site_class": "online", "devices": DEVICES}]
    (rollout,) = told["rollouts"]
    assert (rollout["intent_id"], rollout["status"], rollout["ring"]) == (intent_id, "halted", 0)
    assert rollout["rollback_suggested"]
    assert rollout["rings"] == [{"ring": 0, "plane": "jamf", "installed": DEVICES, "failed": 0, "pending": 0}]
    assert told["pending_devices"] == 0
    assert told["rollback_reason"] == "P1 stability incident: Stops after sleep"
    assert [(stop["intent_id"], stop["response"], stop["latency_ms"]) for stop in told["stops"]] == [
        (intent_id, "halt", 0)
    ]
    assert told["version"] == 3  # reported, called, proposed: the halt is on the rollout's stream
    back = await rig.post(f"/deployment-intents/{intent_id}/rollbacks", PUBLISHER, {"reason": "P1"})
    assert back.status_code == 201
    (rollout,) = (await rig.get(f"/incidents/{incident_id}")).json()["rollouts"]
    assert (rollout["status"], rollout["rollback_suggested"]) == ("rolling_back", False)
    said = [one["summary"] for one in (await rig.get(f"/deployment-intents/{intent_id}/timeline")).json()["items"]]
    assert "Rollback of 1 rollout proposed: P1 stability incident: Stops after sleep" in said


async def test_devices_that_have_not_answered_are_pending(rig: Rig) -> None:
    intent_id = await rig.propose()
    await rig.installed_in_the_lab(intent_id)
    incident_id = await rig.made("/incidents", OPERATOR, incident_body(intent_id=intent_id))
    told = (await rig.get(f"/incidents/{incident_id}")).json()
    assert (told["affected_devices"], told["pending_devices"]) == (3, 0)  # what the reporter says stands


async def test_a_communication_log_grows_also_after_the_resolution(rig: Rig) -> None:
    await rig.pack()
    incident_id = await rig.made("/incidents", OPERATOR, incident_body())
    path = f"/incidents/{incident_id}"
    assert (await rig.post(f"{path}/notes", OPERATOR, {"text": "vendor called"})).status_code == 201
    solved = {"root_cause": "a driver", "corrective_action": "blocked it"}
    assert (await rig.post(f"{path}/resolutions", OPERATOR, solved)).status_code == 201
    rig.later(hours=1)
    assert (await rig.post(f"{path}/notes", PUBLISHER, {"text": "told the shops"})).status_code == 201
    told = (await rig.get(path)).json()
    assert [(note["text"], note["by"], note["at"]) for note in told["notes"]] == [
        ("vendor called", id_of(OPERATOR), "2026-03-02T08:00:00Z"),
        ("told the shops", id_of(PUBLISHER), "2026-03-02T09:00:00Z"),
    ]
    assert (told["status"], told["corrective_action"], told["response"]) == ("resolved", "blocked it", "record")
    problem(await rig.post(f"{path}/notes", ADMIN, {"text": "x"}), 403, "role-missing")
    told = problem(await rig.post(f"{path}/notes", OPERATOR, {"text": " "}), 422, "note-missing")
    assert told["errors"][0]["pointer"] == "#/text"


@pytest.mark.parametrize(("named", "nearest"), [("Notes ", "notes"), ("edge", ""), ("", "")])
async def test_an_incident_about_software_that_was_never_here_is_refused(rig: Rig, named: str, nearest: str) -> None:
    await rig.pack()
    answer = await rig.post("/incidents", OPERATOR, incident_body(application_id=named, severity="p1"))
    told = problem(answer, 422, "application-unknown")
    assert (told["errors"][0]["pointer"], told["nearest"]) == ("#/application_id", nearest)


async def test_an_incident_without_a_description_is_told_where_to_write_it(rig: Rig) -> None:
    await rig.pack()
    told = problem(await rig.post("/incidents", OPERATOR, incident_body(description=" ")), 422, "reason-missing")
    assert told["errors"][0]["pointer"] == "#/description"
    assert "reason" not in told["detail"]


async def test_a_resolved_incident_is_reopened(rig: Rig) -> None:
    await rig.pack()
    incident_id = await rig.made("/incidents", OPERATOR, incident_body())
    path = f"/incidents/{incident_id}"
    problem(await rig.post(f"{path}/reopenings", OPERATOR, {"reason": "x"}), 409, "incident-not-resolved")
    assert (await rig.post(f"{path}/resolutions", OPERATOR, {"root_cause": "a driver"})).status_code == 201
    assert (await rig.post(f"{path}/reopenings", OPERATOR, {"reason": "it came back"})).status_code == 201
    told = (await rig.get(path)).json()
    assert (told["status"], told["reopened_because"], told["root_cause"]) == ("open", "it came back", "a driver")
    assert [one["id"] for one in (await rig.get("/incidents", status="open")).json()["items"]] == [incident_id]


async def test_who_is_hit_is_said_anew_or_counted(rig: Rig) -> None:
    intent_id = await installed(rig)
    incident_id = await rig.made("/incidents", OPERATOR, incident_body(intent_id=intent_id, devices=[devices(4)]))
    path = f"/incidents/{incident_id}"
    assert [one["devices"] for one in (await rig.get(path)).json()["devices"]] == [4]
    said = {"devices": [devices(7, "intermittent"), devices(1)], "blast_radius_class": "business_critical"}
    assert (await rig.post(f"{path}/assessments", SECURITY, said)).status_code == 201
    told = (await rig.get(path)).json()
    assert (told["affected_devices"], told["blast_radius_class"]) == (8, "business_critical")
    assert (await rig.post(f"{path}/assessments", OPERATOR)).status_code == 201
    assert (await rig.get(path)).json()["affected_devices"] == DEVICES
    twice = {"devices": [devices(1), devices(2)]}
    problem(await rig.post(f"{path}/assessments", OPERATOR, twice), 422, "affected-devices-repeated")
    negative = {"devices": [devices(-1)]}
    problem(await rig.post(f"{path}/assessments", OPERATOR, negative), 422, "affected-devices-invalid")


def devices(count: int, site_class: str = "online") -> dict[str, Any]:
    return {"plane": "jamf", "site_class": site_class, "devices": count}


async def test_a_report_about_nothing_that_exists_is_refused(rig: Rig) -> None:
    answer = await rig.post("/incidents", OPERATOR, incident_body(intent_id=NOBODY))
    problem(answer, 422, "rollout-unknown")
    intent_id = await rig.propose()
    answer = await rig.post("/incidents", OPERATOR, incident_body(intent_id=intent_id, application_id="till"))
    problem(answer, 422, "rollout-of-another-application")
    answer = await rig.post("/incidents", OPERATOR, incident_body(affected_devices=None))
    told = problem(answer, 422, "devices-uncounted")
    assert told["errors"][0]["pointer"] == "#/affected_devices"


@pytest.mark.parametrize(
    ("move", "body"),
    [("notes", {"text": "x"}), ("reopenings", {"reason": "x"}), ("assessments", {"devices": []})],
)
async def test_moves_of_an_incident_that_is_not_there(rig: Rig, move: str, body: dict[str, Any]) -> None:
    problem(await rig.post(f"/incidents/{NOBODY}/{move}", OPERATOR, body), 404, "incident-unknown")
    problem(await rig.post(f"/incidents/{NOBODY}/{move}", AUDITOR, body), 403, "role-missing")
