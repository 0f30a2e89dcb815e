"""Package records of the simulated Jamf Pro server, their content, and how lists are filtered and paged."""

import hashlib
from collections.abc import AsyncIterator

import pytest
from jamf_world import PKG, TRANSFER_S, UPLOAD_BYTES_MAX, JamfWorld, package_body


@pytest.fixture
async def jamf() -> AsyncIterator[JamfWorld]:
    world = JamfWorld(macs=20)
    async with world.http:
        await world.sign_in()
        yield world


async def names(jamf: JamfWorld, **params: str) -> list[str]:
    answer = await jamf.http.get("api/v1/packages", params=params)
    assert answer.status_code == 200, answer.text
    return [row["packageName"] for row in answer.json()["results"]]


async def test_a_record_comes_back_as_it_was_written(jamf: JamfWorld) -> None:
    package_id = await jamf.package("Editor 2.0", notes="eucora:1:ab", info="i")
    record = (await jamf.http.get(f"api/v1/packages/{package_id}")).json()
    assert record.items() >= (package_body("Editor 2.0") | {"id": package_id, "notes": "eucora:1:ab"}).items()
    assert (record["cloudTransferStatus"], record["sha256"], record["size"]) == ("PENDING", None, None)


@pytest.mark.parametrize("field", sorted(package_body("x")))
async def test_every_required_field_is_required(jamf: JamfWorld, field: str) -> None:
    body = package_body("Editor 2.0")
    del body[field]
    answer = await jamf.http.post("api/v1/packages", json=body)
    assert (answer.status_code, [error["field"] for error in answer.json()["errors"]]) == (400, [field])
    assert await names(jamf) == []


async def test_a_field_of_the_wrong_type_is_refused(jamf: JamfWorld) -> None:
    for change in ({"priority": "10"}, {"osInstall": 0}, {"categoryId": "99"}, {"notes": 5}):
        answer = await jamf.http.post("api/v1/packages", json=package_body("Editor 2.0") | change)
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "INVALID_FIELD")


async def test_a_name_must_not_be_empty(jamf: JamfWorld) -> None:
    answer = await jamf.http.post("api/v1/packages", json=package_body(""))
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "packageName")


async def test_a_name_is_taken_once(jamf: JamfWorld) -> None:
    await jamf.package("Editor 2.0")
    other = await jamf.package("Editor 2.1")
    for answer in (
        await jamf.http.post("api/v1/packages", json=package_body("Editor 2.0")),
        await jamf.http.put(f"api/v1/packages/{other}", json=package_body("Editor 2.0")),
    ):
        assert answer.status_code == 400
        assert [(e["code"], e["field"]) for e in answer.json()["errors"]] == [("DUPLICATE_FIELD", "packageName")]
    assert await names(jamf) == ["Editor 2.0", "Editor 2.1"]


async def test_a_change_replaces_every_field(jamf: JamfWorld) -> None:
    package_id = await jamf.package("Editor 2.0", notes="kept?")
    answer = await jamf.http.put(f"api/v1/packages/{package_id}", json=package_body("Editor 2.0 renamed"))
    assert (answer.status_code, answer.json()["notes"]) == (200, None)
    assert await names(jamf) == ["Editor 2.0 renamed"]


async def test_a_deleted_record_is_gone(jamf: JamfWorld) -> None:
    package_id = await jamf.ready_package()
    assert (await jamf.http.delete(f"api/v1/packages/{package_id}")).status_code == 204
    assert jamf.store.contents() == []
    assert jamf.store.packages.files() == []
    for answer in (
        await jamf.http.get(f"api/v1/packages/{package_id}"),
        await jamf.http.put(f"api/v1/packages/{package_id}", json=package_body("x")),
        await jamf.http.delete(f"api/v1/packages/{package_id}"),
        await jamf.http.post(f"api/v1/packages/{package_id}/upload", files={"file": ("a.pkg", PKG)}),
    ):
        assert (answer.status_code, answer.json()["httpStatus"]) == (404, 404)


async def test_an_upload_is_hashed_as_it_came_and_ready_only_after_the_transfer(jamf: JamfWorld) -> None:
    package_id = await jamf.package()
    answer = await jamf.http.post(f"api/v1/packages/{package_id}/upload", files={"file": ("editor.pkg", PKG)})
    assert (answer.status_code, answer.json()["id"]) == (201, package_id)
    assert answer.json()["href"] == f"http://jamf.test/jamf/api/v1/packages/{package_id}"

    jamf.clock.advance(TRANSFER_S - 0.001)
    assert (await jamf.http.get(f"api/v1/packages/{package_id}")).json()["cloudTransferStatus"] == "PENDING"
    jamf.clock.advance(0.001)
    record = (await jamf.http.get(f"api/v1/packages/{package_id}")).json()
    assert record["cloudTransferStatus"] == "READY"
    assert record["sha256"] == hashlib.sha256(PKG).hexdigest()
    assert record["md5"] == hashlib.md5(PKG).hexdigest()
    assert record["sha3512"] == record["hashValue"] == hashlib.sha3_512(PKG).hexdigest()
    assert record["size"] == str(len(PKG))


async def test_the_digest_that_a_client_claims_does_not_stand_over_the_content(jamf: JamfWorld) -> None:
    package_id = await jamf.ready_package()
    body = package_body("Editor 2.0") | {"sha256": "0" * 64}
    assert (await jamf.http.put(f"api/v1/packages/{package_id}", json=body)).json()["sha256"] != "0" * 64


