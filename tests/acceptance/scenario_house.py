"""A whole installation as its users meet it: the lab, an API and a worker as processes, and people with tokens."""

import asyncio
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
from killed_house import command, tokens

from eucora.cli.stack import free_port, lab_environment
from eucora.domain.people import Role
from eucora.lab.clock import SystemClock
from eucora.lab.fleet import Fleet
from eucora.lab.inputs import ApplicationInputs
from eucora.lab.server import LabAddresses, serve_lab
from eucora.store.database import APP, connected
from eucora.store.embedded import Server

SEED, PACE = 7, 1800.0
PATIENCE_S = 90.0
POLICY = "brisk"
OCTETS = {"Content-Type": "application/octet-stream"}
PEOPLE = {
    "packager": Role.PACKAGING_ENGINEER,
    "publisher": Role.PUBLISHER,
    "admin": Role.PLATFORM_ADMIN,
    "carla": Role.CAB_APPROVER,
    "chen": Role.CAB_APPROVER,
    "cyrus": Role.CAB_APPROVER,
    "operator": Role.ENDPOINT_OPERATOR,
    "security": Role.SECURITY_REVIEWER,
    "auditor": Role.AUDITOR,
}
BOARD = ("carla", "chen", "cyrus")
HARMLESS = {
    "privilege": "user",
    "vendor_known": True,
    "provenance": "consistent",
    "exploitability": "none",
    "data_access": "own",
    "operational_complexity": "short",
}
DARING = {
    "privilege": "service_or_elevated",
    "vendor_known": False,
    "provenance": "uncertain",
    "exploitability": "privileged_listener",
    "data_access": "credential_stores",
    "operational_complexity": "reboot",
}


@dataclass
class House:
    """``position``: of the latest write that was acknowledged to anybody; every read asks for it."""

    http: httpx.Client
    url: str
    lab: LabAddresses
    secrets: Mapping[str, str]
    position: int = -1
    made: int = 0
    _groups: dict[tuple[str, int], str] = field(default_factory=dict)

    def __getitem__(self, name: str) -> "Person":
        return Person(self, name)

    def group(self, plane: str, ring: int) -> str:
        return self._groups[plane, ring]


@dataclass(frozen=True)
class Person:
    """Somebody with a token of his own."""

    house: House
    name: str

    def ask(self, method: str, path: str, **request: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.house.secrets[self.name]}"} | request.pop("headers", {})
        if method == "POST":
            headers.setdefault("Idempotency-Key", str(uuid4()))
        elif self.house.position >= 0:
            headers["Eucora-Min-Position"] = str(self.house.position)
        until = time.monotonic() + PATIENCE_S
        while True:
            answer = self.house.http.request(method, f"{self.house.url}/api/v1{path}", headers=headers, **request)
            # The service says of these that the same request may succeed in a moment.
            if "Retry-After" not in answer.headers or time.monotonic() > until:
                break
            time.sleep(0.1)
        told = answer.headers.get("Eucora-Position", "")
        self.house.position = max(self.house.position, int(told) if told.isdecimal() else -1)
        return answer

    def get(self, path: str, **params: Any) -> dict[str, Any]:
        answer = self.ask("GET", path, params=params)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    def post(self, path: str, body: Mapping[str, Any] | None = None, **request: Any) -> dict[str, Any]:
        sent = request if "content" in request else {"json": dict(body or {})} | request
        answer = self.ask("POST", path, **sent)
        assert answer.status_code in (200, 201), answer.text
        told: dict[str, Any] = answer.json()
        return told

    def refused(self, path: str, body: Mapping[str, Any] | None = None, **request: Any) -> dict[str, Any]:
        """The problem that a POST is answered with; its ``type`` without the prefix is under ``slug``."""
        answer = self.ask("POST", path, json=dict(body or {}), **request)
        assert answer.is_client_error, answer.text
        problem: dict[str, Any] = answer.json()
        return problem | {"slug": problem["type"].rsplit(":", 1)[-1]}

    def until(self, path: str, holds: Any, what: str) -> dict[str, Any]:
        """The first answer for which ``holds(answer)`` is true; devices and workers need their time."""
        until = time.monotonic() + PATIENCE_S
        while True:
            answer = self.get(path)
            if holds(answer):
                return answer
            assert time.monotonic() < until, f"{what}: not within {PATIENCE_S} s; {answer}"
            time.sleep(0.2)


def brisk(**rings: Any) -> dict[str, Any]:
    """The thresholds of version 1.0, with soaks of a second and a reading every second."""
    successes = ("0.95", "0.97", "0.97", "0.99", "0.99")
    return {
        "version": POLICY,
        "rings": [
            {"ring": ring, "success_min": success, "soak_s": 1, "automatic": False}
            for ring, success in enumerate(successes)
        ],
        "time_to_compliance_s": {"online": 60, "intermittent": 120, "air_gapped": 180},
        "reachable_within_s": 300,
        "measure_every_s": 1,
    }


