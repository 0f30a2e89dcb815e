"""How the story is told: every count with its denominator, each ring once, the summary only after the end."""

import hashlib
import io
from pathlib import Path

import pytest
from rich.console import Console

from eucora.cli.story import acts, materials, report
from eucora.cli.story.materials import Material
from eucora.cli.story.narration import Lively, Plain, Silent, figures, narrator
from eucora.cli.story.report import Findings, ReadBack
from eucora.cli.story.shapes import Counts, Intent
from eucora.formats import intunewin
from eucora.lab.inputs import build_inputs


def counts(**numbers: int) -> dict[str, object]:
    states = {"installed": 0, "failed": 0, "pending": 0, "not_installed": 0, "unknown": 0} | numbers
    return {"plane": "intune", "targeted": sum(states.values()), **states}


def intent_with(lab: dict[str, object], *, left: bool, planes: tuple[str, ...] = ("intune",)) -> Intent:
    ring = {
        "ring": 0,
        "targets": [{"plane": plane, "group": "g", "devices": 9} for plane in planes],
        "opened_at": "2026-11-22T10:00:00Z",
        "left_at": "2026-11-22T10:01:00Z" if left else None,
        "measurement": {"counts": [lab]},
        "gate_run": {"verdict": "passed", "results": []},
    }
    planned = {"ring": 1, "targets": [{"plane": "intune", "group": "h", "devices": 60}]}
    return Intent.model_validate(
        {
            "id": "i",
            "status": "rolling_out",
            "release": {"application": {"application_id": "notes", "name": "Notes", "version": "1.0"}},
            "risk": {"score": "41.0", "blast_radius_class": "non_critical", "class_reason": "", "factors": []},
            "route": {"cab_from_ring": None, "quorum": 1, "reasons": []},
            "approval": {"status": "approved", "source": "automated"},
            "ring": 0,
            "rings": [ring, planned],
        }
    )


def test_figures_leave_out_zeros_and_never_the_denominator() -> None:
    shown = Counts.model_validate(counts(installed=494, failed=3, unknown=3))
    assert figures(shown) == "494 installed, 3 failed, 3 unknown of 500"
    assert figures(Counts.model_validate(counts())) == "0 installed of 0"


def test_plain_lines_tell_a_ring_once_when_it_is_left() -> None:
    text = io.StringIO()
    with Plain(Console(file=text, width=200)) as voice:
        voice.progress(intent_with(counts(installed=4, pending=5), left=False))
        assert text.getvalue() == ""
        for _ in range(2):
            voice.progress(intent_with(counts(installed=8, failed=1), left=True))
    assert text.getvalue().count("\n") == 1
    assert "Notes 1.0, lab left: intune 8 installed, 1 failed of 9" in text.getvalue()


def test_the_live_board_shows_every_ring_with_its_counts() -> None:
    text = io.StringIO()
    console = Console(file=text, width=160, force_terminal=True, color_system=None)
    with Lively(console) as voice:
        voice.chapter("3. Notes")
        voice.say("Petra Novak", "started the rollout")
        voice.progress(intent_with(counts(installed=5, failed=1, pending=2, unknown=1), left=False))
    shown = text.getvalue()
    assert "3. Notes" in shown
    assert "Petra Novak" in shown
    assert "5/1/2/1 of 9" in shown
    assert "60 planned" in shown


def test_the_live_board_of_two_planes_fits_80_columns() -> None:
    text = io.StringIO()
    with Lively(Console(file=text, width=80, force_terminal=True, color_system=None)) as voice:
        lab = counts(installed=1150, failed=10, pending=20, unknown=20)
        voice.progress(intent_with(lab, left=False, planes=("intune", "jamf")))
    shown = text.getvalue()
    assert {"intune", "jamf", "gates", "passed"} <= set(shown.split())
    assert "installed/failed/pending/unknown of those targeted" in shown
    assert "1150/10/20/20 of 1200" in shown
    assert "…" not in shown


@pytest.mark.parametrize(
    ("terminal", "silent", "kind"), [(True, False, Lively), (False, False, Plain), (True, True, Silent)]
)
def test_the_voice_fits_where_it_speaks(terminal: bool, silent: bool, kind: type) -> None:
    console = Console(file=io.StringIO(), force_terminal=terminal)
    assert type(narrator(console, silent=silent)) is kind


def test_there_is_no_summary_of_a_story_that_was_not_told() -> None:
    with pytest.raises(ValueError, match="not told to its end"):
        report.summary(Findings())


@pytest.mark.parametrize(
    ("registered", "read_back", "equal"),
    [("a", ("a",), True), ("a", (), False), ("a", ("a", "b"), False), ("b", ("a",), False), ("b", ("b",), False)],
)
def test_content_is_equal_only_when_all_three_digests_are(
    registered: str, read_back: tuple[str, ...], equal: bool
) -> None:
    assert ReadBack("Notes", "jamf", "notes.pkg", "a", registered, read_back).equal is equal


def test_the_demo_policy_changes_times_and_nothing_else() -> None:
    policy = acts.demo_policy()
    assert [rule["success_min"] for rule in policy["rings"]] == ["0.95", "0.97", "0.97", "0.99", "0.99"]
    assert [rule["ring"] for rule in policy["rings"] if rule["automatic"]] == [1]
    assert policy["coverage_min"] == "0.90"
    assert policy["halt"] == {"finished_min": 10, "failure_max": "0.10"}
    assert set(policy["time_to_compliance_s"]) == {"online", "intermittent", "air_gapped"}


def test_the_installer_inside_a_package_is_what_is_compared(tmp_path: Path) -> None:
    installer = tmp_path / "source" / "setup.exe"
    installer.parent.mkdir()
    installer.write_bytes(b"MZ the installer")
    package = tmp_path / "setup.intunewin"
    intunewin.pack(installer, "setup.exe", package, keys=intunewin.KeyMaterial.random())
    expected = hashlib.sha256(b"MZ the installer").hexdigest()
    assert materials.setup_digest(package, tmp_path / "scratch") == expected
    assert materials.setup_digest(installer, tmp_path / "scratch") == expected


def test_each_plane_is_told_how_to_install_remove_and_detect(tmp_path: Path) -> None:
    low = build_inputs(tmp_path).low
    material = Material(low, materials.slug(low.name), "utility", materials.ORDINARY)
    installs = {plane: materials.install_of(material, plane, path, "ab" * 32) for plane, path in material.files}
    assert installs["intune"]["detection"]["kind"] == "file"
    assert installs["jamf"]["detection"] == {"kind": "receipt", "name": "org.example.field-notes", "value": "1.4.2"}
    assert installs["jamf"]["uninstall_command"].endswith(" org.example.field-notes")
    assert all(install["artifact"] == "ab" * 32 for install in installs.values())


@pytest.mark.parametrize(("name", "slug"), [("Field Notes", "field-notes"), ("  ", "application"), ("A/B 2!", "a-b-2")])
def test_a_name_becomes_a_stable_id(name: str, slug: str) -> None:
    assert materials.slug(name) == slug
