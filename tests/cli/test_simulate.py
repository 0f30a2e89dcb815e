"""``eucora simulate``: a rollout in virtual time. The same wish gives the same bytes."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from eucora.cli.main import app
from eucora.lab.inputs import ApplicationInputs, build_inputs

pytestmark = pytest.mark.slow

runner = CliRunner()
SMALL = ("--windows", "568", "--macs", "346")


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> ApplicationInputs:
    return build_inputs(tmp_path_factory.mktemp("inputs")).low


def beside(folder: Path, source: Path) -> str:
    """A copy of the file in the folder, by its name: an intent file names nothing outside its own folder."""
    shutil.copy(source, folder)
    return source.name


def intent_file(folder: Path, inputs: ApplicationInputs, rings: int = 1, **declared: Any) -> Path:
    """An intent over the lab's own installers, for the first ``rings`` rings of both planes."""
    assert inputs.windows is not None
    assert inputs.macos is not None
    document = {
        "format": 1,
        "application": {
            "application_id": "field-notes",
            "name": inputs.name,
            "version": inputs.version,
            "publisher": inputs.publisher,
            "category": "utility",
        },
        "declared": {
            "privilege": "user",
            "vendor_known": True,
            "provenance": "consistent",
            "exploitability": "none",
            "data_access": "own",
            "operational_complexity": "short",
        }
        | declared,
        "installs": [
            {
                "plane": "intune",
                "file": beside(folder, inputs.windows),
                "install_command": "setup /S",
                "uninstall_command": "setup /U",
                "detection": {"kind": "file", "path": "C:\\Program Files\\Notes", "name": "notes.exe"},
                "return_codes": [{"code": 0, "meaning": "success"}],
            },
            {
                "plane": "jamf",
                "file": beside(folder, inputs.macos),
                "uninstall_command": "/bin/rm -rf /Applications/Notes.app",
                "detection": {"kind": "receipt", "name": "org.example.notes", "value": inputs.version},
            },
        ],
        "evidence": [
            {"kind": kind, "file": beside(folder, getattr(inputs, kind))}
            for kind in ("sbom", "scan", "test_evidence", "rollback_plan")
        ],
        "rollout_plan": "ring by ring",
        "rollout": {
            "rings": [
                {"ring": ring, "targets": [{"plane": plane, "group": f"ours-{ring}"} for plane in ("intune", "jamf")]}
                for ring in range(rings)
            ],
            "scope": {"business_unit": "retail", "boundary": "emea"},
        },
    }
    path = folder / "intent.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


def simulated(*arguments: str, code: int = 0) -> str:
    result = runner.invoke(app, ["simulate", "--json", *SMALL, *arguments])
    assert result.exit_code == code, result.output
    return result.stdout


def gates(ring: dict[str, Any]) -> Sequence[str]:
    return [judged["verdict"] for judged in ring["judged"]]


def test_a_good_release_completes_and_every_hour_of_it_is_told(tmp_path: Path, inputs: ApplicationInputs) -> None:
    told = json.loads(simulated("-f", str(intent_file(tmp_path, inputs))))
    (lab,) = told["rings"]
    assert (told["status"], told["votes"], told["stops"]) == ("completed", 0, [])
    assert (lab["devices"], lab["installed"], lab["failed"]) == (14, 14, 0)
    assert gates(lab)[0] == "inconclusive"
    assert gates(lab)[-1] == "passed"
    assert lab["left"] >= 24  # the soak of the lab ring


def test_a_bad_release_is_halted_and_the_same_wish_gives_the_same_bytes(
    tmp_path: Path, inputs: ApplicationInputs
) -> None:
    wish = ("-f", str(intent_file(tmp_path, inputs)), "--failing", "0.4")
    first = simulated(*wish)
    told = json.loads(first)
    assert told["status"] == "halted"
    assert told["rings"][0]["left"] is None
    assert "finished devices failed" in told["stops"][0][1]
    assert simulated(*wish) == first


def test_shares_of_one_group_are_lived_through_on_one_group_of_the_fleet(
    tmp_path: Path, inputs: ApplicationInputs
) -> None:
    path = intent_file(tmp_path, inputs)
    document = yaml.safe_load(path.read_text())
    document["rollout"]["rings"] = [
        {
            "ring": ring,
            "targets": [{"plane": plane, "group": "all", "share": {**share}} for plane in ("intune", "jamf")],
        }
        for ring, share in enumerate(({"from": 0, "to": 30}, {"from": 30, "to": 100}))
    ]
    path.write_text(yaml.safe_dump(document))
    told = json.loads(simulated("-f", str(path), "--days", "1"))
    assert told["refused"] == ""
    (lab,) = told["rings"]
    assert 14 < lab["devices"] < 50  # about 30 of the 100 in the fleet's group of the last ring that shares
    assert lab["installed"] > 14


def test_what_the_service_would_refuse_is_told_and_ends_with_1(tmp_path: Path, inputs: ApplicationInputs) -> None:
    path = intent_file(tmp_path, inputs)
    document = yaml.safe_load(path.read_text())
    document["evidence"] = [one for one in document["evidence"] if one["kind"] != "sbom"]
    path.write_text(yaml.safe_dump(document))
    told = json.loads(simulated("-f", str(path), code=1))
    assert (told["status"], told["rings"]) == ("not proposed", [])
    assert "bill of materials" in told["refused"]


def test_a_policy_that_contradicts_itself_is_refused_before_anything_starts(
    tmp_path: Path, inputs: ApplicationInputs
) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("version: x\nrings: []\ntime_to_compliance_s: {online: 60}\n")
    wish = ["simulate", "-f", str(intent_file(tmp_path, inputs)), "--gate-policy", str(policy)]
    result = runner.invoke(app, wish)
    assert result.exit_code == 2
    assert "give one rule for each ring from 0 to 4" in result.stderr


@pytest.mark.parametrize("share", ["2", "-0.1", "half", "nan"])
def test_a_share_of_failures_lies_between_0_and_1(tmp_path: Path, inputs: ApplicationInputs, share: str) -> None:
    result = runner.invoke(app, ["simulate", "-f", str(intent_file(tmp_path, inputs)), "--failing", share])
    assert result.exit_code == 2
    assert f"--failing {share}: is a share from 0 to 1" in result.stderr
