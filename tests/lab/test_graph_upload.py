"""The content protocol: what the service takes, what it refuses, and when it says so."""

import base64
import hashlib
from typing import Any

import httpx
import pytest
from lab_world import APP_BODY, APPS, CAST, World, sealed


async def contents(world: World) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await world.http.get("/admin/contents")).json()["contents"]
    return found


async def test_the_lab_reads_back_the_very_bytes_that_were_packed() -> None:
    async with World() as world:
        package = sealed(b"MZ the one and only")
        app = await world.publish(package)
        (content,) = await contents(world)
        assert content["ref"] == app
        assert content["setup_sha256"] == hashlib.sha256(package.setup).hexdigest()
        assert content["encrypted_sha256"] == hashlib.sha256(package.data).hexdigest()
        assert content["committed"] is True


async def test_an_application_is_published_only_after_its_content() -> None:
    async with World() as world:
        package = sealed()
        app = await world.create_app()
        file = await world.open_file(app, package)

        async def state() -> str:
            return str((await world.graph("GET", f"{APPS}/{app}")).json()["publishingState"])

        change = {"@odata.type": APP_BODY["@odata.type"], "committedContentVersion": "1"}
        assert (await world.graph("PATCH", f"{APPS}/{app}", json=change)).status_code == 400
        await world.upload(file, package.data)
        assert await world.commit(file, package.info) == "commitFileSuccess"
        assert await state() == "notPublished"
        assert (await world.graph("PATCH", f"{APPS}/{app}", json=change)).status_code == 200
        assert await state() == "processing"
        world.clock.advance(30)
        assert await state() == "published"


async def test_the_upload_url_takes_its_time() -> None:
    async with World() as world:
        app = await world.create_app()
        version = f"{APPS}/{app}/{CAST}/contentVersions"
        await world.graph("POST", version, json={})
        opened = await world.graph("POST", f"{version}/1/files", json={"name": "x", "size": 1, "sizeEncrypted": 64})
        assert opened.json()["azureStorageUri"] is None
        path = f"{version}/1/files/{opened.json()['id']}"
        early = await world.graph("POST", f"{path}/commit", json={"fileEncryptionInfo": sealed().info})
        assert early.status_code == 400
        world.clock.advance(5)
        ready = (await world.graph("GET", path)).json()
        assert ready["uploadState"] == "azureStorageUriRequestSuccess"
        assert ready["azureStorageUri"].startswith("http://lab.test/blob/")


async def test_a_version_stays_the_same_until_it_is_committed() -> None:
    async with World() as world:
        app = await world.create_app()
        versions = f"{APPS}/{app}/{CAST}/contentVersions"
        made = [(await world.graph("POST", versions, json={})).json()["id"] for _ in range(2)]
        assert made == ["1", "1"]
        published = await world.publish()
        again = await world.graph("POST", f"{APPS}/{published}/{CAST}/contentVersions", json={})
        assert again.json()["id"] == "2"


def flipped(text: str) -> str:
    raw = bytearray(base64.b64decode(text))
    raw[0] ^= 1
    return base64.b64encode(raw).decode()


@pytest.mark.parametrize("name", ["mac", "macKey", "encryptionKey", "initializationVector", "fileDigest"])
async def test_a_commit_fails_when_one_value_does_not_fit(name: str) -> None:
    async with World() as world:
        package = sealed()
        file = await world.open_file(await world.create_app(), package)
        await world.upload(file, package.data)
        assert await world.commit(file, package.info | {name: flipped(package.info[name])}) == "commitFileFailed"
        assert await contents(world) == []
        # The upload is still there: the right keys open it.
        assert await world.commit(file, package.info) == "commitFileSuccess"


@pytest.mark.parametrize(
    "change", [lambda data: data[:-16], lambda data: data + bytes(16), lambda data: data[:-1] + b"?"]
)
async def test_a_commit_fails_when_the_bytes_are_others(change: Any) -> None:
    async with World() as world:
        package = sealed()
        file = await world.open_file(await world.create_app(), package)
        await world.upload(file, change(package.data))
        assert await world.commit(file, package.info) == "commitFileFailed"


async def test_a_commit_fails_without_a_block_list() -> None:
    async with World() as world:
        package = sealed()
        file = await world.open_file(await world.create_app(), package)
        assert await world.commit(file, package.info) == "commitFileFailed"


@pytest.mark.parametrize("name", ["mac", "encryptionKey", "fileDigestAlgorithm", "profileIdentifier"])
async def test_a_commit_without_all_values_is_refused(name: str) -> None:
    async with World() as world:
        package = sealed()
        file = await world.open_file(await world.create_app(), package)
        info = {key: value for key, value in package.info.items() if key != name}
        assert (await world.graph("POST", f"{file}/commit", json={"fileEncryptionInfo": info})).status_code == 400


