"""An upload that is refused leaves nothing on disk, and takes nothing away that was there."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import httpx
from api_rig import PACKAGER, Rig, package, problem

from eucora.api.app import create_app


def stored(tmp_path: Path) -> list[str]:
    return [path.name for path in (tmp_path / "artifacts").rglob("*") if path.is_file()]


async def test_a_refused_upload_leaves_no_file(rig: Rig, tmp_path: Path) -> None:
    installer = await rig.ask(
        "POST", "/artifacts", PACKAGER, params={"file_name": "notes.exe"}, content=b"no installer"
    )
    problem(installer, 422, "unreadable-exe")
    problem(await rig.upload(b"no json", "sbom"), 422, "unreadable-sbom")
    assert stored(tmp_path) == []


async def test_a_refused_upload_leaves_the_same_bytes_that_were_accepted_before(rig: Rig, tmp_path: Path) -> None:
    accepted = (await rig.upload(b"all went well", "test_evidence")).json()["sha256"]
    problem(await rig.upload(b"all went well", "scan"), 422, "unreadable-scan")
    assert stored(tmp_path) == [accepted]


def files(tmp_path: Path) -> set[str]:
    return {name for name in stored(tmp_path) if len(name) == 64}


async def handed_in(rig: Rig, version: str, key: str, **query: str) -> httpx.Response:
    params = {"file_name": "notes.pkg"} | query
    return await rig.ask("POST", "/artifacts", PACKAGER, key=key, params=params, content=package(version))


async def test_a_key_stands_for_the_file_that_came_with_it(rig: Rig, tmp_path: Path) -> None:
    first = await handed_in(rig, "1.0", "one")
    kept = files(tmp_path)
    assert kept == {first.json()["id"]}
    problem(await handed_in(rig, "2.0", "one"), 422, "idempotency-key-reused")
    problem(await handed_in(rig, "1.0", "one", file_name="other.pkg"), 422, "idempotency-key-reused")
    assert stored(tmp_path) == list(kept), "of the file that lost nothing is left"
    again = await handed_in(rig, "1.0", "one")
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert await rig.events() == 1
    assert (await handed_in(rig, "2.0", "two")).status_code == 201, "the refused one took nothing"


async def test_a_key_of_bytes_that_were_known_stands_for_them_too(rig: Rig) -> None:
    """Nothing had to be recorded for it, and the answer is kept all the same."""
    first, again = await handed_in(rig, "1.0", "one"), await handed_in(rig, "1.0", "two")
    assert again.content == first.content
    problem(await handed_in(rig, "2.0", "two"), 422, "idempotency-key-reused")
    replayed = await handed_in(rig, "1.0", "two")
    assert (replayed.content, replayed.headers["Idempotent-Replayed"]) == (first.content, "true")


async def test_while_a_file_comes_in_its_key_is_in_use(rig: Rig, tmp_path: Path) -> None:
    rig.app.state.house.under_way.patience_s = 0.0
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        data = package("1.0")
        yield data[:10]
        begun.set()
        await go_on.wait()
        yield data[10:]

    async with asyncio.TaskGroup() as group:
        params = {"file_name": "notes.pkg"}
        asked = rig.ask("POST", "/artifacts", PACKAGER, key="one", params=params, content=slowly())
        first = group.create_task(asked)
        await begun.wait()
        for version in ("1.0", "2.0"):
            answer = await handed_in(rig, version, "one")
            problem(answer, 409, "idempotency-key-in-use")
            assert answer.headers["Retry-After"] == "1"
        go_on.set()
    assert files(tmp_path) == {first.result().json()["id"]}


async def test_another_file_that_came_in_meanwhile_at_another_replica_wins(rig: Rig, tmp_path: Path) -> None:
    other = create_app(rig.app.state.house.deps)

    async def overtaken() -> AsyncIterator[bytes]:
        yield package("2.0")
        async with httpx.AsyncClient(transport=httpx.ASGITransport(other), base_url="http://eucora.test") as http:
            assert (await handed_in(replace(rig, http=http), "1.0", "one")).status_code == 201

    params = {"file_name": "notes.pkg"}
    answer = await rig.ask("POST", "/artifacts", PACKAGER, key="one", params=params, content=overtaken())
    problem(answer, 422, "idempotency-key-reused")
    [kept] = stored(tmp_path)
    assert kept == (await handed_in(rig, "1.0", "one")).json()["id"]
