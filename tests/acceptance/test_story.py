"""The demo as a user runs it: a command, an exit code, and claims on standard output that can be checked."""

import json
from pathlib import Path
from typing import Any

import pytest
from story_claims import by_application, require_whole, run_demo, run_eucora

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("story")


@pytest.fixture(scope="module")
def told(home: Path) -> dict[str, Any]:
    done = run_demo(home)
    assert (done.returncode, done.stderr) == (0, "")
    summary: dict[str, Any] = json.loads(done.stdout)
    return summary


def test_the_log_is_whole_and_every_intent_completes(told: dict[str, Any]) -> None:
    require_whole(told)
    assert [chapter for chapter in told["seconds"] if chapter != "total"] == ["1", "2", "3", "4", "5", "6"]


def test_every_decision_of_the_story_comes_out_the_same_again(told: dict[str, Any], home: Path) -> None:
    done = run_eucora(home / "demo", "replay", "--json")
    replayed = json.loads(done.stdout)
    assert (done.returncode, replayed["differences"], replayed["left_out"]) == (0, [], [])
    decisions = replayed["decisions"]
    assert decisions["proposal"] == len(told["intents"]) + told["incident"]["halted"]
    assert set(decisions) >= {"proposal", "automated approval", "gate run", "promotion", "CAB decision"}
    assert all(count > 0 for count in decisions.values())


def test_a_low_risk_application_is_approved_by_the_rules_on_both_planes(told: dict[str, Any]) -> None:
    notes = by_application(told)["Field Notes"]
    assert notes["score"] <= 50
    assert notes["approval"] == {"status": "approved", "source": "automated"}
    assert notes["planes"] == ["intune", "jamf"]
    opened_by_policy = {row["ring"] for row in notes["rings"] if row["automatic"]}
    assert opened_by_policy == {"pilot"}


def test_a_high_score_runs_canary_first_and_waits_for_cab_at_ring_2(told: dict[str, Any]) -> None:
    reports = by_application(told)["Field Reports"]
    assert reports["score"] > 50
    assert (reports["cab_from_ring"], reports["approval"]["source"]) == (2, "cab")


def test_critical_infrastructure_needs_three_votes_before_canary(told: dict[str, Any]) -> None:
    tunnel = by_application(told)["Edge Tunnel"]
    assert (tunnel["blast_radius_class"], tunnel["cab_from_ring"]) == ("critical_infrastructure", 1)
    review = next(one for one in told["cab"] if one["application"] == "Edge Tunnel")
    assert (review["decision"], review["quorum"], review["votes"]) == ("approved_with_conditions", 3, 3)
    assert {one["kind"] for one in review["conditions"]} == {"max_ring", "min_success_rate", "text"}
    assert review["refused_votes"] == 1


def test_an_incident_stops_both_rollouts_of_the_release(told: dict[str, Any]) -> None:
    incident = told["incident"]
    assert (incident["severity"], incident["halted"]) == ("p1", 2)
    assert incident["blast_radius_class"] == "non_critical"
    assert (incident["rolled_back"], incident["remaining"]) == ("rolled_back", 0)
    assert incident["reverted"] > 0
    assert incident["resumed"] == "completed"


def test_every_refusal_names_its_problem_and_only_the_vote_is_on_record(told: dict[str, Any]) -> None:
    assert sorted((one["type"], one["status"]) for one in told["refusals"]) == [
        ("approval-missing", 409),
        ("approval-missing", 409),
        ("artifact-registrar-may-not-vote", 403),
        ("cab-must-decide", 409),
        ("condition-not-acknowledged", 422),
        ("gate-not-met", 409),
        ("review-changed", 412),
        ("role-missing", 403),
        ("scan-of-another-artifact", 422),
    ]
    assert [one["type"] for one in told["refusals"] if one["on_record"]] == ["artifact-registrar-may-not-vote"]
    assert all(one["told"] for one in told["refusals"])


def test_the_installers_of_all_applications_are_read_back(told: dict[str, Any]) -> None:
    assert sorted((one["application"], one["plane"]) for one in told["artifacts"]) == [
        ("Edge Tunnel", "intune"),
        ("Edge Tunnel", "jamf"),
        ("Field Notes", "intune"),
        ("Field Notes", "jamf"),
        ("Field Reports", "intune"),
    ]


def test_a_folder_without_an_installer_is_refused_in_one_line(tmp_path: Path) -> None:
    given = tmp_path / "inputs"
    given.mkdir()
    done = run_demo(tmp_path / "data", "--inputs", str(given))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert "holds no installer" in done.stderr
