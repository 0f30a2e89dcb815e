"""Cohorts and device states: frozen once, newer news wins, and every device is in the counts."""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from eucora.application.devices import CohortDevice, Removal
from eucora.application.planes import Observation, Offer
from eucora.domain.planes import InstallState, Plane, SiteClass
from eucora.domain.rings import CohortCount, Counts, Measurement, Ring
from eucora.domain.verification import Offered, since, verified
from eucora.store.database import Pool
from eucora.store.devices import FAILURE_CODES_MAX, PostgresDevices

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
LONG_AGO = NOW - 1000 * HOUR
INTENT, RING = "intent-1", Ring.CANARY
INSTALLED, FAILED, PENDING = InstallState.INSTALLED, InstallState.FAILED, InstallState.PENDING
NOT_INSTALLED, NOT_APPLICABLE = InstallState.NOT_INSTALLED, InstallState.NOT_APPLICABLE


def device(id: str, *, plane: Plane = Plane.INTUNE, site: SiteClass = SiteClass.ONLINE) -> CohortDevice:
    return CohortDevice(plane, id, f"name of {id}", f"serial of {id}", site, False, "group-1", NOW)


def seen(id: str, state: InstallState, at: datetime | None = NOW, code: str = "", detail: str = "") -> Observation:
    return Observation(id, state, at, at, code, detail)


@pytest.fixture
def table(pool: Pool) -> PostgresDevices:
    return PostgresDevices(pool)


async def frozen(table: PostgresDevices, *ids: str, plane: Plane = Plane.INTUNE) -> None:
    await table.freeze(INTENT, RING, plane, [device(id, plane=plane) for id in ids])


async def record(table: PostgresDevices, *news: Observation, now: datetime = NOW) -> int:
    return await table.record(INTENT, RING, Plane.INTUNE, news, now=now)


async def watched(table: PostgresDevices, offer: Offer, *, stale_before: datetime = LONG_AGO) -> Sequence[str]:
    return await table.watched(INTENT, RING, Plane.INTUNE, offer, stale_before=stale_before)


async def measured(table: PostgresDevices, *planes: Plane, now: datetime = NOW) -> Measurement:
    return await table.measure(
        INTENT, RING, started_at=dict.fromkeys(planes or (Plane.INTUNE,), NOW), now=now, reachable_within_s=3_600
    )


async def test_a_cohort_is_frozen_once(table: PostgresDevices) -> None:
    first = await table.freeze(
        INTENT, RING, Plane.INTUNE, [device("b", site=SiteClass.AIR_GAPPED), device("a"), device("c")]
    )
    assert first.digest == hashlib.sha256(b"intune:a\nintune:b\nintune:c\n").hexdigest()
    assert first.counts == (
        CohortCount(Plane.INTUNE, SiteClass.AIR_GAPPED, 1),
        CohortCount(Plane.INTUNE, SiteClass.ONLINE, 2),
    )
    assert await table.freeze(INTENT, RING, Plane.INTUNE, [device("z")]) == first
    assert await table.freeze(INTENT, RING, Plane.INTUNE, []) == first


async def test_workers_that_freeze_at_once_agree_on_one_list(table: PostgresDevices) -> None:
    lists = [[device(f"{worker}-{n}") for n in range(20)] for worker in range(4)]
    answers = await asyncio.gather(*(table.freeze(INTENT, RING, Plane.INTUNE, devices) for devices in lists))
    assert len({answer.digest for answer in answers}) == 1
    assert answers[0].counts == (CohortCount(Plane.INTUNE, SiteClass.ONLINE, 20),)


async def test_rings_intents_and_planes_have_cohorts_of_their_own(table: PostgresDevices) -> None:
    await frozen(table, "a", "b")
    other_plane = await table.freeze(INTENT, RING, Plane.JAMF, [device("m", plane=Plane.JAMF)])
    other_ring = await table.freeze(INTENT, Ring.PILOT, Plane.INTUNE, [device("a")])
    other_intent = await table.freeze("intent-2", RING, Plane.INTUNE, [device("c")])
    assert [sum(count.devices for count in answer.counts) for answer in (other_plane, other_ring, other_intent)] == [
        1, 1, 1,
    ]  # fmt: skip
    assert await watched(table, Offer.INSTALL) == ["a", "b"]
    with pytest.raises(ValueError, match="devices of another plane than intune: m"):
        await table.freeze(INTENT, Ring.GLOBAL, Plane.INTUNE, [device("m", plane=Plane.JAMF)])


