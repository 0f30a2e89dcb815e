"""What the simulated vendors hold and have seen: their own record, against which a soak is judged."""

from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from itertools import pairwise
from typing import Any, Final

from defusedxml.ElementTree import fromstring

from eucora.domain.planes import Plane
from eucora.lab.app import Lab
from eucora.lab.fleet import OfferKind
from eucora.lab.graph.app_types import check_new
from eucora.lab.graph.approvals import Status
from eucora.lab.graph.assignments import add_assignment
from eucora.lab.graph.state import App
from eucora.lab.roster import EMPTY_GROUP, LabDevice

_RING_GROUPS: Final = ("ring-0-lab", "ring-1-canary", "ring-2-pilot")
_GROUP_TARGET: Final = "#microsoft.graph.groupAssignmentTarget"
_THEIRS: Final = {
    "@odata.type": "#microsoft.graph.win32LobApp",
    "displayName": "Field Notes 1.4.2",
    "description": "Packaged by hand years ago",
    "publisher": "Somebody",
    "notes": "ask the service desk",
    "fileName": "notes.intunewin",
    "setupFilePath": "setup.exe",
    "installCommandLine": "setup.exe /S",
    "uninstallCommandLine": "setup.exe /X",
    "applicableArchitectures": "x64",
    "minimumSupportedWindowsRelease": "Windows11_23H2",
    "installExperience": {"runAsAccount": "system", "deviceRestartBehavior": "basedOnReturnCode"},
    "returnCodes": [{"returnCode": 0, "type": "success"}],
    "rules": [
        {
            "@odata.type": "#microsoft.graph.win32LobAppFileSystemRule",
            "ruleType": "detection",
            "path": "C:\\Program Files\\Notes",
            "fileOrFolderName": "notes.exe",
            "check32BitOn64System": False,
            "operationType": "exists",
            "operator": "notConfigured",
            "comparisonValue": None,
        }
    ],
}


