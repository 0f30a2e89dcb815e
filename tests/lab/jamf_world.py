"""A simulated Jamf Pro server for tests: a clock that stands still, a small fleet, and a client with a token."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from xml.etree.ElementTree import Element

import httpx
from defusedxml.ElementTree import fromstring
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount

from eucora.domain.planes import Plane
from eucora.lab.clock import ManualClock
from eucora.lab.fleet import Fleet
from eucora.lab.jamf import JamfStore, create_jamf
from eucora.lab.jamf.tokens import LabAccount
from eucora.lab.recorder import Recorder, RecorderMiddleware
from eucora.lab.roster import LabDevice

START = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
PACE = 60.0
# At this pace a late Mac checks in every 80 s and a failing one needs up to 30 s for its three tries.
EVERYONE_REPORTED_S = 200.0
TRANSFER_S = 5.0
TOKEN_S = 3600.0
UPLOAD_BYTES_MAX = 100_000
ACCOUNT = ("lab-user", "lab:password")
PKG = b"xar!" + bytes(range(256)) * 40
XML = {"Content-Type": "application/xml"}
JSON = {"Accept": "application/json"}


class JamfWorld:
    """The server mounted where the lab mounts it, and short ways to call it."""

    def __init__(self, *, macs: int = 400, token_s: float = TOKEN_S) -> None:
        self.clock = ManualClock(START)
        self.fleet = Fleet(7, self.clock, windows=0, macs=macs, pace=PACE)
        self.app = create_jamf(
            self.fleet,
            self.clock,
            client_id="lab-client",
            client_secret="lab-secret",
            token_lifetime=timedelta(seconds=token_s),
            transfer=timedelta(seconds=TRANSFER_S),
            upload_bytes_max=UPLOAD_BYTES_MAX,
            account=LabAccount(*ACCOUNT),
        )
        self.recorder = Recorder()
        outer = Starlette(
            routes=[Mount("/jamf", self.app)], middleware=[Middleware(RecorderMiddleware, recorder=self.recorder)]
        )
        transport = httpx.ASGITransport(outer)
        self.http = httpx.AsyncClient(transport=transport, base_url="http://jamf.test/jamf/")

    @property
    def store(self) -> JamfStore:
        store: JamfStore = self.app.state.jamf
        return store

    async def sign_in(self) -> None:
        token = await self.token()
        self.http.headers["Authorization"] = f"Bearer {token.json()['access_token']}"

    async def token(self, path: str = "api/v1/oauth/token", **changes: str) -> httpx.Response:
        form = {"grant_type": "client_credentials", "client_id": "lab-client", "client_secret": "lab-secret"}
        return await self.http.post(path, data=form | changes)

    async def package(self, name: str = "Editor 2.0", **changes: object) -> str:
        answer = await self.http.post("api/v1/packages", json=package_body(name) | changes)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    async def ready_package(self, name: str = "Editor 2.0") -> str:
        package_id = await self.package(name)
        answer = await self.http.post(f"api/v1/packages/{package_id}/upload", files={"file": ("editor.pkg", PKG)})
        assert answer.status_code == 201, answer.text
        self.clock.advance(TRANSFER_S)
        return package_id

    async def policy(self, xml: str) -> str:
        answer = await self.http.post("JSSResource/policies/id/0", content=xml, headers=XML)
        assert answer.status_code == 201, answer.text
        return str(parsed(answer).findtext("id"))

    async def group(self, name: str, *additions: str) -> str:
        content = group(name, additions=additions)
        answer = await self.http.post("JSSResource/computergroups/id/0", content=content, headers=XML)
        assert answer.status_code == 201, answer.text
        return str(parsed(answer).findtext("id"))

    async def change(self, policy_id: str, xml: str) -> httpx.Response:
        return await self.http.put(f"JSSResource/policies/id/{policy_id}", content=xml, headers=XML)

    async def logs(self, device: LabDevice) -> list[dict[str, object]]:
        answer = await self.http.get(f"JSSResource/computerhistory/id/{device.jamf_id}/subset/PolicyLogs", headers=JSON)
        assert answer.status_code == 200, answer.text
        logs: list[dict[str, object]] = answer.json()["computer_history"]["policy_logs"]
        return logs

    def ring(self, name: str = "ring-2-pilot") -> list[LabDevice]:
        [group] = [group for group in self.fleet.groups_on(Plane.JAMF) if group.name == name]
        return list(self.fleet.members(group))

    def group_id(self, name: str = "ring-2-pilot") -> str:
        [group] = [group for group in self.fleet.groups_on(Plane.JAMF) if group.name == name]
        return group.id

    def sound(self) -> LabDevice:
        """A Mac of the pilot that installs whatever it is offered."""
        return next(device for device in self.ring() if not (device.missing or device.failing or device.late))


def package_body(name: str) -> dict[str, object]:
    return {
        "packageName": name,
        "fileName": "editor.pkg",
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


def install_policy(
    name: str, package_id: str, *groups: str, enabled: bool = True, checkin: bool = True, frequency: str = "Ongoing"
) -> str:
    scope = "".join(f"<computer_group><id>{group}</id></computer_group>" for group in groups)
    return (
        f"<policy><general><name>{name}</name><enabled>{str(enabled).lower()}</enabled>"
        f"<trigger_checkin>{str(checkin).lower()}</trigger_checkin><frequency>{frequency}</frequency></general>"
        f"<scope><computer_groups>{scope}</computer_groups></scope>"
        f"<package_configuration><packages><package><id>{package_id}</id><action>Install</action></package></packages>"
        "</package_configuration></policy>"
    )


def group(name: str, *, smart: bool = False, additions: Sequence[str] = (), deletions: Sequence[str] = ()) -> str:
    """A static or smart group, or a change of one: the computers (ids) to come and to go."""
    parts = [
        f"<{tag}>{''.join(f'<computer><id>{id_}</id></computer>' for id_ in ids)}</{tag}>"
        for tag, ids in (("computer_additions", additions), ("computer_deletions", deletions))
        if ids
    ]
    kind = f"<name>{name}</name><is_smart>{str(smart).lower()}</is_smart>"
    return f"<computer_group>{kind}{''.join(parts)}</computer_group>"


def uninstall_policy(name: str, *groups: str) -> str:
    scope = "".join(f"<computer_group><id>{group}</id></computer_group>" for group in groups)
    return (
        f"<policy><general><name>{name} uninstall</name><enabled>true</enabled><trigger_checkin>true</trigger_checkin>"
        f"<frequency>Ongoing</frequency></general><scope><computer_groups>{scope}</computer_groups></scope>"
        "<files_processes><run_command>/usr/local/bin/editor --remove</run_command></files_processes></policy>"
    )


def parsed(answer: httpx.Response) -> Element:
    element: Element = fromstring(answer.content)
    return element