async def test_the_frozen_devices_of_a_group_are_those_that_were_resolved_from_it(table: PostgresDevices) -> None:
    assert await table.frozen_of(INTENT, RING, Plane.INTUNE, "group-1") == []
    cohort = [device("c"), device("a"), replace(device("b"), group="group-2"), replace(device("a"), group="group-2")]
    await table.freeze(INTENT, RING, Plane.INTUNE, cohort)
    await table.freeze(INTENT, Ring.PILOT, Plane.INTUNE, [device("p")])
    await table.freeze(INTENT, RING, Plane.JAMF, [device("m", plane=Plane.JAMF)])
    await table.freeze(INTENT, RING, Plane.INTUNE, [device("z")])  # a second resolution
    assert await table.frozen_of(INTENT, RING, Plane.INTUNE, "group-1") == ["a", "c"]
    assert await table.frozen_of(INTENT, RING, Plane.INTUNE, "group-2") == ["b"]  # a device is frozen for one group
    assert await table.frozen_of("intent-2", RING, Plane.INTUNE, "group-1") == []


async def test_older_news_changes_nothing(table: PostgresDevices) -> None:
    await frozen(table, "a")
    assert await record(table, seen("a", FAILED, NOW, code="0x1")) == 1
    assert await record(table, seen("a", PENDING, NOW - HOUR)) == 0
    assert (await measured(table)).counts[0].failed == 1
    assert await record(table, seen("a", INSTALLED, NOW + HOUR)) == 1
    assert (await measured(table)).counts[0].installed == 1


async def test_news_without_a_time_counts_as_current(table: PostgresDevices) -> None:
    await frozen(table, "a")
    await record(table, seen("a", PENDING, NOW))
    assert await record(table, seen("a", INSTALLED, None)) == 1
    assert (await measured(table)).counts[0].installed == 1


async def test_the_same_news_twice_changes_nothing(table: PostgresDevices) -> None:
    await frozen(table, "a", "b")
    news = [seen("a", INSTALLED), seen("b", FAILED, code="0x1")]
    assert [await record(table, *news) for _ in range(2)] == [2, 0]


async def test_a_device_outside_the_cohort_is_nobodys_news(table: PostgresDevices) -> None:
    await frozen(table, "a")
    assert await record(table, seen("stranger", INSTALLED)) == 0
    assert sum(counts.targeted for counts in (await measured(table)).counts) == 1


async def test_every_device_is_counted_and_in_one_place(table: PostgresDevices) -> None:
    states = {"a": INSTALLED, "b": INSTALLED, "c": FAILED, "d": PENDING, "e": NOT_INSTALLED, "f": NOT_APPLICABLE}
    await frozen(table, *states, "nobody-heard-of")
    await record(table, *(seen(id, state) for id, state in states.items()))
    [counts] = (await measured(table)).counts
    assert counts == Counts(
        Plane.INTUNE, SiteClass.ONLINE, targeted=7, exempt=1, installed=2, failed=1, pending=1, not_installed=1,
        unknown=1, reachable=6, reported=5, compliance_p90_s=None,
    )  # fmt: skip


async def measured_free(table: PostgresDevices, *groups: str, offered: Offered | None = None) -> Counts:
    """The one count, where the ``groups`` are free to choose."""
    reading = await table.measure(
        INTENT, RING, started_at={Plane.INTUNE: NOW}, now=NOW, reachable_within_s=3_600,
        offered=None if offered is None else {Plane.INTUNE: offered}, available=[(Plane.INTUNE, g) for g in groups],
    )  # fmt: skip
    (counts,) = reading.counts
    return counts


