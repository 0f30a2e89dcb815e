"""A lab on a manual clock, and a person who speaks to its Graph the way the vendor's samples do."""

import base64
import hashlib
import hmac
import io
import os
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

import httpx
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from eucora.lab.app import Lab, create_lab
from eucora.lab.clock import ManualClock
from eucora.lab.recorder import Recorder
from eucora.lab.wire import lab_wire

START = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
BASE = "http://lab.test"
APPS = "/deviceAppManagement/mobileApps"
CAST = "microsoft.graph.win32LobApp"
APP_BODY: dict[str, Any] = {
    "@odata.type": "#microsoft.graph.win32LobApp",
    "displayName": "Paint 2.0",
    "description": "A drawing program",
    "publisher": "Example",
    "notes": "eucora:1:abc",
    "fileName": "IntunePackage.intunewin",
    "setupFilePath": "paint\\setup.exe",
    "installCommandLine": "setup.exe /S",
    "uninstallCommandLine": "setup.exe /X",
    "applicableArchitectures": "x64",
    "minimumSupportedWindowsRelease": "Windows11_23H2",
    "installExperience": {"runAsAccount": "system", "deviceRestartBehavior": "basedOnReturnCode"},
    "returnCodes": [{"returnCode": 0, "type": "success"}, {"returnCode": 3010, "type": "softReboot"}],
    "rules": [
        {
            "@odata.type": "#microsoft.graph.win32LobAppFileSystemRule",
            "ruleType": "detection",
            "path": "C:\\Program Files\\Paint",
            "fileOrFolderName": "paint.exe",
            "check32BitOn64System": False,
            "operationType": "exists",
            "operator": "notConfigured",
            "comparisonValue": None,
        }
    ],
}


@dataclass(frozen=True)
class Sealed:
    """An encrypted package, written here from the format's description; ``info`` is its fileEncryptionInfo."""

    setup: bytes
    plain_size: int
    data: bytes
    info: dict[str, str]


def sealed(setup: bytes = b"MZ a setup program") -> Sealed:
    """A package around ``setup`` under fresh keys."""
    plain = io.BytesIO()
    with zipfile.ZipFile(plain, "w", zipfile.ZIP_DEFLATED) as inner:
        # A ZipInfo of its own bears no time of day: one setup program makes one digest, and one behaviour of the fleet.
        inner.writestr(zipfile.ZipInfo("paint/readme.txt"), b"hello")
        inner.writestr(zipfile.ZipInfo("paint/setup.exe"), setup)
    key, mac_key, iv = os.urandom(32), os.urandom(32), os.urandom(16)
    padder = PKCS7(128).padder()
    encryptor = Cipher(algorithms.AES256(key), modes.CBC(iv)).encryptor()
    body = iv + encryptor.update(padder.update(plain.getvalue()) + padder.finalize()) + encryptor.finalize()
    mac = hmac.digest(mac_key, body, "sha256")
    values = {
        "encryptionKey": key,
        "macKey": mac_key,
        "initializationVector": iv,
        "mac": mac,
        "fileDigest": hashlib.sha256(plain.getvalue()).digest(),
    }
    info = {name: base64.b64encode(value).decode() for name, value in values.items()}
    info |= {"profileIdentifier": "ProfileVersion1", "fileDigestAlgorithm": "SHA256"}
    return Sealed(setup, len(plain.getvalue()), mac + body, info)


