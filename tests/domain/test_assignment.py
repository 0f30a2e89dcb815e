"""Percentages of a group: a device has one place, for ever, and shares cut the places up without a gap."""

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eucora.domain.assignment import (
    BUCKETS,
    WHOLE,
    Share,
    bucket_of,
    in_share,
    is_share,
    overlapping,
    without,
    words,
)

DEVICES = [f"device-{number}" for number in range(10_000)]
bounds = st.integers(0, 100)
shares = st.tuples(bounds, bounds).filter(lambda pair: pair[0] < pair[1])


def chosen(share: Share, application: str = "text-editor") -> set[str]:
    return {device for device in DEVICES if in_share(application, device, share)}


@pytest.mark.parametrize(
    ("application", "device", "bucket"),
    [
        ("text-editor", "device-1", 7557),
        ("text-editor", "device-2", 2793),
        ("vpn-client", "device-1", 4382),
        ("edge-tunnel", "5f1c2a8e-6f00-4000-8000-000000000000", 4229),
        ("größe", "17", 8224),
    ],
)
def test_known_answers(application: str, device: str, bucket: int) -> None:
    """Made with sha256sum: its first 16 hex digits as a number, modulo 10,000. A change here moves every device."""
    assert bucket_of(application, device) == bucket
    percent = bucket // 100
    assert in_share(application, device, (percent, percent + 1))
    assert not in_share(application, device, (0, percent))
    assert not in_share(application, device, (percent + 1, 100))


@given(st.text(), st.text())
def test_a_place_exists_for_whatever_ids_there_are_and_stays(application: str, device: str) -> None:
    place = bucket_of(application, device)
    assert 0 <= place < BUCKETS
    assert bucket_of(application, device) == place


@given(st.sets(st.integers(1, 99), max_size=6), st.text(min_size=1))
def test_shares_that_cut_up_the_whole_hold_each_device_once(cuts: set[int], device: str) -> None:
    parts = [*pairwise([0, *sorted(cuts), 100])]
    assert sum(in_share("text-editor", device, part) for part in parts) == 1


@given(st.text(), st.text(), shares, bounds)
def test_a_share_that_grows_only_adds_devices(application: str, device: str, share: Share, more: int) -> None:
    larger = (share[0], max(share[1], more))
    assert in_share(application, device, larger) or not in_share(application, device, share)


@pytest.mark.parametrize("share", [(0, 1), (0, 10), (10, 50), (50, 100), (99, 100)])
def test_a_share_holds_about_its_part_of_many_devices(share: Share) -> None:
    """Four standard deviations of a fair draw."""
    percent = share[1] - share[0]
    spread = 4 * (len(DEVICES) * percent * (100 - percent)) ** 0.5 / 100
    assert abs(len(chosen(share)) - len(DEVICES) * percent / 100) <= spread


def test_places_are_spread_evenly_within_the_percents() -> None:
    places = Counter(bucket_of("text-editor", device) % 100 for device in DEVICES)
    assert len(places) == 100
    assert max(places.values()) < 2 * min(places.values())


def test_another_application_has_other_devices_first() -> None:
    one, other = chosen((0, 10)), chosen((0, 10), "vpn-client")
    assert 50 < len(one & other) < 200  # a tenth of a tenth, were they drawn apart


def test_the_whole_group_is_every_device_with_a_share_or_without() -> None:
    assert chosen(WHOLE) == {*DEVICES}
    assert all(in_share("text-editor", device, None) for device in DEVICES[:10])


@pytest.mark.parametrize(("share", "good"), [
    ((0, 100), True), ((0, 1), True), ((99, 100), True),
    ((0, 0), False), ((10, 10), False), ((50, 10), False), ((-1, 10), False), ((90, 101), False),
])  # fmt: skip
def test_a_share_begins_at_0_or_later_and_ends_at_100_or_earlier(share: Share, good: bool) -> None:
    assert is_share(share) is good


@given(st.lists(shares, max_size=5))
def test_shares_overlap_exactly_when_a_percent_is_in_two(parts: list[Share]) -> None:
    counted = Counter(percent for part in parts for percent in range(*part))
    assert bool(overlapping(parts)) is any(times > 1 for times in counted.values())


@given(shares, st.lists(shares, max_size=4))
def test_what_is_left_of_a_share_is_every_percent_that_was_not_taken(share: Share, taken: list[Share]) -> None:
    left = without(share, taken)
    gone = {percent for one in taken for percent in range(*one)}
    assert [percent for one in left for percent in range(*one)] == [one for one in range(*share) if one not in gone]
    assert all(before[1] < after[0] for before, after in pairwise(left))


def test_a_share_is_told_in_percent() -> None:
    assert words((10, 50)) == "10–50 %"