async def test_of_an_available_group_only_attempts_that_are_over_count(table: PostgresDevices) -> None:
    """Pending, not installed, not applicable and silent devices are exempt; the other group's are as ever."""
    states = {"a": INSTALLED, "b": FAILED, "c": PENDING, "d": NOT_INSTALLED, "e": NOT_APPLICABLE}
    must = [replace(device(f"must-{id}"), group="group-2") for id in (*states, "silent")]
    await table.freeze(INTENT, RING, Plane.INTUNE, [*(device(id) for id in (*states, "silent")), *must])
    await record(table, *(seen(place + id, state) for id, state in states.items() for place in ("", "must-")))
    counts = await measured_free(table, "group-1", "group-9")
    assert counts == Counts(
        Plane.INTUNE, SiteClass.ONLINE, targeted=12, exempt=5, installed=2, failed=2, pending=1, not_installed=1,
        unknown=1, reachable=7, reported=6, compliance_p90_s=None, available=6, untried=4,
    )  # fmt: skip
    assert counts.asked == 5
    assert (await measured_free(table)).asked == 10


async def test_who_chose_it_late_has_no_part_in_the_time_to_compliance(table: PostgresDevices) -> None:
    must = [replace(device(f"must-{n}"), group="group-2") for n in range(10)]
    await table.freeze(INTENT, RING, Plane.INTUNE, [*(device(f"free-{n}") for n in range(10)), *must])
    await record(table, *(seen(f"must-{n}", INSTALLED, NOW + HOUR) for n in range(10)))
    await record(table, *(seen(f"free-{n}", INSTALLED, NOW + 99 * HOUR) for n in range(10)))
    assert (await measured_free(table, "group-1")).compliance_p90_s == 3_600
    assert (await measured_free(table)).compliance_p90_s == 99 * 3_600


async def test_an_attempt_that_is_not_verified_is_unknown_and_no_silence(table: PostgresDevices) -> None:
    await frozen(table, "a", "b")
    await record(table, seen("a", INSTALLED, NOW - HOUR))
    counts = await measured_free(table, "group-1", offered=since(NOW))
    assert (counts.unknown, counts.untried, counts.installed) == (1, 1, 0)


async def test_who_has_had_the_release_is_told_by_group(table: PostgresDevices) -> None:
    cohort = [device("b"), device("a"), device("c"), replace(device("d"), group="group-2")]
    await table.freeze(INTENT, RING, Plane.INTUNE, cohort)
    await record(table, seen("a", INSTALLED), seen("b", INSTALLED), seen("c", FAILED), seen("d", INSTALLED))
    await record(table, seen("b", NOT_INSTALLED, NOW + HOUR))
    assert await table.having_had(INTENT, RING, Plane.INTUNE, "group-1") == ["a", "b"]


async def test_a_device_that_has_not_checked_in_lately_is_not_reachable(table: PostgresDevices) -> None:
    await frozen(table, "a", "b")
    await record(table, seen("a", INSTALLED, NOW + 3 * HOUR))
    [counts] = (await measured(table, now=NOW + 3 * HOUR)).counts
    assert (counts.targeted, counts.reachable, counts.reported) == (2, 1, 1)


async def test_the_compliance_clock_starts_once(table: PostgresDevices) -> None:
    """Time to compliance is that of the first install, at the ninetieth percentile of all that are not exempt."""
    await frozen(table, *(f"d{n}" for n in range(10)))
    await record(table, *(seen(f"d{n}", INSTALLED, NOW + n * HOUR) for n in range(8)))
    assert (await measured(table)).counts[0].compliance_p90_s is None  # 8 of 10
    await record(table, seen("d8", INSTALLED, NOW + 8 * HOUR))
    assert (await measured(table)).counts[0].compliance_p90_s == 8 * 3_600
    await record(table, seen("d8", INSTALLED, NOW + 20 * HOUR))  # reported again later
    assert (await measured(table)).counts[0].compliance_p90_s == 8 * 3_600


async def test_only_the_planes_asked_for_are_measured(table: PostgresDevices) -> None:
    await frozen(table, "a")
    await frozen(table, "m", plane=Plane.JAMF)
    assert [counts.plane for counts in (await measured(table, Plane.JAMF)).counts] == [Plane.JAMF]
    both = (await measured(table, Plane.INTUNE, Plane.JAMF)).counts
    assert [counts.plane for counts in both] == [Plane.INTUNE, Plane.JAMF]


