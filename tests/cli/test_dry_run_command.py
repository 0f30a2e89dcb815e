"""``eucora dry-run`` over real HTTP, from the planes' settings alone: no database, and nothing written to a vendor."""

import hashlib
import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog
import yaml
from typer.testing import CliRunner, Result

from eucora.cli.main import app
from eucora.lab.inputs.application import FIELD_NOTES
from eucora.lab.inputs.flat_pkg import render_flat_pkg
from eucora.lab.inputs.windows_exe import render_exe
from eucora.lab.recorder import Exchange, Recorder
from eucora.lab.server import LabAddresses, serve_lab

pytestmark = pytest.mark.slow

QUESTIONS = ("/oauth2/v2.0/token", "/oauth/token", "/reports/retrieveDeviceAppInstallationStatusReport")
LAB = "ring-0-lab"
INTENT = "0199e5a4-6f00-7000-8000-000000000001"
NO_GROUP = "Ring 0 names the group 'no-such-group', and jamf has none of that id; correct the ring plan."


@pytest.fixture(autouse=True)
def logs_as_they_were() -> Iterator[None]:
    """A command configures the logs of its process, which here is everybody's."""
    yield
    structlog.reset_defaults()
    logging.getLogger().handlers.clear()


@dataclass(frozen=True, slots=True)
class Served:
    lab: LabAddresses
    recorder: Recorder

    def writes(self) -> Sequence[Exchange]:
        """What reached the vendors and was neither a read nor a sign-in."""
        return [
            one
            for one in self.recorder.exchanges
            if one.method not in ("GET", "HEAD") and not (one.method == "POST" and one.path.endswith(QUESTIONS))
        ]


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    recorder = Recorder()
    with serve_lab(seed=7, pace=1800, windows=60, macs=40, recorder=recorder) as lab:
        yield Served(lab, recorder)


