"""The fleet's behaviour depends on the seed, the device, its offers and the time, and on nothing else."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from eucora.domain.planes import Plane, Platform
from eucora.lab.clock import ManualClock
from eucora.lab.fleet import DeviceState, Fleet, OfferKind, OfferSpan, Outcome
from eucora.lab.roster import LabDevice

START = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
KEY = "Paint 2.0#abc"
SEEDS = range(5)


def a_fleet(seed: int = 7, **changes: float) -> Fleet:
    return Fleet(seed, ManualClock(START), **({"pace": 1.0} | changes))  # type: ignore[arg-type]  # sizes are ints


def install(starts: float = 0, ends: float | None = None) -> OfferSpan:
    """An install offer; hours after the start."""
    return OfferSpan(OfferKind.INSTALL, at(starts), None if ends is None else at(ends))


def uninstall(starts: float = 0, ends: float | None = None) -> OfferSpan:
    return OfferSpan(OfferKind.UNINSTALL, at(starts), None if ends is None else at(ends))


def choice(starts: float = 0, ends: float | None = None) -> OfferSpan:
    return replace(install(starts, ends), free=True)


def at(hours: float) -> datetime:
    return START + timedelta(hours=hours)


def ring(fleet: Fleet, plane: Plane, name: str) -> list[LabDevice]:
    group = next(group for group in fleet.groups_on(plane) if group.name == name)
    return list(fleet.members(group))


def sound(fleet: Fleet) -> LabDevice:
    return ring(fleet, Plane.INTUNE, "ring-0-lab")[0]


def first_check_in(fleet: Fleet, device: LabDevice) -> datetime:
    """The first check-in after the start."""
    return fleet.last_check_in(device, START) + timedelta(seconds=device.check_in_period_s)


def states(fleet: Fleet, devices: list[LabDevice], hours: float) -> Counter[DeviceState]:
    return Counter(fleet.outcome(device, KEY, [install()], at(hours)).state for device in devices)


# what is free to choose


def test_few_take_what_they_are_free_to_choose_and_some_time_later() -> None:
    fleet = a_fleet()
    canary = ring(fleet, Plane.INTUNE, "ring-1-canary")
    by_hour = [
        {d.index for d in canary if fleet.outcome(d, KEY, [choice()], at(hours)).state is DeviceState.INSTALLED}
        for hours in (0.4, 8, 14, 400)
    ]
    assert by_hour[0] == set()
    assert by_hour[0] < by_hour[1] < by_hour[2] == by_hour[3]
    assert len(by_hour[3]) < len(canary) / 2


def test_what_was_taken_back_before_anybody_chose_it_leads_to_nothing() -> None:
    fleet = a_fleet()
    for device in ring(fleet, Plane.INTUNE, "ring-1-canary"):
        gone = fleet.outcome(device, KEY, [choice(0, 0.2)], at(400))
        assert gone.state is DeviceState.UNREPORTED
        after = fleet.outcome(device, KEY, [choice(0, 3), uninstall(3)], at(400))
        assert (after.state, after.installed) == (DeviceState.NOT_INSTALLED, False)


# who is there


def test_there_are_two_thousand_devices_with_ids_of_their_own() -> None:
    fleet = a_fleet()
    assert Counter(device.platform for device in fleet.devices) == {Platform.WINDOWS: 1200, Platform.MACOS: 800}
    for name in ("managed_id", "entra_object_id", "entra_device_id", "jamf_id", "serial", "udid", "name"):
        ids = [value for device in fleet.devices if (value := getattr(device, name))]
        assert len(set(ids)) == len(ids) >= 800


@pytest.mark.parametrize(
    ("plane", "sizes"), [(Plane.INTUNE, (8, 60, 500, 400, 232)), (Plane.JAMF, (6, 40, 300, 300, 154))]
)
def test_rings_share_no_device_and_leave_none_out(plane: Plane, sizes: tuple[int, ...]) -> None:
    fleet = a_fleet()
    *rings, empty = fleet.groups_on(plane)
    assert tuple(len(group.devices) for group in rings) == sizes
    assert sorted(index for group in rings for index in group.devices) == [device.index for device in fleet.on(plane)]
    assert empty.devices == ()


def test_intunes_macs_come_behind_the_others_and_change_none_of_them() -> None:
    without, fleet = a_fleet(), a_fleet(intune_macs=60)
    assert fleet.devices[:2000] == without.devices
    assert fleet.groups[:12] == without.groups
    *rings, empty = fleet.groups_on(Plane.INTUNE_MACOS)
    assert [(group.name, len(group.devices)) for group in rings[:3]] == [
        ("ring-0-lab-macos", 6),
        ("ring-1-canary-macos", 40),
        ("ring-2-pilot-macos", 14),
    ]
    assert (empty.name, empty.devices) == ("ring-empty-macos", ())
    macs = fleet.on(Plane.INTUNE_MACOS)
    assert [device.platform for device in macs] == [Platform.MACOS] * 60
    assert all(device.managed_id and device.entra_object_id and not device.jamf_id for device in macs)
    assert without.groups_on(Plane.INTUNE_MACOS) == []


def test_a_small_fleet_fills_the_first_rings() -> None:
    fleet = a_fleet(windows=20, macs=5)
    assert [len(group.devices) for group in fleet.groups_on(Plane.INTUNE)] == [8, 12, 0, 0, 0, 0]
    assert [len(group.devices) for group in fleet.groups_on(Plane.JAMF)] == [5, 0, 0, 0, 0, 0]


def test_one_seed_makes_one_fleet_and_another_seed_another() -> None:
    assert a_fleet(1).devices == a_fleet(1).devices
    assert a_fleet(1).devices != a_fleet(2).devices


# check-ins


def test_check_ins_come_one_period_apart_and_never_from_the_future() -> None:
    fleet = a_fleet()
    device = sound(fleet)
    seen = {fleet.last_check_in(device, at(minute / 60)) for minute in range(600)}
    gaps = {round((b - a).total_seconds(), 3) for a, b in zip(sorted(seen), sorted(seen)[1:], strict=False)}
    assert gaps == {round(device.check_in_period_s, 3)}
    assert all(fleet.last_check_in(device, at(hour)) <= at(hour) for hour in range(10))


def test_pace_shortens_the_period() -> None:
    device = sound(a_fleet())
    fast = a_fleet(pace=1800.0)
    assert START - fast.last_check_in(device, START) <= timedelta(seconds=2)


def test_a_missing_device_was_last_heard_of_before_the_start() -> None:
    fleet = a_fleet()
    missing = next(device for device in fleet.devices if device.missing)
    assert fleet.last_check_in(missing, at(1000)) == fleet.last_check_in(missing, START) < START - timedelta(days=2)
    assert fleet.outcome(missing, KEY, [install()], at(1000)).reported_at is None


# offers


def test_a_device_acts_at_its_next_check_in_and_reports_when_done() -> None:
    fleet = a_fleet()
    device = sound(fleet)
    acts = first_check_in(fleet, device)
    blink = timedelta(seconds=1)
    assert fleet.outcome(device, KEY, [install()], acts - blink).state is DeviceState.UNREPORTED
    working = fleet.outcome(device, KEY, [install()], acts + blink)
    assert working.state is DeviceState.PENDING
    assert working.reported_at is not None
    assert abs(working.reported_at - acts) < timedelta(milliseconds=1)
    done = fleet.outcome(device, KEY, [install()], acts + timedelta(minutes=11))
    assert done.state is DeviceState.INSTALLED
    assert done.installed
    assert done.reported_at is not None
    assert acts < done.reported_at <= acts + timedelta(minutes=10)


def test_an_offer_withdrawn_before_the_check_in_leads_to_nothing() -> None:
    fleet = a_fleet()
    device = sound(fleet)
    ends = (first_check_in(fleet, device) - START).total_seconds() / 3600
    untouched = Outcome(DeviceState.UNREPORTED, "", "", None, installed=False)
    assert fleet.outcome(device, KEY, [install(ends=ends)], at(100)) == untouched
    assert fleet.outcome(device, KEY, [install(ends=ends + 0.001)], at(100)).installed


def test_work_begun_is_finished_though_the_offer_is_withdrawn() -> None:
    fleet = a_fleet()
    device = sound(fleet)
    ends = (first_check_in(fleet, device) - START).total_seconds() / 3600 + 0.001
    assert fleet.outcome(device, KEY, [install(ends=ends)], at(ends + 1)).state is DeviceState.INSTALLED


def test_uninstall_undoes_install_and_a_third_offer_brings_it_back() -> None:
    fleet = a_fleet()
    device = sound(fleet)
    offers = [install(0, 5), uninstall(5, 10), install(10)]
    seen = [fleet.outcome(device, KEY, offers, at(hours)).state for hours in (4, 9, 14)]
    assert seen == [DeviceState.INSTALLED, DeviceState.NOT_INSTALLED, DeviceState.INSTALLED]


def test_uninstall_where_nothing_is_installed_is_reported_as_done() -> None:
    fleet = a_fleet()
    outcome = fleet.outcome(sound(fleet), KEY, [uninstall()], at(2))
    assert (outcome.state, outcome.installed) == (DeviceState.NOT_INSTALLED, False)
    assert outcome.reported_at is not None


def test_what_was_reported_does_not_change_when_time_goes_on() -> None:
    fleet = a_fleet()
    early = [fleet.outcome(device, KEY, [install()], at(30)) for device in fleet.devices]
    late = [fleet.outcome(device, KEY, [install()], at(300)) for device in fleet.devices]
    final = (DeviceState.INSTALLED, DeviceState.FAILED)
    assert all(a == b for a, b in zip(early, late, strict=True) if a.state in final)
    assert sum(outcome.state in final for outcome in early) > 1900


# the rings' health


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("plane", list(Plane))
def test_a_good_release_passes_the_gates_of_every_ring(seed: int, plane: Plane) -> None:
    fleet = a_fleet(seed, intune_macs=800)
    for name, least in (
        ("ring-0-lab", 1.0),
        ("ring-1-canary", 1.0),
        ("ring-2-pilot", 0.97),
        ("ring-3-department", 0.99),
    ):
        devices = ring(fleet, plane, f"{name}-macos" if plane is Plane.INTUNE_MACOS else name)
        assert states(fleet, devices, 24)[DeviceState.INSTALLED] / len(devices) >= least, name


@pytest.mark.parametrize("seed", SEEDS)
def test_the_pilot_has_real_failures_and_missing_devices(seed: int) -> None:
    fleet = a_fleet(seed, intune_macs=800)
    for plane, code in ((Plane.INTUNE, "0x8"), (Plane.JAMF, "1"), (Plane.INTUNE_MACOS, "0x87D1")):
        devices = ring(fleet, plane, f"ring-2-pilot{'-macos' if plane is Plane.INTUNE_MACOS else ''}")
        outcomes = [fleet.outcome(device, KEY, [install()], at(24)) for device in devices]
        failed = [outcome for outcome in outcomes if outcome.state is DeviceState.FAILED]
        assert len(failed) >= 3
        assert all(outcome.error_code.startswith(code) and outcome.error_text for outcome in failed)
        assert sum(outcome.state is DeviceState.UNREPORTED for outcome in outcomes) == 3


def test_late_devices_come_in_the_end() -> None:
    fleet = a_fleet()
    late = [device for device in fleet.devices if device.late]
    assert len(late) > 20
    assert states(fleet, late, 24)[DeviceState.INSTALLED] == len(late)
    assert states(fleet, late, 1)[DeviceState.INSTALLED] < len(late) / 2


# a bad release


def test_a_bad_release_fails_about_as_often_as_told_and_others_do_not() -> None:
    fleet = a_fleet()
    fleet.set_failure_rate("Paint 2", 0.3)
    pilot = ring(fleet, Plane.INTUNE, "ring-2-pilot")
    assert 0.24 < states(fleet, pilot, 24)[DeviceState.FAILED] / len(pilot) < 0.36
    other = [fleet.outcome(device, "Notes 1.0#def", [install()], at(24)).state for device in pilot]
    assert other.count(DeviceState.FAILED) < 10


def test_a_rate_set_later_leaves_work_that_is_over_alone() -> None:
    clock = ManualClock(START)
    fleet = Fleet(7, clock, pace=1.0)
    pilot = ring(fleet, Plane.INTUNE, "ring-2-pilot")
    clock.advance(24 * 3600)
    before = states(fleet, pilot, 24)
    fleet.set_failure_rate("Paint 2", 1.0)
    assert states(fleet, pilot, 24) == before
    again = fleet.outcome(pilot[0], KEY, [install(25)], at(30))
    assert again.state is DeviceState.FAILED


def test_the_longest_prefix_wins_and_the_latest_among_equals() -> None:
    fleet = a_fleet()
    device = sound(fleet)
    for prefix, rate in (("Paint 2.0", 1.0), ("Paint 2.0", 0.0), ("Paint", 1.0)):
        fleet.set_failure_rate(prefix, rate)
    assert fleet.outcome(device, KEY, [install()], at(5)).state is DeviceState.INSTALLED
    assert fleet.outcome(device, "Paint 1.0#x", [install()], at(5)).state is DeviceState.FAILED


@pytest.mark.parametrize("rate", [-0.1, 1.1])
def test_a_rate_outside_its_range_is_refused(rate: float) -> None:
    with pytest.raises(ValueError):
        a_fleet().set_failure_rate("Paint", rate)


def test_a_clock_does_not_go_back_and_a_pace_is_above_nothing() -> None:
    with pytest.raises(ValueError):
        ManualClock(START).advance(-1)
    with pytest.raises(ValueError):
        ManualClock(datetime(2026, 11, 23))  # noqa: DTZ001  # naive on purpose
    with pytest.raises(ValueError):
        a_fleet(pace=0.0)


# when a plane lies about them


def test_a_plane_that_lies_says_installed_while_its_inventory_stands_still() -> None:
    fleet = a_fleet()
    device = sound(fleet)
    heard = fleet.last_check_in(device, START)
    fleet.set_lying(Plane.INTUNE, on=True)
    lie = fleet.outcome(device, KEY, [install(1)], at(1))
    assert (lie.state, lie.reported_at, lie.installed) == (DeviceState.INSTALLED, at(1), False)
    assert fleet.last_check_in(device, at(50)) == heard
    withdrawn = fleet.outcome(device, KEY, [install(0, 0.001)], at(1))
    assert withdrawn.state is DeviceState.UNREPORTED  # it lies about what is offered, and about nothing else
    assert fleet.outcome(device, KEY, [uninstall(0)], at(9)).state is not DeviceState.INSTALLED


def test_intune_lies_about_its_macs_as_well() -> None:
    fleet = a_fleet(intune_macs=6)
    (mac, *_) = ring(fleet, Plane.INTUNE_MACOS, "ring-0-lab-macos")
    assert fleet.outcome(mac, KEY, [install()], START).state is DeviceState.UNREPORTED
    fleet.set_lying(Plane.INTUNE, on=True)
    assert fleet.outcome(mac, KEY, [install()], START).state is DeviceState.INSTALLED
    fleet.set_lying(Plane.INTUNE, on=False)
    with fleet.lying(Plane.INTUNE):
        assert fleet.outcome(mac, KEY, [install()], START).state is DeviceState.INSTALLED


def test_the_other_plane_tells_the_truth_and_so_does_the_liar_afterwards() -> None:
    fleet, honest = a_fleet(), a_fleet()
    fleet.set_lying(Plane.INTUNE, on=True)
    mac = ring(fleet, Plane.JAMF, "ring-0-lab")[0]
    assert fleet.outcome(mac, KEY, [install()], at(9)) == honest.outcome(mac, KEY, [install()], at(9))
    assert fleet.last_check_in(mac, at(9)) == honest.last_check_in(mac, at(9))
    fleet.set_lying(Plane.INTUNE, on=False)
    device = sound(fleet)
    assert fleet.outcome(device, KEY, [install()], at(9)) == honest.outcome(device, KEY, [install()], at(9))
    assert fleet.last_check_in(device, at(9)) == honest.last_check_in(device, at(9))
