"""A deployment intent as a file: compared with the record, handed in once, refused in one line."""

import hashlib
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
import yaml
from api_rig import APPLICATION, DECLARED, PACKAGER, PUBLISHER, Rig, package, sbom, scan

from eucora.cli.as_code.changes import Action, compare
from eucora.cli.as_code.file import Intended, IntentFile, IntentFileInvalid, json_schema, read_intent
from eucora.cli.as_code.submit import plan, submit
from eucora.client import Api, Problem, ServiceToken, Session

INTENT: dict[str, Any] = {
    "format": 1,
    "application": APPLICATION,
    "declared": DECLARED,
    "installs": [
        {
            "plane": "jamf",
            "file": "notes.pkg",
            "uninstall_command": "/usr/local/bin/remove-notes",
            "detection": {"kind": "receipt", "name": "com.example.notes", "value": "1.0"},
        }
    ],
    "evidence": [{"kind": kind, "file": f"{kind}.json"} for kind in ("sbom", "scan", "test_evidence", "rollback_plan")],
    "rollout_plan": "lab, canary, pilot",
    "rollout": {
        "rings": [{"ring": ring, "targets": [{"plane": "jamf", "group": f"ring-{ring}"}]} for ring in range(3)],
        "scope": {"business_unit": "retail", "boundary": "emea"},
    },
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder as a packaging engineer keeps it."""
    home = tmp_path / "notes"
    home.mkdir()
    (home / "notes.pkg").write_bytes(package())
    (home / "sbom.json").write_bytes(sbom())
    (home / "scan.json").write_bytes(scan())
    (home / "test_evidence.json").write_text("passed")
    (home / "rollback_plan.json").write_text("remove it")
    return home


def intent_in(folder: Path, **changes: Any) -> Intended:
    path = folder / "intent.yaml"
    path.write_text(yaml.safe_dump(INTENT | changes))
    return read_intent(path)


@pytest.fixture
async def packager(rig: Rig) -> AsyncIterator[Session]:
    """The client over the real API; read models are brought up to the log before each request."""

    async def catch_up(_: httpx.Request) -> None:
        await rig.runner.catch_up_all()

    transport = httpx.ASGITransport(rig.app)
    async with httpx.AsyncClient(transport=transport, event_hooks={"request": [catch_up]}) as http:
        yield Session(Api("http://eucora.test", http), ServiceToken(rig.token(PACKAGER)), "packager")


async def test_what_was_applied_needs_nothing_more(rig: Rig, packager: Session, folder: Path) -> None:
    intended = intent_in(folder)
    first = await plan(packager, intended)
    assert (first.proposes, first.intent, first.removals) == (True, None, 0)
    intent = await submit(packager, intended, first)
    events = await rig.events()
    again = await plan(packager, intended)
    assert (again.changes, again.proposes, again.intent) == ([], False, intent)
    assert await submit(packager, intended, first) == intent  # an apply that was cut off before it heard the answer
    assert await rig.events() == events


async def test_a_group_that_is_left_out_is_a_removal(packager: Session, folder: Path) -> None:
    await submit(packager, intent_in(folder), await plan(packager, intent_in(folder)))
    rollout = INTENT["rollout"] | {"rings": INTENT["rollout"]["rings"][:2]}
    planned = await plan(packager, intent_in(folder, rollout=rollout))
    assert [(change.action, change.before) for change in planned.changes] == [
        (Action.REMOVE, "ring 2, jamf group ring-2 (online)")
    ]
    assert planned.removals == 1


async def test_another_share_of_a_group_is_a_change_and_the_same_is_none(packager: Session, folder: Path) -> None:
    def by_shares(cut: int) -> Intended:
        cuts = ((1, {"from": 0, "to": cut}), (2, {"from": cut, "to": 100}))
        shares = [{"ring": n, "targets": [{"plane": "jamf", "group": "ring-4", "share": one}]} for n, one in cuts]
        return intent_in(folder, rollout=INTENT["rollout"] | {"rings": [INTENT["rollout"]["rings"][0], *shares]})

    await submit(packager, by_shares(30), await plan(packager, by_shares(30)))
    assert (await plan(packager, by_shares(30))).changes == []
    planned = await plan(packager, by_shares(60))
    assert sorted((change.action, change.before or change.after) for change in planned.changes) == [
        (Action.ADD, "ring 1, jamf group ring-4 (online, 0–60 %)"),
        (Action.ADD, "ring 2, jamf group ring-4 (online, 60–100 %)"),
        (Action.REMOVE, "ring 1, jamf group ring-4 (online, 0–30 %)"),
        (Action.REMOVE, "ring 2, jamf group ring-4 (online, 30–100 %)"),
    ]


async def test_how_a_target_is_offered_and_whom_it_leaves_out_is_part_of_the_plan(
    packager: Session, folder: Path
) -> None:
    def offered(last: str, *out: str) -> Intended:
        rings = [
            {"ring": ring, "targets": [{"plane": "jamf", "group": f"ring-{ring}", "excluded": list(out)}]}
            for ring in range(3)
        ]
        rings[2]["targets"][0]["offer_as"] = last  # type: ignore[index]
        return intent_in(folder, rollout=INTENT["rollout"] | {"rings": rings})

    first = offered("available", "ring-4")
    intent = await submit(packager, first, await plan(packager, first))
    assert (await plan(packager, first)).changes == []
    shown = await packager.get(f"/deployment-intents/{intent}")
    assert [(one["targets"][0]["offer_as"], one["targets"][0]["excluded"]) for one in shown["rings"]] == [
        ("required", ["ring-4"]), ("required", ["ring-4"]), ("available", ["ring-4"])
    ]  # fmt: skip
    foreseen = await packager.get(f"/deployment-intents/{intent}/plan")
    assert [(one["offer_as"], one["excluded"]) for one in foreseen["changes"]][2] == ("available", ["ring-4"])
    assert "nobody must install it in ring 2" in foreseen["rings"][2]["warning"]
    assert foreseen["forecast"]["p90"] is None
    planned = await plan(packager, offered("required", "ring-4"))
    assert sorted((change.action, change.before or change.after) for change in planned.changes) == [
        (Action.ADD, "ring 2, jamf group ring-2 (online, without ring-4)"),
        (Action.REMOVE, "ring 2, jamf group ring-2 (online, available, without ring-4)"),
    ]


async def test_what_a_windows_device_needs_is_asked_of_windows_only(packager: Session, folder: Path) -> None:
    wanted = [INTENT["installs"][0] | {"needs": {"memory_mb": 4096}}]
    with pytest.raises(IntentFileInvalid, match=r"installs\[0\].needs: jamf has no word for them; leave them out"):
        intent_in(folder, installs=wanted)
    intended = intent_in(folder)
    await submit(packager, intended, await plan(packager, intended))  # the installer is there from now on
    pack = intended.pack()
    pack["installs"][0]["restart"] = "force"
    with pytest.raises(Problem, match="restart: jamf leaves that to the package; leave it out") as refused:
        await packager.post("/evidence-packs", pack)
    assert refused.value.status == 422


async def test_every_kind_of_change_is_named(packager: Session, folder: Path) -> None:
    await submit(packager, intent_in(folder), await plan(packager, intent_in(folder)))
    (folder / "notes.pkg").write_bytes(package("2.0"))
    changed = intent_in(
        folder,
        application=APPLICATION | {"version": "2.0"},
        declared=DECLARED | {"vendor_known": False},
        evidence=INTENT["evidence"][:3],
        rollout=INTENT["rollout"] | {"change_kind": "emergency", "purpose": "security"},
    )
    planned = await plan(packager, changed)
    assert {(change.action, change.what) for change in planned.changes} == {
        (Action.CHANGE, "application.version"),
        (Action.CHANGE, "declared.vendor_known"),
        (Action.CHANGE, "installs.jamf.artifact"),
        (Action.REMOVE, "evidence"),
        (Action.CHANGE, "rollout.change_kind"),
        (Action.CHANGE, "rollout.purpose"),
    }


def test_a_change_is_told_in_words(folder: Path) -> None:
    needs = {"architectures": ["x64"], "memory_mb": 4096}
    install = INTENT["installs"][0] | {
        "plane": "intune",
        "install_command": "setup.exe /S",
        "detection": {"kind": "file", "path": "C:\\Notes", "name": "notes.exe", "value": "1.0"},
        "needs": needs,
    }
    rings = [{"ring": ring, "targets": [{"plane": "intune", "group": f"ring-{ring}"}]} for ring in range(3)]
    intended = intent_in(folder, installs=[install], rollout=INTENT["rollout"] | {"rings": rings})
    pack = intended.pack()
    new = [change.line for change in compare(intended, None, None)]
    assert "+ installs.intune.needs: architectures x64, memory 4096 MB" in new
    assert "+ installs.intune.restart: by_return_code" in new
    before = pack | {
        "declared": pack["declared"] | {"vendor_known": False},
        "installs": [
            pack["installs"][0] | {"needs": pack["installs"][0]["needs"] | needs | {"memory_mb": None}},
        ],
    }
    before["installs"][0]["return_codes"] = [[3010, "soft_reboot"], [5, "failed"]]
    changed = [change.line for change in compare(intended, intended.rollout(), before)]
    assert "~ declared.vendor_known: no → yes" in changed
    assert "~ installs.intune.needs: architectures x64 → architectures x64, memory 4096 MB" in changed
    assert "~ installs.intune.return_codes: 5 failed and 3010 soft_reboot → nothing" in changed
    assert not [line for line in new + changed if re.search(r"None|True|False|[{}\[\]]", line)]


async def test_what_ended_without_success_may_be_asked_for_again(rig: Rig, packager: Session, folder: Path) -> None:
    intended = intent_in(folder)
    intent = await submit(packager, intended, await plan(packager, intended))
    answer = await rig.post(f"/deployment-intents/{intent}/aborts", PUBLISHER, {"reason": "not this week"})
    assert answer.status_code == 201
    planned = await plan(packager, intended)
    assert (planned.changes, planned.status, planned.proposes) == ([], "aborted", True)
    assert await submit(packager, intended, planned) != intent


async def test_a_refusal_of_the_service_is_passed_on(rig: Rig, packager: Session, folder: Path) -> None:
    rollout = INTENT["rollout"] | {"rings": [{"ring": 0, "targets": [{"plane": "jamf", "group": "nobody"}]}]}
    intended = intent_in(folder, rollout=rollout)
    with pytest.raises(Problem, match="group-unknown") as refused:
        await submit(packager, intended, await plan(packager, intended))
    assert refused.value.status == 422
    assert (await rig.get("/deployment-intents")).json()["items"] == []


BROKEN = {
    "no YAML": ("application: [", "line 1, column 15"),
    "not even a mapping": ("hello", "the file"),
    "an unknown field": (json.dumps(INTENT | {"colour": "red"}), "colour: Extra inputs"),
    "a number for a text": (
        json.dumps(INTENT | {"application": APPLICATION | {"version": 4.2}}),
        "application.version: Input should be a valid string: put it in quotes, '4.2'",
    ),
    "a missing field": (json.dumps({k: v for k, v in INTENT.items() if k != "rollout"}), "rollout: Field required"),
    "a key given twice": ("format: 1\nformat: 1\n", "line 2, column 1: format is given twice"),
    "an alias": ("a: &a [x]\nb: *a\n", "line 2, column 4: aliases are not accepted"),
    "a wrong plane": (
        json.dumps(INTENT | {"installs": [INTENT["installs"][0] | {"plane": "sms"}]}),
        "installs[0].plane",
    ),
    "a file that is not there": (
        json.dumps(INTENT | {"evidence": [{"kind": "sbom", "file": "gone.json"}]}),
        "gone.json: there is no such file",
    ),
    "a bracket too many, a thousand deep": ("[" * 5_000 + "]" * 5_000, "nested too deeply"),
}


@pytest.mark.parametrize(("text", "told"), BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_refused_with_field_and_way_out(folder: Path, text: str, told: str) -> None:
    path = folder / "intent.yaml"
    path.write_text(text)
    with pytest.raises(IntentFileInvalid) as refused:
        read_intent(path)
    message = str(refused.value)
    assert told in message
    assert message.startswith(str(path))
    assert "\n" not in message


def shared(*targets: tuple[int, str, tuple[int, int] | None]) -> list[dict[str, Any]]:
    """A lab of its own, and the rings with these groups of Jamf, each with its share."""
    lab = {"ring": 0, "targets": [{"plane": "jamf", "group": "9"}]}
    return [lab] + [
        {"ring": ring, "targets": [{"plane": "jamf", "group": group} | (
            {} if share is None else {"share": {"from": share[0], "to": share[1]}}
        )]}
        for ring, group, share in targets
    ]  # fmt: skip


UNFIT = {
    "shares that overlap": (shared((1, "3", (0, 10)), (2, "3", (5, 50))), "0–10 % and 5–50 %"),
    "one group under two spellings": (shared((1, "3", None), (2, "03", None)), "group 3 on jamf is a target 2 times"),
    "one group with a blank": (shared((1, " 3", (0, 10)), (2, "3", (9, 50))), "0–10 % and 9–50 %"),
    "a share that ends at 0": (shared((1, "3", (0, 0))), "share.to: a share ends at 1 to 100 whole percent"),
    "a share that ends before it begins": (shared((1, "3", (50, 5))), "share: a share begins below where it ends"),
    "a ring left out": (shared((2, "3", None)), "leave no ring out"),
}


@pytest.mark.parametrize(("rings", "told"), UNFIT.values(), ids=UNFIT)
def test_rings_that_the_service_would_refuse_are_refused_before_it_is_asked(
    folder: Path, rings: list[dict[str, Any]], told: str
) -> None:
    with pytest.raises(IntentFileInvalid) as refused:
        intent_in(folder, rollout=INTENT["rollout"] | {"rings": rings})
    assert told in str(refused.value)
    assert "Value error" not in str(refused.value)


def test_neighbouring_shares_of_one_group_are_taken(folder: Path) -> None:
    rings = shared((1, "3", (0, 10)), (2, "3", (10, 50)))
    assert intent_in(folder, rollout=INTENT["rollout"] | {"rings": rings}).rollout()["rings"] is not None


@pytest.mark.parametrize("name", ["/etc/passwd", "../secret.json", "sub/../../secret.json", "link.json", "a\0b"])
def test_a_file_outside_its_folder_is_not_handed_in(folder: Path, name: str) -> None:
    (folder.parent / "secret.json").write_bytes(sbom())
    (folder / "sub").mkdir()
    (folder / "link.json").symlink_to(folder.parent / "secret.json")
    with pytest.raises(
        IntentFileInvalid, match=r"evidence\[1\]\.file: .* leads out of .*; put the file below that folder"
    ):
        intent_in(folder, evidence=[INTENT["evidence"][0], {"kind": "scan", "file": name}])


def test_a_file_below_the_folder_may_be_named_by_a_detour_or_a_link(folder: Path) -> None:
    (folder / "sub").mkdir()
    (folder / "sub" / "real.json").write_bytes(sbom())
    (folder / "link.json").symlink_to(folder / "sub" / "real.json")
    for name in ("sub/real.json", "sub/../sub/real.json", "link.json"):
        (document,) = intent_in(folder, evidence=[{"kind": "sbom", "file": name}]).documents
        assert document == ("sbom", hashlib.sha256(sbom()).hexdigest())


def test_a_file_that_is_no_text_is_refused(folder: Path) -> None:
    path = folder / "intent.yaml"
    path.write_bytes(b"format: \xff\xfe")
    with pytest.raises(IntentFileInvalid, match="byte 8 is not UTF-8"):
        read_intent(path)


def test_the_published_schema_takes_what_the_reader_takes(folder: Path) -> None:
    schema = json.loads(json_schema())
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    assert validator.is_valid(INTENT)
    assert intent_in(folder).pack()["installs"][0]["artifact"]
    assert not validator.is_valid(INTENT | {"colour": "red"})
    assert not validator.is_valid(INTENT | {"format": 2})


def test_the_example_of_the_documentation_is_such_a_file() -> None:
    text = (Path(__file__).parents[2] / "docs" / "intent-files.md").read_text()
    example = yaml.safe_load(text.split("```yaml\n")[1].split("```")[0])
    jsonschema.Draft202012Validator(json.loads(json_schema())).validate(example)
    assert IntentFile.model_validate(example).application.version == "3.0.1"
