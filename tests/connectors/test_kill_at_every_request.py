"""kill -9 of a real process at each request of a whole rollout, on both planes, before and after it took effect.

The next process goes on from the journal. In the end there is one app or package with one content in force, one policy,
one offer of ours and one group of ours, and nothing that others own has changed.
"""

import hashlib
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest
from defusedxml.ElementTree import fromstring
from intune_lab import package_file
from kill_gate import LEASE_S, Door, Moment, Processes, Stage, open_door
from rollout_process import CORRELATIONS, OWN_GROUP, Job

from eucora.domain.planes import Plane
from eucora.formats import intunewin
from eucora.lab.app import Lab
from eucora.lab.graph.assignments import add_assignment
from eucora.lab.graph.state import App

SPREAD_S = 60.0  # in the lab, until what was done shows everywhere

Snapshot = dict[str, Any]


class Side(Protocol):
    """What a plane looks like from the vendor's side."""

    def job(self, folder: Path, door: Door, lab: Lab) -> Job: ...
    def plant(self, lab: Lab) -> None: ...
    def between(self, verb: str, lab: Lab) -> None: ...
    def others(self, lab: Lab) -> Snapshot: ...
    def stands_once(self, stage: Stage, job: Job) -> None: ...


class Intune:
    """An app of somebody else's, and a group that people assign to our app in the console while we are at work."""

    FOREIGN = "3f0c86d1-0f2e-4c58-9d3b-6f3f0a7f9a01"

    def __init__(self, folder: Path) -> None:
        self._content = package_file(folder)
        self._sha256 = hashlib.sha256(self._content.read_bytes()).hexdigest()

    def job(self, folder: Path, door: Door, lab: Lab) -> Job:
        own, tenant = lab.directory.credentials, lab.tenant
        first, second = (_group(lab, name) for name in ("ring-0-lab", "ring-1-canary"))
        members = [device.managed_id for device in tenant.devices if device.index in set(tenant.groups[second].devices)]
        return Job(
            plane=Plane.INTUNE,
            server=door.base_url,
            account=(own.tenant, own.client_id, own.client_secret),
            journal=str(folder / "journal"),
            content=str(self._content),
            content_sha256=self._sha256,
            groups=(first, second),
            devices=tuple(members[:5]),
        )

    def plant(self, lab: Lab) -> None:
        now = lab.clock.now()
        body = {
            "@odata.type": "#microsoft.graph.win32LobApp",
            "displayName": "Editor 2.1",  # the very name of ours
            "description": "",
            "publisher": "Somebody else",
            "notes": "by hand",
            "fileName": "IntunePackage.intunewin",
            "setupFilePath": "setup.exe",
        }
        app = App(self.FOREIGN, body, now, now, committed_version="1", published_at=now)
        lab.tenant.apps[self.FOREIGN] = app
        add_assignment(lab.tenant, app, _assignment(_group(lab, "ring-0-lab")))

    def between(self, verb: str, lab: Lab) -> None:
        if verb == "assign again":
            [ours] = [app for app in lab.tenant.apps.values() if app.id != self.FOREIGN]
            add_assignment(lab.tenant, ours, _assignment(_group(lab, "ring-3-department"), "available"))

    def others(self, lab: Lab) -> Snapshot:
        foreign = lab.tenant.apps[self.FOREIGN]
        now = lab.clock.now()
        groups = [group for group in lab.tenant.groups.values() if group.name != OWN_GROUP]
        return deepcopy(
            {
                "app": (foreign.body, foreign.assignments, foreign.versions, foreign.committed_version),
                "groups": {group.id: lab.tenant.memberships.members(group, now) for group in groups},
            }
        )

    def stands_once(self, stage: Stage, job: Job) -> None:
        tenant, now = stage.lab.tenant, stage.clock.now()
        [app] = [app for app in tenant.apps.values() if app.id != self.FOREIGN]
        assert app.body["notes"] == job.key
        assert app.publishing_state(now) == "published"
        assert [len(files) for files in app.versions.values()] == [1]
        [held] = tenant.contents()
        assert held["committed"]
        with intunewin.open_encrypted(self._content) as encrypted:
            assert held["encrypted_sha256"] == hashlib.sha256(encrypted.read()).hexdigest()
        offered = sorted((one["intent"], one["target"]["groupId"]) for one in app.assignments)
        assert offered == [("available", _group(stage.lab, "ring-3-department")), ("required", job.groups[1])]
        [own] = [group for group in tenant.groups.values() if group.name == OWN_GROUP]
        members = {tenant.by_object_id[one].managed_id for one in tenant.memberships.members(own, now)}
        assert members == set(job.devices)


