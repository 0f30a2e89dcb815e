"""What a rollout will do, and why it is not moving, over HTTP."""

from api_rig import NOBODY, PACKAGER, PUBLISHER, Rig, intent_body

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