class Witness:
    """Looks at a lab from behind, and keeps what was there before us."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self.offered: dict[str, set[str]] = {}  # by name and version: Intune apps of ours ever offered to anybody
        self._joined: set[str] = set()  # our apps that somebody else offers to a group, too
        self._their_app = self._make_app()
        self._make_jamf_objects()
        self._before = self._theirs()

    def look(self) -> None:
        """Note what is offered now; and let somebody offer each new app of ours to a group of theirs."""
        tenant = self._lab.tenant
        for app in self.our_apps():
            if any(offer.intent == "required" for offer in app.offers):
                self.offered.setdefault(str(app.body["displayName"]), set()).add(app.id)
                if app.id not in self._joined:
                    add_assignment(tenant, app, {"intent": "available", "target": self._their_target()})
                    self._joined.add(app.id)

    def approve(self) -> None:
        """An administrator of Intune approves whatever waits for one."""
        approvals = self._lab.approvals
        for row in approvals.rows():
            if row["status"] == Status.NEEDS_APPROVAL:
                approvals.decide(str(row["id"]), Status.APPROVED, "Ada Admin", "fits the baseline")

    def our_apps(self) -> Iterator[App]:
        """Intune's apps that carry a key of ours."""
        return (app for app in self._lab.tenant.apps.values() if str(app.body.get("notes")).startswith("eucora:"))

    def twins(self) -> list[App]:
        """Apps that somebody made under the name of one of ours."""
        return [app for app in self._lab.tenant.apps.values() if app.body.get("notes") == "made by hand"]

    def untouched(self) -> bool:
        """Whether everything of others is as it was: apps, packages, policies, groups and offers of our apps."""
        target = self._their_target()
        kept = all(any(one["target"] == target for one in app.assignments) for app in self.our_apps() if app.offers)
        plain = all(
            not twin.versions and not twin.assignments and twin.modified == twin.created for twin in self.twins()
        )
        return self._theirs() == self._before and kept and plain and bool(self._joined)

    def copies(self, name: str) -> Mapping[str, int]:
        """How many objects of ours a release has, by kind."""
        jamf = self._lab.jamf
        apps = [app for app in self.our_apps() if app.body["displayName"] == name]
        packages = [one for one in jamf.packages if one.name.startswith(f"{name} [eucora-")]
        standing = [one for one in jamf.policies if one.name.startswith(f"{name} [eucora-") and one.reach().groups]
        installs = [one for one in standing if one.kind is OfferKind.INSTALL]
        return {"apps": len(apps), "packages": len(packages), "offering policies": len(installs)}

    def installed(self, plane: Plane, name: str) -> set[str]:
        """Ids of the devices that the release ever reached, by the plane's own record of offers and runs."""
        if plane is Plane.JAMF:
            return {device.jamf_id for device, runs in self._runs(name) if OfferKind.INSTALL in runs}
        now, tenant = self._lab.clock.now(), self._lab.tenant
        reached = set()
        for app in self.our_apps():
            if app.body["displayName"] != name:
                continue
            for device in tenant.devices:
                # removals left aside, so that what was there for a time counts too
                spans = [span for span in tenant.spans(app, device) if span.kind is OfferKind.INSTALL]
                if self._lab.fleet.outcome(device, app.package_key(now), spans, now).installed:
                    reached.add(device.managed_id)
        return reached

    def holding(self, name: str) -> int:
        """How many devices of both planes really have the release now."""
        now, tenant = self._lab.clock.now(), self._lab.tenant
        found = sum(
            self._lab.fleet.outcome(device, app.package_key(now), tenant.spans(app, device), now).installed
            for app in self.our_apps()
            if app.body["displayName"] == name
            for device in tenant.devices
        )
        for device in self._lab.jamf.computers.values():
            histories = self._lab.jamf.histories(device)
            found += any(one.release.startswith(name) and one.installed for one in histories)
        return found

    def installed_twice(self, name: str) -> list[str]:
        """Ids of Macs on which an install policy completed although the release was there already."""
        return [
            device.jamf_id
            for device, runs in self._runs(name)
            if any(one is two is OfferKind.INSTALL for one, two in pairwise(runs))
        ]

    def _runs(self, name: str) -> Iterator[tuple[LabDevice, list[OfferKind | None]]]:
        """Each Mac with what completed on it for the release, oldest first."""
        for device in self._lab.jamf.computers.values():
            for history in self._lab.jamf.histories(device):
                if history.release.startswith(name):
                    yield device, [run.policy.kind for run in history.runs if run.completed]

    # what is there before us

    def _their_target(self) -> dict[str, str]:
        return {"@odata.type": _GROUP_TARGET, "groupId": self._group(Plane.INTUNE, EMPTY_GROUP)}

    def _group(self, plane: Plane, name: str) -> str:
        return next(group.id for group in self._lab.fleet.groups_on(plane) if group.name == name)

    def _make_app(self) -> str:
        tenant, now = self._lab.tenant, self._lab.clock.now()
        app = App("5f0c1b9e-0000-4000-8000-000000000001", check_new(dict(_THEIRS)), now, now, published_at=now)
        tenant.apps[app.id] = app
        target = {"@odata.type": _GROUP_TARGET, "groupId": self._group(Plane.INTUNE, "ring-1-canary")}
        add_assignment(tenant, app, {"intent": "available", "target": target})
        return app.id

    def _make_jamf_objects(self) -> None:
        jamf, group = self._lab.jamf, self._group(Plane.JAMF, "ring-1-canary")
        package = jamf.packages.create(
            {
                "packageName": "Field Notes 1.4.2", "fileName": "FieldNotes-1.4.2.pkg", "categoryId": "-1",
                "priority": 10, "fillUserTemplate": False, "osInstall": False, "rebootRequired": False,
                "suppressEula": False, "suppressFromDock": False, "suppressRegistration": False,
                "suppressUpdates": False,
            }
        )  # fmt: skip
        scope = f"<scope><computer_groups><computer_group><id>{group}</id></computer_group></computer_groups></scope>"
        content = f"<packages><package><id>{package.id}</id><action>Install</action></package></packages>"
        jamf.policies.create(
            fromstring(
                "<policy><general><name>Field Notes 1.4.2</name><enabled>false</enabled></general>"
                f"{scope}<package_configuration>{content}</package_configuration></policy>"
            )
        )

    def _theirs(self) -> Any:
        jamf, tenant = self._lab.jamf, self._lab.tenant
        packages: Iterable[Any] = [one for one in jamf.packages if "[eucora-" not in one.name]
        policies = [(one.id, one.value) for one in jamf.policies if "[eucora-" not in one.name]
        rings = [(one.name, one.members) for one in jamf.groups if one.name in _RING_GROUPS]
        moved = [list(tenant.memberships.changed(group.id)) for group in self._lab.fleet.groups_on(Plane.INTUNE)]
        return deepcopy((tenant.apps.get(self._their_app), list(packages), policies, rings, moved))