async def test_the_commonest_failures_are_named(table: PostgresDevices) -> None:
    await frozen(table, *(f"d{n:02}" for n in range(20)))
    codes = ["0x2", "0x2", "0x2", "0x1", "0x1", "", *(f"0xf{n}" for n in range(14))]
    details = ["", "", "", "", "", "disk full", *[""] * 14]
    await record(
        table,
        *(
            seen(f"d{n:02}", FAILED, code=code, detail=detail)
            for n, (code, detail) in enumerate(zip(codes, details, strict=True))
        ),
    )
    failures = (await measured(table)).failures
    assert failures[:2] == (("0x2", 3), ("0x1", 2))
    assert len(failures) == FAILURE_CODES_MAX


async def test_an_install_is_watched_until_it_is_there(table: PostgresDevices) -> None:
    await frozen(table, "a", "b", "c", "d", "e")
    await record(table, seen("a", INSTALLED), seen("b", FAILED), seen("c", NOT_APPLICABLE), seen("d", NOT_INSTALLED))
    assert await watched(table, Offer.INSTALL) == ["b", "d", "e"]
    everybody = await watched(table, Offer.INSTALL, stale_before=NOW + HOUR)
    assert everybody == ["a", "b", "c", "d", "e"]  # last heard of too long ago to be sure


async def test_a_removal_is_watched_until_it_is_gone(table: PostgresDevices) -> None:
    await frozen(table, "a", "b", "c")
    await record(table, *(seen(id, INSTALLED) for id in "abc"))
    await record(table, seen("b", NOT_INSTALLED, NOW + HOUR))
    assert await watched(table, Offer.UNINSTALL) == ["a", "c"]


async def test_a_rollback_counts_those_that_had_it(table: PostgresDevices) -> None:
    await frozen(table, "a", "b", "c", "never-had-it")
    await record(table, *(seen(id, INSTALLED) for id in "abc"), seen("never-had-it", NOT_INSTALLED))
    await record(table, seen("a", NOT_INSTALLED, NOW + HOUR), seen("b", NOT_INSTALLED, NOW + HOUR))
    reverted = await table.reverted(INTENT, [RING])
    assert (reverted.reverted, reverted.remaining) == (2, 1)
    nothing = await table.reverted(INTENT, [Ring.GLOBAL])
    assert (nothing.reverted, nothing.remaining) == (0, 0)


async def measured_since(table: PostgresDevices, offered: Offered) -> Counts:
    [counts] = (
        await table.measure(
            INTENT, RING, started_at={Plane.INTUNE: NOW - HOUR}, now=NOW, reachable_within_s=36_000,
            offered={Plane.INTUNE: offered},
        )
    ).counts  # fmt: skip
    return counts


TIMES = (None, NOW - 2 * HOUR, NOW - HOUR, NOW, NOW + HOUR)


async def test_installed_counts_only_as_far_as_the_rule_verifies_it(table: PostgresDevices) -> None:
    """The statement in SQL and the rule in the domain agree on every pair of times."""
    offered = Offered(NOW - HOUR, NOW)
    told = {f"d{n}{m}": (state_at, heard) for n, state_at in enumerate(TIMES) for m, heard in enumerate(TIMES)}
    await frozen(table, *told)
    await record(table, *(Observation(id, INSTALLED, state_at, heard) for id, (state_at, heard) in told.items()))
    proved = [id for id, times in told.items() if verified(offered, *times)]
    counts = await measured_since(table, offered)
    assert (counts.installed, counts.unknown) == (len(proved), len(told) - len(proved))
    assert 0 < counts.installed < len(told)
    asked_again = await table.watched(
        INTENT, RING, Plane.INTUNE, Offer.INSTALL, stale_before=LONG_AGO, offered=offered
    )  # fmt: skip
    assert set(asked_again) == set(told) - set(proved)