class Jamf:
    """A package, a policy and a group of somebody else's; people widen the scope of our policy while we are at work."""

    def __init__(self, folder: Path) -> None:
        self._content = folder / "Editor-2.1.pkg"
        self._content.write_bytes(b"xar!" + bytes(range(256)) * 64)
        self._sha256 = hashlib.sha256(self._content.read_bytes()).hexdigest()

    def job(self, folder: Path, door: Door, lab: Lab) -> Job:
        first, second = (lab.jamf.groups.named(name) for name in ("ring-0-lab", "ring-1-canary"))
        return Job(
            plane=Plane.JAMF,
            server=door.base_url,
            account=(lab.jamf_client_id, lab.jamf_client_secret),
            journal=str(folder / "journal"),
            content=str(self._content),
            content_sha256=self._sha256,
            groups=(first.id, second.id),
            devices=second.members[:5],
        )

    def plant(self, lab: Lab) -> None:
        jamf, ring = lab.jamf, lab.jamf.groups.named("ring-0-lab")
        jamf.packages.create(
            {
                "packageName": "Editor 2.1",  # what ours is called, without the key
                "fileName": "theirs.pkg",
                "categoryId": "-1",
                "priority": 10,
                "fillUserTemplate": False,
                "osInstall": False,
                "rebootRequired": False,
                "suppressEula": False,
                "suppressFromDock": False,
                "suppressRegistration": False,
                "suppressUpdates": False,
            }
        )
        scope = f"<computer_groups><computer_group><id>{ring.id}</id></computer_group></computer_groups>"
        general = "<name>Editor 2.1</name><enabled>true</enabled>"
        jamf.policies.create(fromstring(f"<policy><general>{general}</general><scope>{scope}</scope></policy>"))
        jamf.groups.create(
            fromstring("<computer_group><name>by hand</name><is_smart>false</is_smart></computer_group>")
        )

    def between(self, verb: str, lab: Lab) -> None:
        if verb != "assign again":
            return
        [ours] = self._ours(lab)
        scope = ours["scope"]
        ring, kept_out = (lab.jamf.groups.named(name) for name in ("ring-3-department", "ring-empty"))
        computer = lab.jamf.computers[lab.jamf.groups.named("ring-0-lab").members[0]]
        scope["computer_groups"].append({"id": int(ring.id), "name": ring.name})
        scope["computers"].append({"id": int(computer.jamf_id), "name": computer.name, "udid": computer.udid})
        scope["exclusions"]["computer_groups"].append({"id": int(kept_out.id), "name": kept_out.name})

    def others(self, lab: Lab) -> Snapshot:
        policies = {policy.id: policy.value for policy in lab.jamf.policies if policy.name == "Editor 2.1"}
        packages = {package.id: package for package in lab.jamf.packages if package.name == "Editor 2.1"}
        groups = {group.id: group for group in lab.jamf.groups if group.name != OWN_GROUP}
        return deepcopy({"policies": policies, "packages": packages, "groups": groups})

    def stands_once(self, stage: Stage, job: Job) -> None:
        lab, jamf = stage.lab, stage.lab.jamf
        [package] = [package for package in jamf.packages if package.name != "Editor 2.1"]
        assert package.fields["notes"] == job.key
        assert [content["sha256"] for content in jamf.contents()] == [self._sha256]
        assert jamf.packages.view(package)["cloudTransferStatus"] == "READY"
        [policy] = self._ours(lab)
        assert policy["general"]["enabled"] is True
        scope = policy["scope"]
        assert {str(group["id"]) for group in scope["computer_groups"]} == {
            job.groups[1],
            jamf.groups.named("ring-3-department").id,
        }
        assert [str(one["id"]) for one in scope["computers"]] == [jamf.groups.named("ring-0-lab").members[0]]
        assert [one["name"] for one in scope["exclusions"]["computer_groups"]] == ["ring-empty"]
        [own] = [group for group in jamf.groups if group.name == OWN_GROUP]
        assert set(own.members) == set(job.devices)

    def _ours(self, lab: Lab) -> list[dict[str, Any]]:
        return [policy.value for policy in lab.jamf.policies if policy.name != "Editor 2.1"]


