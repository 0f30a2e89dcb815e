"""The API on a real database, with a clock that is told the time and planes that live in memory."""

import hashlib
import json
from collections.abc import AsyncIterator, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
from described_statuses import undescribed
from fastapi import FastAPI

from eucora.api.auth.authenticator import Authenticator
from eucora.api.auth.keys import OidcSettings
from eucora.api.auth.mapping import MappingInForce
from eucora.application.deployment_intents import measure_now
from eucora.application.devices import CohortDevice
from eucora.application.execute import execute, load
from eucora.application.holdings import Holding
from eucora.application.planes import (
    Assigned,
    Assignment,
    Device,
    Gathered,
    Gathering,
    Group,
    GroupNotFound,
    Inspection,
    Observation,
    Publication,
    Published,
    Watch,
    Withdrawal,
    Withdrawn,
)
from eucora.application.ports import Context
from eucora.application.react import react
from eucora.application.world import World
from eucora.domain.deployment_intent import DECIDER, commands
from eucora.domain.grounds import Grounds
from eucora.domain.planes import InstallState, Plane, SiteClass
from eucora.domain.rings import Ring
from eucora.lab.clock import ManualClock
from eucora.lab.inputs.flat_pkg import PayloadFile, render_flat_pkg
from eucora.lab.oidc import PEOPLE, Issuer
from eucora.projections.runner import ProjectionRunner

START = datetime(2026, 3, 2, 8, tzinfo=UTC)
ISSUER = "http://idp.test/oidc"
API = "/api/v1"
NOBODY = "0199e5a4-6f00-7000-8000-0000000000ff"  # an id under which nothing stands
DEVICES = 10
PACKAGER, PUBLISHER, OTHER_PUBLISHER = "piet.packager", "petra.publisher", "paolo.publisher"
CAB, CAB_2, ADMIN, OPERATOR, AUDITOR = "carla.cab", "chen.cab", "ada.platform", "oskar.operator", "aiko.auditor"
BOTH = "dora.both"


class TwinPlane:
    """A plane in memory. Groups ``ring-0`` to ``ring-4`` hold ten devices each, ``empty`` holds none."""

    def __init__(self, plane: Plane) -> None:
        self.plane = plane
        self.failure: Exception | None = None
        self.offers: dict[str, set[str]] = {}
        self.gathered: dict[str, set[str]] = {}
        self.resolved: list[str] = []

    async def resolve(self, group: str, *, correlation_id: str) -> Group:
        self.resolved.append(group)
        if self.failure is not None:
            raise self.failure
        if group == "empty":
            return Group(group, group, ())
        if not group.startswith("ring-"):
            raise GroupNotFound(self.plane, group)
        names = [f"{group}-device-{number:02}" for number in range(DEVICES)]
        return Group(group, group, [Device(name, name, name.upper(), "1", None) for name in names])

    async def gather(self, gathering: Gathering, *, correlation_id: str) -> Gathered:
        there = {device.id for device in (await self.resolve(gathering.source, correlation_id=correlation_id)).devices}
        created = gathering.name not in self.gathered
        self.gathered.setdefault(gathering.name, {*gathering.devices} & there)
        return Gathered(gathering.name, created, len({*gathering.devices} - there))

    async def holdings(self, groups: Sequence[tuple[str, Gathering]], *, correlation_id: str) -> Sequence[Holding]:
        return [Holding(ref in self.gathered) for ref, _ in groups]

    async def publish(self, publication: Publication, *, correlation_id: str) -> Published:
        created = publication.key not in self.offers
        self.offers.setdefault(publication.key, set())
        return Published(publication.key, publication.content_sha256, created)

    async def assign(self, assignment: Assignment, *, correlation_id: str) -> Assigned:
        groups = self.offers.setdefault(assignment.ref, set())
        changed = assignment.group not in groups
        groups.add(assignment.group)
        return Assigned(assignment.ref, changed)

    async def observe(self, watch: Watch, *, correlation_id: str) -> AsyncIterator[Sequence[Observation]]:
        yield [Observation(device, InstallState.INSTALLED, None, None) for device in watch.devices]

    async def withdraw(self, withdrawal: Withdrawal, *, correlation_id: str) -> Withdrawn:
        taken = self.offers.pop(withdrawal.ref, set())
        return Withdrawn(sorted(taken))

    async def inspect(self, key: str, name: str, version: str, *, correlation_id: str) -> Inspection:
        known = key in self.offers
        return Inspection(key if known else None, version, "", ())


