"""An upload that is refused leaves nothing on disk, and takes nothing away that was there."""

from pathlib import Path

from api_rig import PACKAGER, Rig, problem


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
