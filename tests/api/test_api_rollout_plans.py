"""What a rollout will do, and why it is not moving, over HTTP."""

from typing import Any

import pytest
from api_rig import DEVICES, NOBODY, PACKAGER, PUBLISHER, Rig, intent_body

from eucora.domain.assignment import in_share
from eucora.domain.deployment_intent import commands
from eucora.domain.planes import Plane
from eucora.domain.rings import Ring


async def test_a_preview_tells_the_plan_and_stores_nothing(rig: Rig) -> None:
    body = intent_body(await rig.pack(), (0, 1))
    before = await rig.events()
    answer = await rig.post("/deployment-intents/plans", PACKAGER, body, key="")
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert [(one["action"], one["group"], one["to_version"]) for one in told["changes"]] == [
        ("add", "ring-0", "1.0"),
        ("add", "ring-1", "1.0"),
    ]
    assert [(one["devices"], one["delta"], one["frozen"]) for one in told["rings"]] == [(10, 0, False), (10, 0, False)]
    lab, canary = (one["warning"] for one in told["rings"])
    assert lab == ""
    assert canary.startswith("ring 1 (canary) has 10 devices, and 50 to 100 are usual")
    assert [one["ring"] for one in told["forecast"]["rings"]] == [0, 1]
    assert told["risk"] is None
    assert await rig.events() == before


async def test_a_preview_is_refused_as_the_proposal_would_be(rig: Rig) -> None:
    body = intent_body(await rig.pack(), (0, 2))
    answer = await rig.post("/deployment-intents/plans", PACKAGER, body, key="")
    assert answer.status_code == 422
    assert answer.json()["type"].endswith("ring-plan-invalid")
    unknown = await rig.post("/deployment-intents/plans", PACKAGER, body | {"evidence_pack": "0" * 64}, key="")
    assert unknown.json()["type"].endswith("evidence-pack-unknown")
    assert (await rig.post("/deployment-intents/plans", PUBLISHER, body, key="")).status_code == 403


async def test_the_plan_of_a_later_release_names_what_the_former_one_left(rig: Rig) -> None:
    former = await rig.propose((0, 1))
    await rig.installed_in_the_lab(former)
    (frozen, _) = (await rig.get(f"/deployment-intents/{former}/plan")).json()["rings"]
    assert (frozen["frozen"], frozen["devices"]) == (True, 10)
    assigned = commands.RecordAssigned(Ring.LAB, Plane.JAMF, "ring-0", "policy-1", "install", rig.clock.now())
    await rig.run(former, assigned)
    pack = await rig.made("/evidence-packs", PACKAGER, await rig.pack_body(version="2.0"))
    later = await rig.made("/deployment-intents", PACKAGER, intent_body(pack, (0, 1)))
    told = (await rig.get(f"/deployment-intents/{later}/plan")).json()
    assert [(one["action"], one["from_version"], one["to_version"]) for one in told["changes"]] == [
        ("change", "1.0", "2.0"),
        ("add", "", "2.0"),
    ]
    assert (told["risk"]["former_intent"], told["risk"]["former_version"]) == (former, "1.0")


def by_shares(pack: str, *shares: Any) -> dict[str, Any]:
    """A lab of its own, and one group for the rings from canary on, a share of it in each."""
    rings = [
        {"ring": ring, "targets": [{"plane": "jamf", "group": "ring-4", "share": share}]}
        for ring, share in enumerate(shares, start=1)
    ]
    body = intent_body(pack, (0,))
    return body | {"rings": [*body["rings"], *rings]}