@dataclass
class Rig:
    """One installation. Requests go in through :meth:`ask`, as one person of the lab."""

    app: FastAPI
    world: World
    runner: ProjectionRunner
    clock: ManualClock
    issuer: Issuer
    planes: dict[Plane, TwinPlane]
    http: httpx.AsyncClient
    logs: list[MutableMapping[str, Any]]

    def token(self, person: str, **claims: Any) -> str:
        """A real token of the lab's issuer, good at the rig's time."""
        now = int(self.clock.now().timestamp())
        return self.issuer.mint(subject_of(person), **({"iat": now, "nbf": now, "exp": now + 900} | claims))

    async def ask(
        self,
        method: str,
        path: str,
        person: str | None = None,
        *,
        headers: Mapping[str, str | bytes] | None = None,
        key: str | None = None,
        caught_up: bool = True,
        **request: Any,
    ) -> httpx.Response:
        """One request; POSTs get a fresh Idempotency-Key unless ``key`` is given ("" sends none)."""
        sent: dict[str, Any] = dict(headers or {})
        if person is not None:
            sent.setdefault("Authorization", f"Bearer {self.token(person)}")
        if method == "POST" and key != "":
            sent.setdefault("Idempotency-Key", key or str(uuid4()))
        if method == "GET" and caught_up:
            await self.runner.catch_up_all()
        at = path if path.startswith("/api") or path in ("/livez", "/readyz", "/startupz") else API + path
        answer = await self.http.request(method, at, headers=sent, **request)
        asked = answer.request.url.path
        assert not undescribed(method, asked, answer.status_code), (
            f"{method} {asked}: {answer.status_code} is undescribed"
        )
        return answer

    async def post(self, path: str, person: str, body: object = None, **options: Any) -> httpx.Response:
        return await self.ask("POST", path, person, json={} if body is None else body, **options)

    async def get(self, path: str, person: str = AUDITOR, **params: Any) -> httpx.Response:
        return await self.ask("GET", path, person, params=params)

    async def made(self, path: str, person: str, body: object = None, **options: Any) -> str:
        """The id of what a POST made."""
        answer = await self.post(path, person, body, **options)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    async def seen(self, path: str, person: str = AUDITOR) -> dict[str, str]:
        """The header that says: decided on what stands there now."""
        return {"If-Match": (await self.get(path, person)).headers["ETag"]}

    async def events(self) -> int:
        return await self.world.store.head() + 1

    async def upload(self, data: bytes, kind: str) -> httpx.Response:
        return await self.ask("POST", "/evidence-documents", PACKAGER, key="", params={"kind": kind}, content=data)

    async def register(self, version: str = "1.0") -> str:
        answer = await self.ask(
            "POST", "/artifacts", PACKAGER, params={"file_name": "notes.pkg"}, content=package(version)
        )
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    async def pack(self, **changes: Any) -> str:
        """A complete evidence pack for macOS."""
        return await self.made("/evidence-packs", PACKAGER, await self.pack_body() | changes)

    async def pack_body(self, **application: Any) -> dict[str, Any]:
        files = {"sbom": sbom(), "scan": scan(), "test_evidence": b"passed", "rollback_plan": b"remove it"}
        kept = [(kind, (await self.upload(data, kind)).json()["sha256"]) for kind, data in files.items()]
        artifact = await self.register()
        return pack_body(artifact, kept) | {"application": application_body() | application}

    async def propose(self, rings: Iterable[int] = (0, 1, 2), person: str = PACKAGER, **changes: Any) -> str:
        body = intent_body(await self.pack(), rings) | changes
        return await self.made("/deployment-intents", person, body)

    async def proposed_before_cab(self) -> str:
        """An intent of a kind that CAB must see from canary on."""
        pack = await self.made("/evidence-packs", PACKAGER, await self.pack_body(category="vpn"))
        return await self.made("/deployment-intents", PACKAGER, intent_body(pack, (0, 1, 2)))

    async def run(self, intent_id: str, command: commands.Command) -> None:
        """What a worker does for the intent."""
        context = Context("eucora|service", "rig", intent_id=intent_id)
        await execute(self.world.store, DECIDER, intent_id, command, context=context, at=self.clock.now(), react=react)

    async def installed_in_the_lab(self, intent_id: str) -> None:
        """The lab ring opened, its devices frozen, all installed and counted, and the rollback rehearsed."""
        assert (await self.post(f"/deployment-intents/{intent_id}/starts", PUBLISHER)).status_code == 201
        group = await self.planes[Plane.JAMF].resolve("ring-0", correlation_id="rig")
        cohort = [
            CohortDevice(Plane.JAMF, one.id, one.name, one.serial, SiteClass.ONLINE, False, group.ref, None)
            for one in group.devices
        ]
        now = self.clock.now()
        frozen = await self.world.devices.freeze(intent_id, Ring.LAB, Plane.JAMF, cohort)
        await self.run(intent_id, commands.FreezeCohort(Ring.LAB, Plane.JAMF, frozen.digest, frozen.counts, now))
        proposed = (await load(self.world.store, DECIDER, intent_id)).proposed
        assert proposed is not None
        (file,) = proposed.release.artifacts
        await self.run(intent_id, commands.RecordPublished(Ring.LAB, Plane.JAMF, "7", "1", file.content, now))
        self.clock.advance(60)
        now = self.clock.now()
        await self.check_in(intent_id)
        reading = await measure_now(self.world, await load(self.world.store, DECIDER, intent_id), Ring.LAB)
        assert reading is not None
        await self.run(intent_id, commands.RecordMeasurement(Ring.LAB, reading, Grounds(), now))
        await self.run(intent_id, commands.StartRehearsal("rig", now))
        await self.run(intent_id, commands.RecordRehearsal(DEVICES, DEVICES, now))

    async def check_in(self, intent_id: str) -> None:
        """Every device of the lab ring says now that it has the release."""
        group, now = await self.planes[Plane.JAMF].resolve("ring-0", correlation_id="rig"), self.clock.now()
        seen = [Observation(one.id, InstallState.INSTALLED, now, now) for one in group.devices]
        await self.world.devices.record(intent_id, Ring.LAB, Plane.JAMF, seen, now=now)

    def later(self, **span: float) -> None:
        self.clock.advance(timedelta(**span).total_seconds())