async def test_declared_sizes_must_fit() -> None:
    async with World() as world:
        package = sealed()
        app = await world.create_app()
        versions = f"{APPS}/{app}/{CAST}/contentVersions"
        await world.graph("POST", versions, json={})
        body = {"name": "x", "size": package.plain_size + 1, "sizeEncrypted": len(package.data)}
        opened = await world.graph("POST", f"{versions}/1/files", json=body)
        world.clock.advance(5)
        file = f"{versions}/1/files/{opened.json()['id']}"
        await world.upload(file, package.data)
        assert await world.commit(file, package.info) == "commitFileFailed"


async def test_an_expired_upload_url_is_refused_until_it_is_renewed() -> None:
    async with World() as world:
        package = sealed()
        file = await world.open_file(await world.create_app(), package)
        old = (await world.graph("GET", file)).json()
        world.clock.advance(11 * 60)
        refused = await world.put_block(old["azureStorageUri"], "MDAwMA==", b"x")
        assert refused.status_code == 403
        assert refused.headers["x-ms-error-code"] == "AuthenticationFailed"
        assert (await world.graph("POST", f"{file}/renewUpload")).status_code == 204
        assert (await world.graph("GET", file)).json()["uploadState"] == "azureStorageUriRenewalPending"
        world.clock.advance(5)
        fresh = (await world.graph("GET", file)).json()
        assert fresh["uploadState"] == "azureStorageUriRenewalSuccess"
        assert fresh["azureStorageUri"] != old["azureStorageUri"]
        await world.upload(file, package.data)
        assert await world.commit(file, package.info) == "commitFileSuccess"


async def test_storage_checks_the_signature_and_nothing_else() -> None:
    async with World() as world:
        package = sealed()
        file = await world.open_file(await world.create_app(), package)
        uri = httpx.URL((await world.graph("GET", file)).json()["azureStorageUri"])
        assert "authorization" not in world.http.headers
        for forged in (
            uri.copy_merge_params({"sig": "AAAA"}),
            uri.copy_merge_params({"se": "2099-01-01T00:00:00Z"}),
            uri.copy_with(path="/blob/other/file.bin"),
        ):
            assert (await world.put_block(str(forged), "MDAwMA==", b"x")).status_code == 403
        signed = uri.copy_merge_params({"comp": "block", "blockid": "MDAwMA=="})
        with_token = await world.http.put(signed, content=b"x", headers={"authorization": "Bearer x"})
        assert with_token.status_code == 403


async def test_blocks_need_ids_of_one_length_and_lists_need_their_blocks() -> None:
    async with World() as world:
        package = sealed()
        file = await world.open_file(await world.create_app(), package)
        uri = (await world.graph("GET", file)).json()["azureStorageUri"]
        assert (await world.put_block(uri, "MDAwMA==", b"x")).status_code == 201
        assert (await world.put_block(uri, "MDAwMDAw", b"x")).status_code == 201
        assert (await world.put_block(uri, "MDAwMDAwMDAw", b"x")).status_code == 400
        assert (await world.put_block(uri, "not base64!", b"x")).status_code == 400
        unknown = await world.put_block_list(uri, ["MDAwMQ=="])
        assert (unknown.status_code, unknown.headers["x-ms-error-code"]) == (400, "InvalidBlockList")


@pytest.mark.parametrize(
    "change",
    [
        {"@odata.type": "#microsoft.graph.macOSPkgApp"},
        {"displayVersion": "2.0"},
        {"minimumSupportedOperatingSystem": {"v10_1903": True}},
        {"displayName": ""},
        {"rules": []},
        {"rules": [{"@odata.type": "#microsoft.graph.win32LobAppRegistryRule", "ruleType": "requirement"}]},
        {"installExperience": {"runAsAccount": "root"}},
        {"returnCodes": [{"returnCode": 0, "type": "fine"}]},
        {"minimumMemoryInMB": "much"},
        {"id": "mine"},
    ],
)
async def test_an_application_that_the_type_does_not_allow_is_refused(change: dict[str, Any]) -> None:
    async with World() as world:
        answer = await world.graph("POST", APPS, json=APP_BODY | change)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "BadRequest")
        assert await world.walk(APPS) == []


async def test_a_change_may_not_empty_what_is_needed_nor_touch_what_is_the_service_s() -> None:
    async with World() as world:
        app = await world.create_app()
        for change in ({"setupFilePath": None}, {"publishingState": "published"}, {"committedContentVersion": "9"}):
            assert (await world.graph("PATCH", f"{APPS}/{app}", json=change)).status_code == 400
        assert (await world.graph("PATCH", f"{APPS}/{app}", json={"notes": "mine"})).json()["notes"] == "mine"
        assert (await world.graph("PATCH", f"{APPS}/{app}", content=b"{")).status_code == 400


async def test_two_applications_may_bear_one_name() -> None:
    async with World() as world:
        ids = {await world.create_app(), await world.create_app()}
        assert len(ids) == 2
        found = await world.walk(APPS, params={"$filter": "displayName eq 'PAINT 2.0'", "$top": "1"})
        assert {app["id"] for app in found} == ids