async def test_contents_are_what_the_disk_holds_now(jamf: JamfWorld) -> None:
    package_id = await jamf.ready_package()
    kept = {"package_id": package_id, "file_name": "editor.pkg", "size": len(PKG)}
    assert jamf.store.contents() == [kept | {"sha256": hashlib.sha256(PKG).hexdigest()}]
    content = jamf.store.packages.get(package_id).content
    assert content is not None
    content.path.write_bytes(b"something else")
    assert jamf.store.contents()[0]["sha256"] == hashlib.sha256(b"something else").hexdigest()


async def test_a_second_upload_takes_the_place_of_the_first(jamf: JamfWorld) -> None:
    package_id = await jamf.ready_package()
    await jamf.http.post(f"api/v1/packages/{package_id}/upload", files={"file": ("editor.pkg", b"second")})
    assert [row["sha256"] for row in jamf.store.contents()] == [hashlib.sha256(b"second").hexdigest()]
    assert len(jamf.store.packages.files()) == 1
    assert (await jamf.http.get(f"api/v1/packages/{package_id}")).json()["cloudTransferStatus"] == "PENDING"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"raw", "application/octet-stream"),
        (b"no boundary", "multipart/form-data"),
        (b"--b\r\nbroken", "multipart/form-data; boundary=b"),
        (
            b'--b\r\nContent-Disposition: form-data; name="other"\r\n\r\nx\r\n--b--\r\n',
            "multipart/form-data; boundary=b",
        ),
    ],
)
async def test_an_upload_without_a_file_part_is_refused(jamf: JamfWorld, body: bytes, kind: str) -> None:
    package_id = await jamf.package()
    headers = {"Content-Type": kind}
    answer = await jamf.http.post(f"api/v1/packages/{package_id}/upload", content=body, headers=headers)
    assert answer.status_code == 400
    assert jamf.store.contents() == []


async def test_an_upload_above_the_bound_is_refused_and_not_kept(jamf: JamfWorld) -> None:
    package_id = await jamf.package()
    file = {"file": ("editor.pkg", b"x" * UPLOAD_BYTES_MAX)}
    answer = await jamf.http.post(f"api/v1/packages/{package_id}/upload", files=file)
    assert (answer.status_code, answer.json()["httpStatus"]) == (413, 413)
    assert jamf.store.contents() == []


async def test_an_upload_to_a_record_deleted_meanwhile_leaves_nothing(jamf: JamfWorld) -> None:
    package_id = await jamf.package()
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.pkg"\r\n\r\n'

    async def body() -> AsyncIterator[bytes]:
        yield head + b"first half"
        assert (await jamf.http.delete(f"api/v1/packages/{package_id}")).status_code == 204
        yield b"second half\r\n--b--\r\n"

    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = await jamf.http.post(f"api/v1/packages/{package_id}/upload", content=body(), headers=headers)
    assert answer.status_code == 404
    assert jamf.store.contents() == []
    assert jamf.store.packages.files() == []


async def test_a_body_that_is_no_json_object_is_refused(jamf: JamfWorld) -> None:
    for content, kind, status in (
        ("{", "application/json", 400),
        ("[]", "application/json", 400),
        ("{}", "text/plain", 415),
        (" " * (2 << 20), "application/json", 413),
    ):
        answer = await jamf.http.post("api/v1/packages", content=content, headers={"Content-Type": kind})
        assert (answer.status_code, answer.json()["httpStatus"]) == (status, status)


async def test_a_list_is_filtered_by_our_key_in_the_notes(jamf: JamfWorld) -> None:
    await jamf.package("Editor 2.0", notes="eucora:intent-1:ab")
    await jamf.package("Editor 2.1", notes="eucora:intent-2:cd", fileName="other.pkg")
    await jamf.package("Foreign")
    assert await names(jamf, filter='notes=="eucora:intent-1:ab"') == ["Editor 2.0"]
    assert await names(jamf, filter='notes=="eucora:*"') == ["Editor 2.0", "Editor 2.1"]
    assert await names(jamf, filter='fileName=="editor.pkg";packageName!="Editor 2.0"') == ["Foreign"]
    assert await names(jamf, filter='packageName=="Foreign",packageName=="Editor 2.1"') == ["Editor 2.1", "Foreign"]
    assert await names(jamf, filter="id=in=(1,3)") == ["Editor 2.0", "Foreign"]


async def test_pages_cover_the_list_once_in_the_order_asked_for(jamf: JamfWorld) -> None:
    for number in range(11):
        await jamf.package(f"P{number:02d}")
    seen: list[str] = []
    for page in range(4):
        params = {"page": str(page), "page-size": "3", "sort": "id:desc"}
        body = (await jamf.http.get("api/v1/packages", params=params)).json()
        assert body["totalCount"] == 11
        seen += [row["packageName"] for row in body["results"]]
    # Ids are numbers written as text: 11 comes after 9.
    assert seen == [f"P{number:02d}" for number in reversed(range(11))]


@pytest.mark.parametrize(
    "params",
    [
        {"page": "-1"},
        {"page-size": "0"},
        {"page-size": "2001"},
        {"page": "x"},
        {"sort": "colour:asc"},
        {"sort": "id:up"},
        {"filter": "colour==red"},
        {"filter": "id=="},
        {"filter": "(id==1"},
        {"filter": "id=like=1"},
    ],
)
async def test_a_list_refuses_what_it_cannot_understand(jamf: JamfWorld, params: dict[str, str]) -> None:
    answer = await jamf.http.get("api/v1/packages", params=params)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "INVALID_FIELD")


async def test_categories_are_listed(jamf: JamfWorld) -> None:
    body = (await jamf.http.get("api/v1/categories", params={"filter": 'name=="Security"'})).json()
    assert body == {"totalCount": 1, "results": [{"id": "2", "name": "Security", "priority": 9}]}