def application_body() -> dict[str, str]:
    """The application, anew for whoever asks."""
    return {
        "application_id": "notes",
        "name": "Notes",
        "version": "1.0",
        "publisher": "Example",
        "category": "utility",
    }


APPLICATION = application_body()
DECLARED = {
    "privilege": "user",
    "vendor_known": True,
    "provenance": "consistent",
    "exploitability": "none",
    "data_access": "own",
    "operational_complexity": "short",
}


def pack_body(artifact: str, documents: Iterable[tuple[str, str]]) -> dict[str, Any]:
    return {
        "application": application_body(),
        "declared": dict(DECLARED),
        "planes": ["jamf"],
        "installs": [
            {
                "plane": "jamf",
                "artifact": artifact,
                "uninstall_command": "/usr/local/bin/remove-notes",
                "detection": {"kind": "receipt", "name": "com.example.notes", "value": "1.0"},
            }
        ],
        "documents": [{"kind": kind, "sha256": sha256} for kind, sha256 in documents],
        "rollout_plan": "lab, canary, pilot",
    }


def intent_body(pack: str, rings: Iterable[int], group: str = "ring-{ring}") -> dict[str, Any]:
    return {
        "evidence_pack": pack,
        "rings": [{"ring": ring, "targets": [{"plane": "jamf", "group": group.format(ring=ring)}]} for ring in rings],
        "scope": {"business_unit": "retail", "boundary": "emea"},
        "gate_policy": "1.0",
    }


def incident_body(**changes: Any) -> dict[str, Any]:
    return {
        "application_id": "notes",
        "severity": "p3",
        "kind": "stability",
        "affected_devices": 3,
        "description": "Stops after sleep",
    } | changes


def package(version: str = "1.0") -> bytes:
    return render_flat_pkg(
        identifier="com.example.notes",
        version=version,
        install_location="/Applications",
        files={"Notes.app/Contents/MacOS/notes": PayloadFile(b"#!/bin/sh\n", executable=True)},
    )


def sbom(name: str = "left") -> bytes:
    return json.dumps(
        {
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
            "metadata": {"component": {"type": "application", "name": "notes", "version": "1.0"}},
            "components": [{"type": "library", "name": name, "version": "1", "purl": f"pkg:npm/{name}@1"}],
        }
    ).encode()


def scan(name: str = "left") -> bytes:
    match = {
        "vulnerability": {"id": "CVE-2026-1", "severity": "Low", "fix": {"versions": ["2"], "state": "fixed"}},
        "artifact": {"name": name, "version": "1", "purl": f"pkg:npm/{name}@1"},
    }
    return json.dumps({"matches": [match], "descriptor": {"name": "grype", "version": "0.94.0"}}).encode()


def subject_of(username: str) -> str:
    return next(person.subject for person in PEOPLE if person.username == username)


def id_of(username: str) -> str:
    """The person's id as it stands in events."""
    return f"{ISSUER}|{subject_of(username)}"


def sign_in_of(rig: Rig, oidc: OidcSettings | None) -> Authenticator:
    """That of another replica, which shares the database and nothing else."""
    reads, world = rig.app.state.house.reads, rig.world
    return Authenticator(reads.tokens, world.store, rig.clock, oidc, MappingInForce(world), world.ids, reads.token_uses)


def problem(answer: httpx.Response, status: int, slug: str) -> dict[str, Any]:
    """The problem document, after what every one of them owes."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    body: dict[str, Any] = answer.json()
    assert (answer.status_code, body["type"]) == (status, f"urn:eucora:problem:{slug}"), body
    assert body["status"] == status
    assert body["title"]
    assert body["detail"].strip()
    assert body["correlation_id"] == answer.headers["X-Correlation-ID"]
    assert body["instance"].startswith("/")
    assert status != 401 or answer.headers["WWW-Authenticate"].startswith("Bearer")  # RFC 9110, section 15.5.2
    return body


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