async def test_a_plane_that_holds_no_release_has_installed_none(table: PostgresDevices) -> None:
    await frozen(table, "a")
    await record(table, seen("a", INSTALLED))
    [counts] = (
        await table.measure(
            INTENT, RING, started_at={Plane.INTUNE: NOW}, now=NOW, reachable_within_s=3_600, offered={}
        )
    ).counts  # fmt: skip
    assert (counts.installed, counts.unknown, counts.compliance_p90_s) == (0, 1, None)


async def test_a_failure_that_is_not_verified_is_unknown_too(table: PostgresDevices) -> None:
    """Or the failures would weigh more, against those of the installed that are verified already."""
    await frozen(table, "early", "late")
    await record(table, Observation("early", FAILED, NOW, NOW - HOUR, "0x1"), seen("late", FAILED, code="0x2"))
    measurement = await table.measure(
        INTENT, RING, started_at={Plane.INTUNE: NOW - HOUR}, now=NOW, reachable_within_s=36_000,
        offered={Plane.INTUNE: Offered(NOW - HOUR, NOW)},
    )  # fmt: skip
    assert (measurement.counts[0].failed, measurement.counts[0].unknown) == (1, 1)
    assert measurement.failures == (("0x2", 1),)


async def test_what_is_not_verified_is_neither_reported_nor_in_time(table: PostgresDevices) -> None:
    await frozen(table, "a")
    await record(table, Observation("a", INSTALLED, NOW, NOW - HOUR))  # dated now, of a device not heard of since
    counts = await measured_since(table, Offered(NOW - HOUR, NOW))
    assert (counts.reported, counts.compliance_p90_s) == (0, None)
    await record(table, Observation("a", INSTALLED, NOW, NOW))
    counts = await measured_since(table, Offered(NOW - HOUR, NOW))
    assert (counts.reported, counts.compliance_p90_s) == (1, 3_600)


async def test_a_removal_counts_only_when_it_is_newer_than_what_asked_for_it(table: PostgresDevices) -> None:
    await frozen(table, "a", "b", "c")
    await record(table, *(seen(id, INSTALLED, NOW - 3 * HOUR) for id in "abc"))
    await record(table, seen("a", NOT_INSTALLED, NOW - HOUR), seen("b", NOT_INSTALLED, NOW + HOUR))
    removal = Removal(NOW)
    reverted = await table.reverted(INTENT, [RING], removal)
    assert (reverted.reverted, reverted.remaining) == (1, 2)
    asked = await table.watched(
        INTENT, RING, Plane.INTUNE, Offer.UNINSTALL, stale_before=LONG_AGO, offered=since(removal.asked_at)
    )  # fmt: skip
    assert asked == ["a", "c"]


async def test_where_the_previous_release_comes_back_it_must_be_seen(table: PostgresDevices) -> None:
    await frozen(table, "a", "b", "c", "never-had-it")
    await record(table, *(seen(id, INSTALLED, NOW - HOUR) for id in "abc"))
    await record(table, seen("a", NOT_INSTALLED, NOW + HOUR), seen("b", NOT_INSTALLED, NOW + HOUR))
    back = Removal(NOW, coming_back=[(RING, Plane.INTUNE)])
    assert await table.awaited_back(INTENT, RING, Plane.INTUNE) == ["a", "b", "c"]
    news = [
        seen("a", INSTALLED, NOW + HOUR),
        seen("b", INSTALLED, NOW - HOUR),  # from before the rollback
        seen("c", INSTALLED, NOW + HOUR),  # and the failing one is still there
        seen("never-had-it", FAILED, NOW + HOUR),
    ]
    assert await table.restored(INTENT, RING, Plane.INTUNE, news, asked_at=NOW) == 2
    assert await table.restored(INTENT, RING, Plane.INTUNE, news, asked_at=NOW) == 0
    assert await table.awaited_back(INTENT, RING, Plane.INTUNE) == ["b"]
    reverted = await table.reverted(INTENT, [RING], back)
    assert (reverted.reverted, reverted.remaining) == (1, 2)
    over_it = Removal(NOW, coming_back=[(RING, Plane.INTUNE)], irremovable=[Plane.INTUNE])
    reverted = await table.reverted(INTENT, [RING], over_it)
    assert (reverted.reverted, reverted.remaining) == (2, 1)