@contextmanager
def scenario_house(postgres: Server, template: str, folder: Path) -> Iterator[House]:
    """Everything up, on a database of its own, with the policy ``brisk`` in force."""
    name = f"scenarios_{uuid4().hex}"
    asyncio.run(_create(postgres.dsn("postgres"), f"create database {name} template {template}"))
    secrets = asyncio.run(_tokens(postgres.dsn(name, APP)))
    port = free_port()
    with serve_lab(seed=SEED, pace=PACE) as lab, httpx.Client(trust_env=False, timeout=30) as http:
        environment = {
            **_clean_environment(),
            **lab_environment(lab),
            "EUCORA_DATABASE_URL": postgres.dsn(name, APP),
            "EUCORA_DATA_DIR": str(folder),
            "EUCORA_LOG_LEVEL": "warning",
        }
        with (folder / "log").open("ab") as log:
            processes = [
                subprocess.Popen(command(*one), env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
                for one in (("serve", "--port", str(port)), ("work",))
            ]
        house = House(http, f"http://127.0.0.1:{port}", lab, secrets)
        for plane in ("intune", "jamf"):
            for ring in range(5):
                house._groups[plane, ring] = _group(plane, ring)
        try:
            _wait(house, processes)
            house["admin"].post("/gate-policies", {"policy": brisk(), "reason": "short soaks for tests"})
            house["carla"].post(f"/gate-policies/{POLICY}/activations", headers={"If-Match": '"1"'})
            yield house
        finally:
            for process in processes:
                process.kill()
                process.wait()


def _clean_environment() -> dict[str, str]:
    import os

    return {name: value for name, value in os.environ.items() if not name.startswith(("EUCORA_", "INTUNE_", "JAMF_"))}


def _group(plane: str, ring: int) -> str:
    from eucora.domain.planes import Plane

    groups = Fleet(SEED, SystemClock(), pace=PACE).groups_on(Plane(plane))
    return next(group.id for group in groups if group.name.startswith(f"ring-{ring}-"))


def _wait(house: House, processes: list["subprocess.Popen[bytes]"]) -> None:
    until = time.monotonic() + PATIENCE_S
    while True:
        assert all(process.poll() is None for process in processes), "a process ended"
        assert time.monotonic() < until, "the API does not come up"
        try:
            if house.http.get(f"{house.url}/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)


async def _create(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def _tokens(url: str) -> dict[str, str]:
    async with connected(url) as pool:
        return await tokens(pool, **PEOPLE)


@dataclass(frozen=True)
class Release:
    """One application of a scenario, over the lab's own installers."""

    house: House
    inputs: ApplicationInputs
    application_id: str
    category: str = "utility"
    declared: Mapping[str, Any] = field(default_factory=lambda: HARMLESS)
    privileged_tooling: bool = False
    planes: tuple[str, ...] = ("intune", "jamf")

    def pack(self, **documents: bytes) -> str:
        """The digest of its evidence pack; ``documents`` replace files by kind."""
        packager, inputs = self.house["packager"], self.inputs
        installs = [self._install(plane) for plane in self.planes]
        kept = []
        for kind in ("sbom", "scan", "test_evidence", "rollback_plan"):
            content = documents.get(kind) or getattr(inputs, kind).read_bytes()
            upload = packager.post("/evidence-documents", content=content, params={"kind": kind}, headers=OCTETS)
            kept.append({"kind": kind, "sha256": upload["sha256"]})
        body = {
            "application": {
                "application_id": self.application_id,
                "name": f"{inputs.name} {self.application_id}",
                "version": inputs.version,
                "publisher": inputs.publisher,
                "category": self.category,
                "privileged_tooling": self.privileged_tooling,
            },
            "declared": dict(self.declared),
            "planes": list(self.planes),
            "installs": installs,
            "documents": kept,
            "rollout_plan": "ring by ring",
        }
        return str(packager.post("/evidence-packs", body)["id"])

    def _install(self, plane: str) -> dict[str, Any]:
        path = self.inputs.windows if plane == "intune" else self.inputs.macos
        assert path is not None
        registered = self.house["packager"].post(
            "/artifacts", content=path.read_bytes(), params={"file_name": path.name}, headers=OCTETS
        )
        detection = {
            "intune": {"kind": "file", "path": "C:\\Program Files\\Notes", "name": "notes.exe"},
            "jamf": {"kind": "receipt", "name": "org.example.notes", "value": self.inputs.version},
        }
        return {
            "plane": plane,
            "artifact": registered["id"],
            "install_command": "setup /S" if plane == "intune" else "",
            "uninstall_command": "setup /U" if plane == "intune" else "/bin/rm -rf /Applications/Notes.app",
            "detection": detection[plane],
            "return_codes": [{"code": 0, "meaning": "success"}] if plane == "intune" else [],
        }

    def body(self, pack: str, rings: int = 3, **changes: Any) -> dict[str, Any]:
        targets = [
            {
                "ring": ring,
                "targets": [{"plane": plane, "group": self.house.group(plane, ring)} for plane in self.planes],
            }
            for ring in range(rings)
        ]
        scope = {"business_unit": "retail", "boundary": "emea"}
        return {"evidence_pack": pack, "rings": targets, "scope": scope, "gate_policy": POLICY} | changes

    def propose(self, rings: int = 3, **changes: Any) -> "Intent":
        made = self.house["packager"].post("/deployment-intents", self.body(self.pack(), rings, **changes))
        return Intent(self.house, made["id"])


@dataclass(frozen=True)
class Intent:
    """A deployment intent, and the moves that every scenario makes."""

    house: House
    id: str

    @property
    def path(self) -> str:
        return f"/deployment-intents/{self.id}"

    def now(self) -> dict[str, Any]:
        return self.house["publisher"].get(self.path)

    def until(self, holds: Any, what: str) -> dict[str, Any]:
        return self.house["publisher"].until(self.path, holds, what)

    def start(self, **request: Any) -> None:
        self.house["publisher"].post(f"{self.path}/starts", **request)

    def through_the_lab(self) -> None:
        """Install in the lab, rehearse the rollback, install again."""
        self.start()
        self.installed(0)
        self.house["publisher"].post(f"{self.path}/rehearsals")
        self.until(lambda now: (now["rehearsal"] or {}).get("passed"), "the rollback is rehearsed")
        self.installed(0)

    def installed(self, ring: int) -> None:
        """Every device of the ring that can has it."""

        def whole(now: dict[str, Any]) -> bool:
            measured = now["rings"][ring]["measurement"]
            counts = measured["counts"] if measured else []
            return bool(counts) and all(one["installed"] >= 0.95 * one["targeted"] for one in counts)

        self.until(whole, f"ring {ring} has installed it")

    def promote(self, to_ring: int, *acknowledged: str) -> None:
        """Promote as soon as the gates let it."""
        until = time.monotonic() + PATIENCE_S
        asked = {"to_ring": to_ring, "acknowledged": list(acknowledged)}
        while True:
            answer = self.decided("promotions", asked)
            if answer.status_code == 201:
                return
            slug = answer.json()["type"].rsplit(":", 1)[-1]
            assert slug in ("gate-not-met", "soak-not-over"), answer.text
            assert time.monotonic() < until, answer.text
            time.sleep(0.3)

    def promotion_refused(self, to_ring: int) -> dict[str, Any]:
        answer = self.decided("promotions", {"to_ring": to_ring})
        assert answer.is_client_error, answer.text
        problem: dict[str, Any] = answer.json()
        return problem | {"slug": problem["type"].rsplit(":", 1)[-1]}

    def decided(self, deed: str, body: Mapping[str, Any]) -> httpx.Response:
        """What a publisher is answered who decides on the intent as it is; he looks again where it moved meanwhile."""
        until = time.monotonic() + PATIENCE_S
        while True:
            saw = {"If-Match": f'"{self.now()["version"]}"'}
            answer = self.house["publisher"].ask("POST", f"{self.path}/{deed}", json=dict(body), headers=saw)
            if answer.status_code != 412 or time.monotonic() > until:
                return answer

    def submit(self, **asked: Any) -> str:
        return str(self.house["packager"].post(f"{self.path}/submissions", asked)["id"])

    def vote(self, review: str, voter: str, vote: str = "approve", *conditions: Mapping[str, str]) -> dict[str, Any]:
        etag = self.house[voter].ask("GET", f"/cab-reviews/{review}").headers["ETag"]
        body = {"vote": vote, "reason": "looked at the evidence", "conditions": list(conditions)}
        return self.house[voter].post(f"/cab-reviews/{review}/votes", body, headers={"If-Match": etag})

    def approved(self, voters: int = 1, *conditions: Mapping[str, str]) -> str:
        """CAB approves, and the intent has heard of it."""
        review = self.submit()
        for number, voter in enumerate(BOARD[:voters]):
            self.vote(review, voter, "approve", *(conditions if number == 0 else ()))
        self.until(lambda now: now["open_review"] == "", "the decision has arrived")
        return review
