"""kill -9 of the API and of the worker, fifty times under load: nothing acknowledged is lost, nothing happens twice."""

import asyncio
import random
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest
from killed_house import KilledHouse, Person, tokens

from databases import Database
from eucora.domain.people import Role
from eucora.lab.inputs import ApplicationInputs, build_inputs
from eucora.lab.server import LabAddresses, serve_lab
from eucora.store.database import Pool

KILLS = 50
WRITES_BETWEEN_KILLS = 4
POLICY = {
    "version": "brisk",
    "rings": [{"ring": ring, "success_min": "0.95", "soak_s": 1, "automatic": ring > 0} for ring in range(5)],
    "time_to_compliance_s": {"online": 600, "intermittent": 600, "air_gapped": 600},
    "reachable_within_s": 600,
    "measure_every_s": 1,
}


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_fifty_kills_lose_nothing_and_repeat_nothing(database: Database, pool: Pool, tmp_path: Path) -> None:
    with serve_lab(seed=7, pace=1800) as lab:
        house = KilledHouse(database.url, tmp_path, lab)
        secrets = await tokens(
            pool,
            packager=Role.PACKAGING_ENGINEER,
            publisher=Role.PUBLISHER,
            admin=Role.PLATFORM_ADMIN,
            cab=Role.CAB_APPROVER,
            operator=Role.ENDPOINT_OPERATOR,
            auditor=Role.AUDITOR,
        )
        house.start("serve")
        house.start("work")
        try:
            async with httpx.AsyncClient(trust_env=False) as http:
                people = {name: Person(house, http, token) for name, token in secrets.items()}
                pack = await assemble(people["packager"], build_inputs(tmp_path / "inputs").low)
                load = Load(people["operator"])
                writers = [asyncio.create_task(load.write()) for _ in range(3)]
                killer = asyncio.create_task(kill_again_and_again(house, load))
                intent = await roll_out(people, pack, lab)
                await killer
                done = await people["publisher"].until(
                    f"/deployment-intents/{intent}", lambda answer: answer["status"] == "completed"
                )
                load.enough.set()
                await asyncio.gather(*writers)
                entries = await whole_log(people["auditor"])
                held = (await http.get(f"{lab.admin_url}/contents")).json()
        finally:
            house.stop()

    assert house.kills == KILLS
    assert [entry["position"] for entry in entries] == list(range(len(entries)))
    reported = Counter(e["data"]["incident_id"] for e in bodies(entries) if e["type"] == "incident.reported")
    assert reported == Counter(load.acknowledged)  # every one that was acknowledged, once, and no other
    assert set(reported.values()) == {1}
    mine = [entry for entry in bodies(entries) if entry["stream"] == f"deployment_intent-{intent}"]
    assert [entry["version"] for entry in mine] == list(range(1, len(mine) + 1))
    for once in ("rollout-started", "ring-promoted", "rollback-rehearsed", "deployment-completed"):
        kinds = [(entry["type"], entry["data"].get("to_ring")) for entry in mine if entry["type"].endswith(f".{once}")]
        assert len(kinds) == len(set(kinds)) > 0
    contents = held["contents"] if isinstance(held, dict) else held
    assert sorted(row["plane"] for row in contents) == ["intune", "jamf"]  # one object a plane, however often tried
    assert {row["setup_sha256"] for row in contents} == {
        artifact["artifact"] for artifact in done["release"]["artifacts"]
    }


class Load:
    """People who report small incidents all the time, and remember what was acknowledged."""

    def __init__(self, operator: Person) -> None:
        self._operator = operator
        self.acknowledged: list[str] = []
        self.enough = asyncio.Event()
        self._progress = asyncio.Condition()

    async def write(self) -> None:
        while not self.enough.is_set():
            report = {
                "application_id": "field-notes",
                "severity": "p4",
                "kind": "other",
                "attributable": "no",
                "affected_devices": 1,
                "description": "paper jam",
            }
            answer = await self._operator.post("/incidents", report)
            async with self._progress:
                self.acknowledged.append(answer["id"])
                self._progress.notify_all()
            await asyncio.sleep(0.02)  # a steady load, not a contest for the two cores

    async def reached(self, writes: int) -> None:
        async with self._progress:
            await self._progress.wait_for(lambda: len(self.acknowledged) >= writes)


async def kill_again_and_again(house: KilledHouse, load: Load) -> None:
    """By progress, never by the clock: each kill waits until some more writes were acknowledged."""
    order = random.Random(11)
    for _ in range(KILLS):
        await load.reached(len(load.acknowledged) + order.randint(1, WRITES_BETWEEN_KILLS))
        house.kill(order.choice(["serve", "work"]))