async def test_a_group_is_cut_up_by_shares_and_every_answer_says_so(rig: Rig) -> None:
    body = by_shares(await rig.pack(), {"from": 0, "to": 30}, {"from": 30, "to": 100})
    planned = (await rig.post("/deployment-intents/plans", PACKAGER, body, key="")).json()
    told = [None, {"from": 0, "to": 30}, {"from": 30, "to": 100}]
    assert [one["share"] for one in planned["changes"]] == told
    intent = await rig.made("/deployment-intents", PACKAGER, body)
    detail = (await rig.get(f"/deployment-intents/{intent}")).json()
    targets = [target for ring in detail["rings"] for target in ring["targets"]]
    assert [target["share"] for target in targets] == told
    members = [f"ring-4-device-{number:02}" for number in range(DEVICES)]
    few = sum(in_share("notes", device, (0, 30)) for device in members)
    assert 0 < few < DEVICES
    assert [target["devices"] for target in targets] == [DEVICES, few, DEVICES - few]
    assert [ring["devices"] for ring in planned["rings"]] == [DEVICES, few, DEVICES - few]
    standing = (await rig.get(f"/deployment-intents/{intent}/plan")).json()
    assert [(one["share"], one["action"]) for one in standing["changes"]] == [(one, "add") for one in told]
    assert [ring["devices"] for ring in standing["rings"]] == [DEVICES, few, DEVICES - few]


async def test_a_group_that_rings_share_is_asked_for_once(rig: Rig) -> None:
    body, plane = by_shares(await rig.pack(), {"from": 0, "to": 30}, {"from": 30, "to": 100}), rig.planes[Plane.JAMF]
    plane.resolved.clear()
    intent = await rig.made("/deployment-intents", PACKAGER, body)
    assert plane.resolved == ["ring-0", "ring-4"]
    plane.resolved.clear()
    await rig.get(f"/deployment-intents/{intent}/plan")
    assert plane.resolved == ["ring-0", "ring-4"]


async def test_shares_with_a_device_in_common_are_refused(rig: Rig) -> None:
    body = by_shares(await rig.pack(), {"from": 0, "to": 30}, {"from": 20, "to": 100})
    answer = await rig.post("/deployment-intents", PACKAGER, body)
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:eucora:problem:ring-plan-invalid")
    assert "0–30 % and 20–100 %" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("share", "pointer"),
    [
        ({"from": -1, "to": 10}, "/from"),
        ({"from": 100, "to": 100}, "/from"),
        ({"from": 0.5, "to": 10}, "/from"),
        ({"from": True, "to": 10}, "/from"),
        ({"to": 10}, "/from"),
        ({"from": 0, "to": 101}, "/to"),
        ({"from": 0, "to": 0}, "/to"),
        ({"from": 10}, "/to"),
        ({"from": 10, "to": 10}, ""),
        ({"from": 50, "to": 10}, ""),
        ({"from": 0, "to": 10, "of": 100}, "/of"),
        ([0, 10], ""),
        (10, ""),
    ],
)
async def test_a_share_that_is_none_is_refused_with_its_place(rig: Rig, share: object, pointer: str) -> None:
    before = await rig.events()
    answer = await rig.post("/deployment-intents", PACKAGER, by_shares("0" * 64, share))
    assert answer.status_code == 422, answer.text
    assert [one["pointer"] for one in answer.json()["errors"]] == [f"#/rings/1/targets/0/share{pointer}"]
    assert await rig.events() == before


async def test_an_intent_that_nobody_proposed_has_neither_plan_nor_blockers(rig: Rig) -> None:
    for what in ("plan", "blockers"):
        answer = await rig.get(f"/deployment-intents/{NOBODY}/{what}")
        assert (answer.status_code, answer.json()["type"]) == (404, "urn:eucora:problem:deployment-intent-unknown")


async def test_blockers_tell_what_is_missing_until_nothing_is(rig: Rig) -> None:
    intent = await rig.propose((0, 1))
    path = f"/deployment-intents/{intent}/blockers"
    assert [one["condition"] for one in (await rig.get(path)).json()["blockers"]] == ["start"]
    await rig.installed_in_the_lab(intent)
    (soak,) = (await rig.get(path)).json()["blockers"]
    assert (soak["condition"], soak["verdict"], soak["who"]) == ("soak", "inconclusive", "nobody: wait")
    assert soak["next_evaluation_at"] is not None
    rig.later(hours=25)
    await rig.check_in(intent)
    body = (await rig.get(path)).json()
    assert (body["ring"], body["next_ring"], body["blockers"]) == (0, 1, [])