class World:
    """A lab, its clock, and a client that is signed in to Graph once ``sign_in`` was called."""

    def __init__(self, *, pace: float = 1.0, token_lifetime_s: int | None = None) -> None:
        self.clock = ManualClock(START)
        self.recorder = Recorder()
        app = create_lab(
            seed=7,
            clock=self.clock,
            pace=pace,
            base_url=BASE,
            windows=80,  # ring 0 and ring 1 whole, and twelve of ring 2
            macs=8,
            token_lifetime_s=token_lifetime_s,
            recorder=self.recorder,
        )
        self.lab: Lab = app.state.lab
        self.http = httpx.AsyncClient(transport=lab_wire(app), base_url=BASE)
        self._headers: dict[str, str] = {}

    async def __aenter__(self) -> "World":
        await self.sign_in()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.http.aclose()

    async def token(self, **changes: str) -> httpx.Response:
        """Ask Entra for a token; ``changes`` replace form fields, an empty value leaves one out."""
        credentials = self.lab.directory.credentials
        form = {
            "grant_type": "client_credentials",
            "client_id": credentials.client_id,
            "client_secret": credentials.client_secret,
            "scope": "https://graph.microsoft.com/.default",
            "tenant": credentials.tenant,
        } | changes
        tenant = form.pop("tenant")
        return await self.http.post(
            f"/entra/{tenant}/oauth2/v2.0/token", data={name: value for name, value in form.items() if value}
        )

    async def sign_in(self) -> None:
        """Take a fresh token."""
        answer = await self.token()
        self._headers = {"authorization": f"Bearer {answer.json()['access_token']}"}

    async def wait(self, seconds: float) -> None:
        """Let time pass, longer than a token may live."""
        self.clock.advance(seconds)
        await self.sign_in()

    async def graph(self, method: str, path: str, **kept: Any) -> httpx.Response:
        """One request to Graph; ``path`` is below ``/v1.0`` or a whole next link."""
        url = path if path.startswith("http") else f"/graph/v1.0{path}"
        return await self.http.request(method, url, headers=self._headers | kept.pop("headers", {}), **kept)

    async def walk(self, path: str, **kept: Any) -> list[dict[str, Any]]:
        """Every item of a collection, page after page."""
        answer = (await self.graph("GET", path, **kept)).json()
        found = list(answer["value"])
        while "@odata.nextLink" in answer:
            answer = (await self.graph("GET", answer["@odata.nextLink"], headers=kept.get("headers", {}))).json()
            found += answer["value"]
        return found

    async def create_app(self, **changes: Any) -> str:
        """A new application's id."""
        answer = await self.graph("POST", APPS, json=APP_BODY | changes)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    async def open_file(self, app: str, package: Sealed) -> str:
        """The path of a file registered in a content version, its upload URL ready."""
        version = (await self.graph("POST", f"{APPS}/{app}/{CAST}/contentVersions", json={})).json()["id"]
        body = {
            "@odata.type": "#microsoft.graph.mobileAppContentFile",
            "name": "IntunePackage.intunewin",
            "size": package.plain_size,
            "sizeEncrypted": len(package.data),
            "manifest": None,
            "isDependency": False,
        }
        files = f"{APPS}/{app}/{CAST}/contentVersions/{version}/files"
        answer = await self.graph("POST", files, json=body)
        assert answer.json()["uploadState"] == "azureStorageUriRequestPending"
        self.clock.advance(5)
        return f"{files}/{answer.json()['id']}"

    async def upload(self, file: str, data: bytes) -> None:
        """Put ``data`` in two blocks at the file's upload URL."""
        uri = (await self.graph("GET", file)).json()["azureStorageUri"]
        ids = [base64.b64encode(f"{number:04d}".encode()).decode() for number in range(2)]
        half = len(data) // 2
        for block_id, part in zip(ids, (data[:half], data[half:]), strict=True):
            assert (await self.put_block(uri, block_id, part)).status_code == 201
        assert (await self.put_block_list(uri, ids)).status_code == 201

    async def put_block(self, uri: str, block_id: str, data: bytes) -> httpx.Response:
        """One Put Block."""
        url = httpx.URL(uri).copy_merge_params({"comp": "block", "blockid": block_id})
        return await self.http.put(url, content=data, headers={"x-ms-blob-type": "BlockBlob"})

    async def put_block_list(self, uri: str, ids: list[str]) -> httpx.Response:
        """One Put Block List."""
        items = "".join(f"<Latest>{block_id}</Latest>" for block_id in ids)
        body = f'<?xml version="1.0" encoding="utf-8"?><BlockList>{items}</BlockList>'
        return await self.http.put(httpx.URL(uri).copy_merge_params({"comp": "blocklist"}), content=body)

    async def commit(self, file: str, info: dict[str, str]) -> str:
        """Commit the file and give its upload state once the service is done."""
        answer = await self.graph("POST", f"{file}/commit", json={"fileEncryptionInfo": info})
        assert answer.status_code == 204, answer.text
        assert (await self.graph("GET", file)).json()["uploadState"] == "commitFilePending"
        self.clock.advance(30)
        return str((await self.graph("GET", file)).json()["uploadState"])

    async def publish(self, package: Sealed | None = None, **changes: Any) -> str:
        """The id of an application taken through the whole protocol."""
        package = package or sealed()
        app = await self.create_app(**changes)
        file = await self.open_file(app, package)
        await self.upload(file, package.data)
        assert await self.commit(file, package.info) == "commitFileSuccess"
        body = {"@odata.type": APP_BODY["@odata.type"], "committedContentVersion": "1"}
        assert (await self.graph("PATCH", f"{APPS}/{app}", json=body)).status_code == 200
        self.clock.advance(30)
        return app

    def group(self, name: str) -> str:
        """The id of Intune's group of that name."""
        return next(group.id for group in self.lab.tenant.groups.values() if group.name == name)

    async def assign(self, app: str, *groups: str, intent: str = "required") -> httpx.Response:
        """Replace the assignments of ``app`` by ``groups`` (names)."""
        wanted = [assignment(self.group(name), intent) for name in groups]
        return await self.graph("POST", f"{APPS}/{app}/assign", json={"mobileAppAssignments": wanted})

    async def report(self, app: str, **changes: Any) -> dict[str, Any]:
        """One page of the install report."""
        body = {"filter": f"(ApplicationId eq '{app}')", "top": 1000} | changes
        path = "/deviceManagement/reports/retrieveDeviceAppInstallationStatusReport"
        answer = await self.graph("POST", path, json=body)
        assert answer.status_code == 200, answer.text
        page: dict[str, Any] = answer.json()
        return page


def assignment(group: str, intent: str = "required") -> dict[str, Any]:
    """One assignment to a group, as Microsoft's samples write it."""
    return {
        "@odata.type": "#microsoft.graph.mobileAppAssignment",
        "intent": intent,
        "target": {"@odata.type": "#microsoft.graph.groupAssignmentTarget", "groupId": group},
        "settings": {
            "@odata.type": "#microsoft.graph.win32LobAppAssignmentSettings",
            "notifications": "showAll",
            "deliveryOptimizationPriority": "notConfigured",
            "installTimeSettings": None,
            "restartSettings": None,
        },
    }