async def roll_out(people: dict[str, Person], pack: str, lab: LabAddresses) -> str:
    """The main job, lab to canary on both planes; what is asked while a process is down is asked again."""
    packager, publisher = people["packager"], people["publisher"]
    await people["admin"].post("/gate-policies", {"policy": POLICY, "reason": "short soaks for a test"})
    await people["cab"].post("/gate-policies/brisk/activations", headers={"If-Match": '"1"'})
    rings = [{"ring": ring, "targets": [target(plane, ring) for plane in ("intune", "jamf")]} for ring in (0, 1)]
    asked = {
        "evidence_pack": pack,
        "rings": rings,
        "scope": {"business_unit": "retail", "boundary": "emea"},
        "gate_policy": "brisk",
    }
    intent = str((await packager.post("/deployment-intents", asked))["id"])
    await publisher.post(f"/deployment-intents/{intent}/starts")
    await publisher.until(f"/deployment-intents/{intent}", lab_is_installed)
    await publisher.post(f"/deployment-intents/{intent}/rehearsals")
    await publisher.until(f"/deployment-intents/{intent}", lambda answer: (answer["rehearsal"] or {}).get("passed"))
    await publisher.until(f"/deployment-intents/{intent}", lab_is_installed)
    while True:
        try:
            saw = {"If-Match": f'"{(await publisher.get(f"/deployment-intents/{intent}"))["version"]}"'}
            asked = {"to_ring": 1, "acknowledged": []}
            await publisher.post(f"/deployment-intents/{intent}/promotions", asked, headers=saw)
            return intent
        except Exception as refusal:  # not yet, or a count came between: ask again, it is what a person would do
            if not any(reason in str(refusal) for reason in ("gate", "soak", "version-mismatch")):
                raise
            await asyncio.sleep(0.3)


def target(plane: str, ring: int) -> dict[str, Any]:
    from eucora.domain.planes import Plane
    from eucora.lab.clock import SystemClock
    from eucora.lab.fleet import Fleet

    groups = Fleet(7, SystemClock(), pace=1800).groups_on(Plane(plane))
    return {"plane": plane, "group": next(group.id for group in groups if group.name.startswith(f"ring-{ring}-"))}


def lab_is_installed(answer: dict[str, Any]) -> bool:
    measured = answer["rings"][0]["measurement"]
    return bool(measured) and all(count["installed"] == count["targeted"] for count in measured["counts"])


async def assemble(packager: Person, inputs: ApplicationInputs) -> str:
    assert inputs.windows is not None
    assert inputs.macos is not None
    octets = {"Content-Type": "application/octet-stream"}
    digests = [
        (await packager.post("/artifacts", content=path.read_bytes(), params={"file_name": path.name}, headers=octets))[
            "id"
        ]
        for path in (inputs.windows, inputs.macos)
    ]
    documents = []
    for kind in ("sbom", "scan", "test_evidence", "rollback_plan"):
        content = getattr(inputs, kind).read_bytes()
        upload = await packager.post("/evidence-documents", content=content, params={"kind": kind}, headers=octets)
        documents.append({"kind": kind, "sha256": upload["sha256"]})
    pack = {
        "application": {
            "application_id": "field-notes",
            "name": inputs.name,
            "version": inputs.version,
            "publisher": inputs.publisher,
            "category": "utility",
        },
        "declared": {
            "privilege": "user",
            "vendor_known": True,
            "provenance": "consistent",
            "exploitability": "none",
            "data_access": "own",
            "operational_complexity": "short",
        },
        "planes": ["intune", "jamf"],
        "installs": [
            {
                "plane": "intune",
                "artifact": digests[0],
                "install_command": "setup.exe /S",
                "uninstall_command": "setup.exe /U",
                "detection": {"kind": "file", "path": "C:\\Program Files\\Notes", "name": "notes.exe"},
                "return_codes": [{"code": 0, "meaning": "success"}],
            },
            {
                "plane": "jamf",
                "artifact": digests[1],
                "uninstall_command": "/usr/sbin/pkgutil --forget org.example.notes",
                "detection": {"kind": "receipt", "name": "org.example.notes", "value": "1"},
            },
        ],
        "documents": documents,
        "rollout_plan": "lab, canary",
    }
    return str((await packager.post("/evidence-packs", pack))["id"])


async def whole_log(auditor: Person) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        page = await auditor.get("/audit/events", **({"cursor": cursor} if cursor else {}), limit=1000)
        events += page["events"]
        cursor = page["next_cursor"]
        if not page["has_more"]:
            return events


def bodies(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [entry.get("entry", entry) for entry in entries]
