"""macOS apps and what of content may be deleted: the lab takes what v1.0 takes, and refuses the rest."""

import base64
import hashlib
import hmac
import os
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7
from lab_world import APP_BODY, APPS, CAST, Sealed, World, assignment, sealed

COMMON: dict[str, Any] = {
    "displayName": "Paint 2.0",
    "description": "A drawing program",
    "publisher": "Example",
    "fileName": "paint.pkg",
    "minimumSupportedOperatingSystem": {"v12_0": True},
}
PACKAGE = COMMON | {
    "@odata.type": "#microsoft.graph.macOSLobApp",
    "bundleId": "com.example.paint",
    "versionNumber": "2.0",
    "childApps": [{"bundleId": "com.example.paint"}],
}
IMAGE = COMMON | {
    "@odata.type": "#microsoft.graph.macOSDmgApp",
    "primaryBundleId": "com.example.paint",
    "primaryBundleVersion": "2.0",
    "includedApps": [{"bundleId": "com.example.paint", "bundleVersion": "2.0"}],
}
SETTINGS = {"@odata.type": "#microsoft.graph.macOsLobAppAssignmentSettings", "uninstallOnDeviceRemoval": False}


def _sealed_as_it_is(plain: bytes) -> Sealed:
    """Encrypted without any zip, as the vendor's script does it for macOS."""
    key, mac_key, iv = os.urandom(32), os.urandom(32), os.urandom(16)
    padder = PKCS7(128).padder()
    encryptor = Cipher(algorithms.AES256(key), modes.CBC(iv)).encryptor()
    body = iv + encryptor.update(padder.update(plain) + padder.finalize()) + encryptor.finalize()
    mac = hmac.digest(mac_key, body, "sha256")
    digest = hashlib.sha256(plain).digest()
    values = {"encryptionKey": key, "macKey": mac_key, "initializationVector": iv, "mac": mac, "fileDigest": digest}
    info = {name: base64.b64encode(value).decode() for name, value in values.items()}
    info |= {"profileIdentifier": "ProfileVersion1", "fileDigestAlgorithm": "SHA256"}
    return Sealed(plain, len(plain), mac + body, info)


async def _published(world: World, body: dict[str, Any], package: Sealed) -> str:
    made = await world.graph("POST", APPS, json=body)
    assert made.status_code == 201, made.text
    app, kind = str(made.json()["id"]), str(body["@odata.type"]).removeprefix("#")
    versions = f"{APPS}/{app}/{kind}/contentVersions"
    version = (await world.graph("POST", versions, json={})).json()["id"]
    announced = {"name": "paint.pkg", "size": package.plain_size, "sizeEncrypted": len(package.data)}
    opened = await world.graph("POST", f"{versions}/{version}/files", json=announced)
    file = f"{versions}/{version}/files/{opened.json()['id']}"
    world.clock.advance(5)
    await world.upload(file, package.data)
    assert await world.commit(file, package.info) == "commitFileSuccess"
    change = {"@odata.type": body["@odata.type"], "committedContentVersion": version}
    assert (await world.graph("PATCH", f"{APPS}/{app}", json=change)).status_code == 200
    world.clock.advance(30)
    return app


@pytest.mark.parametrize(("body", "settings"), [(PACKAGE, SETTINGS), (IMAGE, None)])
async def test_a_mac_app_is_opened_as_the_file_itself_and_reaches_no_windows_device(
    body: dict[str, Any], settings: dict[str, Any] | None
) -> None:
    async with World() as world:
        package = _sealed_as_it_is(b"xar! a package")
        app = await _published(world, body, package)
        (content,) = (await world.http.get("/admin/contents")).json()["contents"]
        assert content["setup_sha256"] == hashlib.sha256(package.setup).hexdigest()
        wanted = assignment(world.group("ring-0-lab")) | {"settings": settings}
        answer = await world.graph("POST", f"{APPS}/{app}/assign", json={"mobileAppAssignments": [wanted]})
        assert answer.status_code == 204, answer.text
        await world.wait(24 * 3600.0)
        assert (await world.report(app))["TotalRowCount"] == 0


@pytest.mark.parametrize(
    "change",
    [
        {"minimumSupportedOperatingSystem": {"v12_0": True, "v13_0": True}},
        {"minimumSupportedOperatingSystem": {"v12_0": False}},
        {"bundleId": ""},
        {"childApps": []},
        {"childApps": [{"buildNumber": "1"}]},
        {"installCommandLine": "setup.exe"},
        {"@odata.type": "#microsoft.graph.macOSPkgApp"},
    ],
)
async def test_what_is_no_mac_app_of_v1_is_refused(change: dict[str, Any]) -> None:
    async with World() as world:
        assert (await world.graph("POST", APPS, json=PACKAGE | change)).status_code == 400


async def test_windows_settings_are_not_for_a_mac_app() -> None:
    async with World() as world:
        app = await _published(world, PACKAGE, _sealed_as_it_is(b"xar!"))
        body = {"mobileAppAssignments": [assignment(world.group("ring-0-lab"))]}
        assert (await world.graph("POST", f"{APPS}/{app}/assign", json=body)).status_code == 400


async def test_an_app_is_not_found_under_a_type_that_it_is_not() -> None:
    async with World() as world:
        app = await world.create_app()
        for path in ("microsoft.graph.macOSLobApp", "graph.macOSDmgApp/contentVersions"):
            assert (await world.graph("GET", f"{APPS}/{app}/{path}")).status_code == 404
        assert (await world.graph("GET", f"{APPS}/{app}/{CAST}/contentVersions")).status_code == 200


async def test_a_product_code_is_no_requirement() -> None:
    async with World() as world:
        rule = {
            "@odata.type": "#microsoft.graph.win32LobAppProductCodeRule",
            "ruleType": "requirement",
            "productCode": "{A}",
            "productVersionOperator": "notConfigured",
        }
        refused = await world.graph("POST", APPS, json=APP_BODY | {"rules": [*APP_BODY["rules"], rule]})
        assert refused.status_code == 400


async def test_only_content_that_nobody_gets_can_be_deleted() -> None:
    async with World() as world:
        app = await world.publish()
        versions = f"{APPS}/{app}/{CAST}/contentVersions"
        (taken,) = await world.walk(f"{versions}/1/files")
        assert (await world.graph("DELETE", f"{versions}/1/files/{taken['id']}")).status_code == 400
        assert (await world.graph("DELETE", f"{versions}/1")).status_code == 400
        package = sealed()
        file = await world.open_file(app, package)
        uri = (await world.graph("GET", file)).json()["azureStorageUri"]
        assert (await world.graph("DELETE", file)).status_code == 204
        assert (await world.graph("GET", file)).status_code == 404
        assert (await world.put_block(uri, "MDAwMA==", b"x")).status_code == 404
        assert (await world.graph("DELETE", f"{versions}/2")).status_code == 204
        assert [version["id"] for version in await world.walk(versions)] == ["1"]