def _group(lab: Lab, name: str) -> str:
    return next(group.id for group in lab.tenant.groups.values() if group.name == name)


def _assignment(group: str, intent: str = "required") -> dict[str, Any]:
    target = {"@odata.type": "#microsoft.graph.groupAssignmentTarget", "groupId": group}
    return {"@odata.type": "#microsoft.graph.mobileAppAssignment", "intent": intent, "target": target}


@dataclass
class Theatre:
    """Where rollouts are made and killed."""

    door: Door
    processes: Processes
    side: Side
    folder: Path
    errors: Path

    def clean(self) -> Stage:
        """A rollout that nobody disturbs."""
        with self._stage() as (stage, job, before):
            assert self._run(stage, job) == 0, self.said()
            self._ended(stage, job, before)
        return stage

    def said(self) -> str:
        """What the processes wrote before they failed."""
        return self.errors.read_text()

    def killed(self, at: int, moment: Moment) -> None:
        """A rollout killed at that request, and brought to its end by the process after it."""
        with self._stage() as (stage, job, before):
            stage.dies_at, stage.moment = at, moment
            try:
                assert self._run(stage, job) == -signal.SIGKILL
                assert stage.killed
                stage.clock.advance(LEASE_S)
                assert self._run(stage, job) == 0, self.said()
                self._ended(stage, job, before)
            except Exception as error:
                error.add_note(f"killed at request {at} {moment.value}; requests: {dict(stage.asked)}")
                raise

    @contextmanager
    def _stage(self) -> Iterator[tuple[Stage, Job, Snapshot]]:
        """A fresh lab with what others own in it, and a job with an empty journal."""
        with self.door.stage(self.side.between) as stage:
            self.side.plant(stage.lab)
            job = self.side.job(self.folder, self.door, stage.lab)
            Path(job.journal).unlink(missing_ok=True)
            yield stage, job, self.side.others(stage.lab)

    def _run(self, stage: Stage, job: Job) -> int:
        def meet(process: int) -> None:
            stage.victim = process

        return self.processes.run(job, meet)

    def _ended(self, stage: Stage, job: Job, before: Snapshot) -> None:
        stage.clock.advance(SPREAD_S)
        self.side.stands_once(stage, job)
        assert self.side.others(stage.lab) == before


@pytest.fixture(scope="module", params=[Intune, Jamf], ids=["intune", "jamf"])
def theatre(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theatre]:
    folder = tmp_path_factory.mktemp("rollout")
    with (folder / "errors").open("wb") as errors, open_door() as door:
        processes = Processes(errors)
        yield Theatre(door, processes, request.param(folder), folder, folder / "errors")
        processes.close()


@pytest.mark.slow
@pytest.mark.no_cover
@pytest.mark.parametrize("moment", Moment, ids=[moment.name.lower() for moment in Moment])
def test_a_process_killed_at_any_request_leaves_one_of_everything(theatre: Theatre, moment: Moment) -> None:
    boundaries = theatre.clean().asked
    assert set(boundaries) == set(CORRELATIONS)
    assert min(boundaries.values()) >= 3
    for at in range(1, boundaries.total() + 1):
        theatre.killed(at, moment)
