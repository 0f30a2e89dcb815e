"""What the board, the packagers and the operators are promised, told over HTTP against the simulated vendors."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from scenario_house import BOARD, DARING, House, Intent, Release, scenario_house

from conftest import TEMPLATE
from eucora.lab.inputs import StoryInputs, build_inputs
from eucora.store.embedded import Server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> StoryInputs:
    return build_inputs(tmp_path_factory.mktemp("inputs"))


@pytest.fixture(scope="module")
def house(postgres: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with scenario_house(postgres, TEMPLATE, tmp_path_factory.mktemp("house")) as house:
        yield house


def test_a_low_risk_release_reaches_both_planes_without_cab(house: House, inputs: StoryInputs) -> None:
    intent = Release(house, inputs.low, "low-risk").propose(rings=2)
    proposed = intent.now()
    assert float(proposed["risk"]["score"]) <= 50
    assert proposed["approval"]["source"] == "automated"
    intent.through_the_lab()
    intent.promote(1)
    done = intent.until(lambda now: now["status"] == "completed", "the rollout completes")
    assert {one["plane"] for one in done["operations"] if one["operation"] == "publish"} == {"intune", "jamf"}
    assert done["open_review"] == ""


def test_a_high_risk_release_meets_cab_at_ring_2_and_keeps_its_conditions(house: House, inputs: StoryInputs) -> None:
    intent = Release(house, inputs.low, "high-risk", declared=DARING).propose(rings=3)
    proposed = intent.now()
    assert float(proposed["risk"]["score"]) > 50
    assert proposed["route"]["cab_from_ring"] == 2
    intent.through_the_lab()
    intent.promote(1)  # canary runs before CAB decided
    intent.installed(1)
    assert intent.promotion_refused(2)["slug"] == "approval-missing"
    told = "Tell the help desk before pilot starts."
    intent.approved(1, {"kind": "text", "value": told}, {"kind": "min_success_rate", "value": "0.98"})
    assert intent.promotion_refused(2)["slug"] == "condition-not-acknowledged"
    intent.promote(2, told)
    now = intent.now()
    assert (now["ring"], now["approval"]["source"]) == (2, "cab")
    gates = {result["gate"] for result in now["rings"][1]["gate_run"]["results"]}
    assert "condition_min_success_rate" in gates


def test_an_incident_halts_and_only_cause_cab_and_a_fresh_gate_run_let_it_go_on(
    house: House, inputs: StoryInputs
) -> None:
    intent = Release(house, inputs.low, "incident").propose(rings=3)
    intent.through_the_lab()
    intent.promote(1)
    intent.installed(1)
    report = {
        "intent_id": intent.id,
        "application_id": "incident",
        "severity": "p1",
        "kind": "stability",
        "attributable": "yes",
        "affected_devices": 12,
        "description": "Sign-in fails after the update",
    }
    incident = house["operator"].post("/incidents", report)["id"]
    halted = intent.until(lambda now: now["status"] == "halted", "the incident halts it")
    assert halted["hold"]["kind"] == "halted"
    told = house["operator"].get(f"/incidents/{incident}")
    assert told["blast_radius_class"] == "non_critical"
    assert told["affected_devices"] == 12
    assert intent.promotion_refused(2)["slug"] == "rollout-not-moving"
    resume = {"reason": "root cause is known"}
    assert intent.decided("resumptions", resume).json()["type"].endswith(":cab-must-decide")
    house["operator"].post(f"/incidents/{incident}/resolutions", {"root_cause": "a wrong default in a policy"})
    assert intent.decided("resumptions", resume).json()["type"].endswith(":cab-must-decide")
    intent.approved(1)
    runs = gate_runs(house, intent)
    assert intent.decided("resumptions", resume).status_code == 201
    assert intent.now()["status"] == "rolling_out"
    assert gate_runs(house, intent) > runs


def test_both_planes_carry_one_correlation_id(house: House, inputs: StoryInputs) -> None:
    intent = Release(house, inputs.low, "one-thread").propose(rings=1)
    intent.start(headers={"X-Correlation-ID": "change-4711"})
    intent.installed(0)
    mine = [entry for entry in log(house) if entry["correlation_id"] == "change-4711"]
    published = {entry["data"]["plane"] for entry in mine if entry["type"].endswith(".content-published")}
    assigned = {entry["data"]["plane"] for entry in mine if entry["type"].endswith(".group-assigned")}
    assert published == assigned == {"intune", "jamf"}


def test_low_risk_bypasses_cab_with_a_decision_on_record(house: House, inputs: StoryInputs) -> None:
    intent = Release(house, inputs.low, "bypass").propose()
    now = intent.now()
    assert now["route"]["cab_from_ring"] is None
    granted = [entry for entry in timeline(house, intent) if entry["type"].endswith(".automated-approval-granted")]
    assert len(granted) == 1
    assert "automated approval" in granted[0]["data"]["reason"]
    refused = house["packager"].refused(f"{intent.path}/submissions")
    assert refused["slug"] == "already-approved"


def test_high_risk_requires_cab(house: House, inputs: StoryInputs) -> None:
    now = Release(house, inputs.low, "requires", declared=DARING).propose().now()
    assert now["approval"]["status"] == "none"
    assert any("risk score" in reason for reason in now["route"]["reasons"])


def test_conditions_bind_the_rings_they_name(house: House, inputs: StoryInputs) -> None:
    intent = Release(house, inputs.high, "bound", category="vpn").propose()
    intent.through_the_lab()
    intent.approved(3, {"kind": "max_ring", "value": "1"})
    intent.promote(1)
    intent.installed(1)
    assert intent.promotion_refused(2)["slug"] == "ring-beyond-approval"


def test_a_rejection_blocks_whatever_the_others_say(house: House, inputs: StoryInputs) -> None:
    intent = Release(house, inputs.high, "rejected", category="vpn").propose()
    review = intent.submit()
    intent.vote(review, "carla")
    intent.vote(review, "chen", "reject")
    intent.until(lambda now: now["status"] == "rejected", "the intent hears of the rejection")
    assert house["publisher"].refused(f"{intent.path}/starts")["slug"] == "illegal-transition"
    assert house["packager"].refused(f"{intent.path}/submissions")["slug"] == "refused-by-cab"


@pytest.mark.parametrize(
    ("category", "radius", "quorum"), [("vpn", "critical_infrastructure", 3), ("erp", "business_critical", 2)]
)
def test_the_class_decides_on_cab_and_quorum_whatever_the_score(
    house: House, inputs: StoryInputs, category: str, radius: str, quorum: int
) -> None:
    intent = Release(house, inputs.low, f"class-{category}", category=category).propose()
    now = intent.now()
    assert (now["risk"]["blast_radius_class"], now["route"]["quorum"]) == (radius, quorum)
    assert now["route"]["cab_from_ring"] == 1
    intent.start()
    assert intent.promotion_refused(1)["slug"] == "approval-missing"
    review = intent.submit()
    for voter in BOARD[: quorum - 1]:
        intent.vote(review, voter)
    assert house["auditor"].get(f"/cab-reviews/{review}")["status"] == "open"
    intent.vote(review, BOARD[quorum - 1])
    assert house["auditor"].get(f"/cab-reviews/{review}")["status"] == "approved"


def test_each_ring_can_need_an_approval_of_its_own(house: House, inputs: StoryInputs) -> None:
    policy = {"version": "per-ring", "approval_per_ring": True}
    house["admin"].post("/governance-policies", {"policy": policy, "reason": "one yes a ring"})
    house["carla"].post("/governance-policies/per-ring/activations", headers={"If-Match": '"1"'})
    release = Release(house, inputs.low, "per-ring", category="erp")
    intent = release.propose(rings=3, governance_policy="per-ring")
    intent.through_the_lab()
    intent.approved(2)
    intent.promote(1)
    intent.installed(1)
    assert intent.promotion_refused(2)["slug"] == "approval-missing"
    intent.approved(2)
    intent.promote(2)
    plain = {"policy": {"version": "plain"}, "reason": "other tests go by what 1.0 says"}
    house["admin"].post("/governance-policies", plain)
    house["carla"].post("/governance-policies/plain/activations", headers={"If-Match": '"1"'})


def test_privileged_tooling_always_requires_cab(house: House, inputs: StoryInputs) -> None:
    intent = Release(house, inputs.low, "tooling", privileged_tooling=True).propose()
    now = intent.now()
    assert float(now["risk"]["score"]) <= 50
    assert now["route"]["cab_from_ring"] == 1
    assert any("privileged tooling" in reason for reason in now["route"]["reasons"])


def test_a_critical_finding_needs_an_exception_by_somebody_else(house: House, inputs: StoryInputs) -> None:
    release = Release(house, inputs.low, "excepted")
    pack = release.pack(scan=critical(inputs))
    body = release.body(pack)
    assert house["packager"].refused("/deployment-intents", body)["slug"] == "critical-vulnerability"
    asked = {
        "kind": "vulnerability",
        "title": "no fix yet",
        "justification": "The vendor ships the fix next month",
        "controls": ["The listener is blocked by the host firewall"],
        "owner": "test|packager",
        "subjects": ["CVE-2026-99999"],
        "expires_at": (datetime.now(UTC) + timedelta(days=30)).isoformat(),
        "application_id": "excepted",
    }
    made = house["packager"].post("/policy-exceptions", asked)["id"]
    decide(house, "security", made, "security_reviewer")
    # It names no intent, so no score speaks for it: until CAB agrees it gives nothing.
    assert house["packager"].refused("/deployment-intents", body)["slug"] == "critical-vulnerability"
    decide(house, "carla", made, "cab_approver")
    intent = Intent(house, house["packager"].post("/deployment-intents", body)["id"])
    factors = {factor["name"]: factor for factor in intent.now()["risk"]["factors"]}
    assert factors["sbom_vulnerability"]["value"] == "0.9"


def decide(house: House, who: str, exception: str, capacity: str) -> None:
    path = f"/policy-exceptions/{exception}"
    etag = house[who].ask("GET", path).headers["ETag"]
    body = {"capacity": capacity, "decision": "approve", "reason": "the control holds"}
    house[who].post(f"{path}/decisions", body, headers={"If-Match": etag})


def critical(inputs: StoryInputs) -> bytes:
    """The application's own scan with one critical finding more, in the component of its first one."""
    report = json.loads(inputs.low.scan.read_bytes())
    first = report["matches"][0]
    found = {"vulnerability": {"id": "CVE-2026-99999", "severity": "Critical", "fix": {"versions": [], "state": ""}}}
    report["matches"].append(found | {"artifact": first["artifact"]})
    return json.dumps(report).encode()


def timeline(house: House, intent: Intent) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = house["auditor"].get(f"{intent.path}/timeline", limit=1000)["items"]
    return items


def gate_runs(house: House, intent: Intent) -> int:
    return sum(entry["type"].endswith(".gate-run-completed") for entry in timeline(house, intent))


def log(house: House) -> list[dict[str, Any]]:
    """Every entry of the log."""
    entries: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        page = house["auditor"].get("/audit/events", limit=1000, **cursor)
        entries += [event["entry"] for event in page["events"]]
        cursor = {"cursor": page["next_cursor"]}
        if not page["has_more"]:
            return entries
