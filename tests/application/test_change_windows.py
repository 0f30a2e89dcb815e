"""A freeze holds a rollout where it stands, and never what stops it or takes it back."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, timedelta
from pathlib import Path

import pytest
from rollout_world import ADMIN, CAB, OPERATOR, PACKAGER, POLICY, PUBLISHER, Rollouts, rollouts

from eucora.application import change_windows, deployment_intents
from eucora.application.change_windows import ChangeWindowRequest, OffsetBesideZone, TimesRequest, ZoneMissing
from eucora.application.execute import VersionMismatch
from eucora.application.world import RoleMissing
from eucora.domain.change_window import DECIDER, Effect, WindowStartsInThePast, WindowTimes
from eucora.domain.deployment_intent.refusals import GateNotMet
from eucora.domain.deployment_intent.state import IntentStatus
from eucora.domain.people import Scope
from eucora.domain.rings import Ring
from eucora.store.database import Pool


@pytest.fixture
async def house(pool: Pool, tmp_path: Path) -> AsyncIterator[Rollouts]:
    async with rollouts(pool, tmp_path) as house:
        await house.activate(POLICY)
        yield house


def freeze(house: Rollouts, *, hours: float = 48, scope: Scope | None = None) -> ChangeWindowRequest:
    """From now on."""
    return ChangeWindowRequest(
        effect=Effect.DENY,
        name="Year end",
        reason="the books are closed",
        times=TimesRequest(end=house.clock.now() + timedelta(hours=hours)),
        scope=scope or Scope("retail"),
    )


async def in_the_lab(house: Rollouts) -> str:
    intent = await house.propose(house.inputs.low)
    await house.through_the_lab(intent)
    return intent


async def test_a_freeze_holds_the_promotion_until_it_ends(house: Rollouts) -> None:
    intent = await in_the_lab(house)
    await change_windows.create_change_window(house.world, house.as_(CAB[0]), freeze(house, hours=6))
    house.clock.advance(1)
    with pytest.raises(GateNotMet) as refusal:
        await house.promote(intent, Ring.CANARY)
    assert [gate["gate"] for gate in refusal.value.facts["gates"]] == ["change_window"]
    assert "the books are closed" in refusal.value.facts["gates"][0]["reason"]
    await house.let_pass(6)
    await house.promote(intent, Ring.CANARY)
    assert (await house.state(intent)).ring is Ring.CANARY


async def test_a_freeze_of_another_unit_holds_nothing_and_a_cancelled_one_neither(house: Rollouts) -> None:
    intent = await in_the_lab(house)
    caller = house.as_(ADMIN)
    await change_windows.create_change_window(house.world, caller, freeze(house, scope=Scope("wholesale")))
    ours = await change_windows.create_change_window(house.world, caller, freeze(house))
    house.clock.advance(1)
    with pytest.raises(GateNotMet):
        await house.promote(intent, Ring.CANARY)
    await change_windows.cancel_change_window(house.world, house.as_(CAB[0]), ours.id, "called off")
    await house.promote(intent, Ring.CANARY)


@pytest.mark.parametrize("stop", ["halt", "rollback"])
async def test_a_freeze_never_blocks_a_halt_or_a_rollback(house: Rollouts, stop: str) -> None:
    intent = await in_the_lab(house)
    await change_windows.create_change_window(house.world, house.as_(CAB[0]), freeze(house))
    house.clock.advance(1)
    if stop == "halt":
        await deployment_intents.halt(house.world, house.as_(OPERATOR), intent, "calls")
        assert (await house.state(intent)).status is IntentStatus.HALTED
        return
    await deployment_intents.roll_back(house.world, house.as_(PUBLISHER), intent, "calls")
    await house.let_pass(24)
    assert (await house.state(intent)).status is IntentStatus.ROLLED_BACK  # the devices, too, inside the freeze


async def test_times_are_kept_as_the_wall_of_their_zone_shows_them(house: Rollouts) -> None:
    now = house.clock.now()
    local = now.replace(tzinfo=None) + timedelta(days=1)
    for asked, expected in (
        (TimesRequest(now + timedelta(days=2), now + timedelta(days=1)), ("UTC", local)),
        (TimesRequest(local + timedelta(days=1), local, "UTC"), ("UTC", local)),
        (TimesRequest(local + timedelta(days=1), local, "Asia/Tokyo"), ("Asia/Tokyo", local)),
    ):
        times = change_windows.times_of(house.world, asked, now)
        assert times == WindowTimes(local, local + timedelta(days=1), expected[0])
    soon = change_windows.times_of(house.world, TimesRequest(local, zone="Asia/Tokyo"), now)
    assert soon.start == now.replace(tzinfo=None) + timedelta(hours=9, seconds=1)
    with pytest.raises(ZoneMissing):
        change_windows.times_of(house.world, TimesRequest(local), now)
    with pytest.raises(OffsetBesideZone):
        change_windows.times_of(house.world, TimesRequest(local.replace(tzinfo=UTC), zone="Asia/Tokyo"), now)


async def test_who_may_set_a_freeze_and_what_he_saw(house: Rollouts) -> None:
    for stranger in (PACKAGER, PUBLISHER, OPERATOR):
        with pytest.raises(RoleMissing):
            await change_windows.create_change_window(house.world, house.as_(stranger), freeze(house))
    caller = house.as_(CAB[0])
    made = await change_windows.create_change_window(house.world, caller, freeze(house))
    longer = TimesRequest(end=house.clock.now() + timedelta(hours=96), start=house.clock.now() + timedelta(seconds=1))
    seen = replace(caller, expected_version=1)
    await change_windows.amend_change_window(house.world, seen, made.id, longer, "not done yet")
    with pytest.raises(VersionMismatch):
        await change_windows.cancel_change_window(house.world, seen, made.id, "x")
    house.clock.advance(3600)
    # It is under way, and keeps its start; it cannot be made to have begun at another time.
    more = replace(longer, end=longer.end + timedelta(hours=1))
    await change_windows.amend_change_window(house.world, caller, made.id, more, "still not")
    earlier = replace(more, start=more.start - timedelta(minutes=1) if more.start else None)
    with pytest.raises(WindowStartsInThePast):
        await change_windows.amend_change_window(house.world, caller, made.id, earlier, "it was")
    assert (await house.world.store.read(DECIDER.stream(made.id))).version == 3