@pytest.fixture
def settings(served: Served, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    lab = served.lab
    monkeypatch.setenv("EUCORA_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("INTUNE_TENANT_ID", lab.tenant)
    monkeypatch.setenv("INTUNE_CLIENT_ID", lab.client_id)
    monkeypatch.setenv("INTUNE_CLIENT_SECRET", lab.client_secret)
    monkeypatch.setenv("INTUNE_GRAPH_URL", lab.graph_url)
    monkeypatch.setenv("INTUNE_LOGIN_URL", lab.entra_authority)
    monkeypatch.setenv("JAMF_SERVER_URL", lab.jamf_url)
    monkeypatch.setenv("JAMF_CLIENT_ID", lab.jamf_client_id)
    monkeypatch.setenv("JAMF_CLIENT_SECRET", lab.jamf_client_secret)
    return monkeypatch


def intent_file(folder: Path, *rings: Sequence[dict[str, Any]]) -> Path:
    """An intent with an installer for each plane; ``rings`` are the targets of each ring."""
    (folder / "notes.exe").write_bytes(render_exe(FIELD_NOTES))
    package = render_flat_pkg(identifier="org.example.notes", version="1.0", install_location="/", files={})
    (folder / "notes.pkg").write_bytes(package)
    document = {
        "format": 1,
        "application": {
            "application_id": "field-notes", "name": "Field Notes", "version": "1.0", "publisher": "Example",
            "category": "utility",
        },
        "declared": {
            "privilege": "user", "vendor_known": True, "provenance": "consistent", "exploitability": "none",
            "data_access": "own", "operational_complexity": "short",
        },
        "installs": [
            {
                "plane": "intune", "file": "notes.exe", "install_command": "notes /S", "uninstall_command": "notes /U",
                "detection": {"kind": "file", "path": "C:\\Program Files\\Notes", "name": "notes.exe"},
                "return_codes": [{"code": 0, "meaning": "success"}],
            },
            {
                "plane": "jamf", "file": "notes.pkg", "uninstall_command": "/bin/rm -rf /Applications/Notes.app",
                "detection": {"kind": "receipt", "name": "org.example.notes", "value": "1.0"},
            },
        ],
        "evidence": [],
        "rollout_plan": "ring by ring",
        "rollout": {
            "rings": [{"ring": ring, "targets": [*targets]} for ring, targets in enumerate(rings)],
            "scope": {"business_unit": "retail", "boundary": "emea"},
        },
    }  # fmt: skip
    path = folder / "intent.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


def on(plane: str, group: str = LAB, **more: dict[str, int]) -> dict[str, Any]:
    return {"plane": plane, "group": group} | more


def said(*arguments: object, code: int = 0) -> Result:
    result = CliRunner().invoke(app, ["dry-run", *map(str, arguments)])
    assert result.exit_code == code, (result.stdout, result.stderr, result.exception)
    return result


def test_every_verb_of_every_ring_is_told_and_nothing_is_written(
    served: Served, settings: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = intent_file(tmp_path, [on("intune"), on("jamf")], [on("jamf", "ring-1-canary", share={"from": 0, "to": 50})])
    result = said("-f", file, "--json")
    told = json.loads(result.stdout)
    assert told["problems"] == []
    assert f"eucora:<intent>:{hashlib.sha256((tmp_path / 'notes.pkg').read_bytes()).hexdigest()}" in result.stdout
    by_part: dict[tuple[str, str], list[str]] = {}
    for step in told["steps"]:
        by_part.setdefault((step["part"], step["plane"]), []).append(step["verb"])
    whole = ["resolve", "publish", "assign", "observe"]
    assert by_part == {
        ("when it is proposed", "intune"): ["resolve"],
        ("when it is proposed", "jamf"): ["resolve", "resolve"],
        **{("ring 0", plane): whole for plane in ("intune", "jamf")},
        **{("ring 0, its removal rehearsed", plane): ["assign", "observe"] for plane in ("intune", "jamf")},
        **{("ring 0, installed again", plane): ["assign", "observe"] for plane in ("intune", "jamf")},
        ("ring 1", "jamf"): ["resolve", "gather", *whole[1:]],
        **{("if it is stopped", plane): ["withdraw"] for plane in ("intune", "jamf")},
    }
    requests = [request for step in told["steps"] for request in step["requests"]]
    assert told["writes"] == sum(request["kind"] == "write" for request in requests) > 15
    assert all(request["real"] is False for request in requests if request["kind"] == "write")
    for hidden in (served.lab.client_secret, served.lab.jamf_client_secret, "Bearer"):
        assert hidden not in result.stdout
    assert served.writes() == []
    assert len(served.recorder.exchanges) >= sum(request["real"] for request in requests) > 20
    assert not (tmp_path / "data").exists()


def test_a_plane_that_refuses_us_is_one_line_and_keeps_the_other_from_nothing(
    served: Served, settings: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings.setenv("INTUNE_CLIENT_SECRET", "another-secret")
    told = said("-f", intent_file(tmp_path, [on("intune"), on("jamf")]), "--intent", INTENT, code=1).stdout
    [line] = [line for line in told.splitlines() if line.startswith("LOOK ")]
    assert line.startswith("LOOK intune (when it is proposed): token: 401 invalid_client")
    assert "AADSTS7000215" in line
    assert "another-secret" not in told
    assert "jamf: publish Field Notes 1.0" in told
    assert "  WRITES   POST   " in told
    assert f'"notes": "eucora:{INTENT}:' in told
    assert "intune: publish" not in told
    assert "None of the writes left this machine." in told
    assert served.writes() == []


def test_what_the_environment_or_the_plane_lacks_is_told(
    served: Served, settings: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings.delenv("INTUNE_TENANT_ID")
    settings.delenv("INTUNE_CLIENT_ID")
    settings.delenv("INTUNE_CLIENT_SECRET")
    told = said("-f", intent_file(tmp_path, [on("intune"), on("jamf", "no-such-group")]), "--no-bodies", code=1).stdout
    assert [line for line in told.splitlines() if line.startswith("LOOK ")] == [
        "LOOK intune (when it is proposed): not connected in this environment, so none of its requests are shown",
        "LOOK jamf (when it is proposed): " + NO_GROUP,
    ]
    assert "WRITES" not in told
    (tmp_path / "notes.exe").write_bytes(b"no installer")
    assert "notes.exe: is not the .exe file that its name says" in said("-f", tmp_path / "intent.yaml", code=1).stderr
    settings.delenv("JAMF_SERVER_URL")
    settings.delenv("JAMF_CLIENT_ID")
    settings.delenv("JAMF_CLIENT_SECRET")
    assert "no plane is set up in this environment" in said("-f", tmp_path / "intent.yaml", code=2).stderr
    assert "nothing.yaml" in said("-f", tmp_path / "nothing.yaml", code=2).stderr
