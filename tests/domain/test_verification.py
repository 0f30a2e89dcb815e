"""A plane's word counts once the device itself was heard of; property: one newer look never proves less."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from intents import EXE, LATER, NOON, freeze, in_lab, proposed, start

from eucora.domain.deployment_intent import commands as c
from eucora.domain.deployment_intent.offered import offered_in
from eucora.domain.planes import Plane
from eucora.domain.rings import Ring
from eucora.domain.verification import Offered, since, verified

RELEASED = datetime(2026, 3, 2, 12, tzinfo=UTC)
OFFERED = RELEASED + timedelta(hours=2)
EARLY, LATE = RELEASED - timedelta(hours=1), OFFERED + timedelta(hours=1)
AN_OFFER = Offered(RELEASED, OFFERED)
moments = st.none() | st.integers(-72, 72).map(lambda hours: RELEASED + timedelta(hours=hours))


@pytest.mark.parametrize(
    ("observed_at", "last_check_in", "counts"),
    [
        (LATE, LATE, True),
        (LATE, EARLY, False),  # the status runs ahead of the device
        (EARLY, LATE, False),  # a word about something else
        (RELEASED, OFFERED, True),  # it has it from an earlier ring, and was heard of in this one
        (RELEASED, RELEASED, False),
        (None, OFFERED, True),
        (None, RELEASED, False),
        (OFFERED, None, True),
        (RELEASED, None, False),
        (None, None, False),
    ],
)
def test_a_state_counts_when_it_is_newer_than_the_release_and_its_device_than_the_offer(
    observed_at: datetime | None, last_check_in: datetime | None, counts: bool
) -> None:
    assert verified(AN_OFFER, observed_at, last_check_in) is counts


@given(moments, moments, st.integers(0, 100))
def test_what_counts_still_counts_after_a_later_look(
    observed_at: datetime | None, last_check_in: datetime | None, hours: int
) -> None:
    later = timedelta(hours=hours)
    if verified(AN_OFFER, observed_at, last_check_in):
        assert verified(AN_OFFER, observed_at and observed_at + later, last_check_in and last_check_in + later)


def test_nothing_before_a_removal_counts() -> None:
    assert since(NOON) == Offered(NOON, NOON)


def test_a_ring_counts_from_its_publication_and_the_release_from_the_first() -> None:
    published = c.RecordPublished(Ring.LAB, Plane.INTUNE, "app-7", "1", EXE, NOON)
    story = proposed().and_when(start(), freeze(Ring.LAB))
    assert offered_in(story.state, Ring.LAB) == {}
    lab = story.and_when(published)
    assert offered_in(lab.state, Ring.LAB) == {Plane.INTUNE: Offered(NOON, NOON)}
    assert offered_in(lab.state, Ring.CANARY) == {}


def test_after_a_rehearsal_the_lab_counts_anew() -> None:
    story = in_lab(proposed()).and_when(c.RecordPublished(Ring.LAB, Plane.INTUNE, "app-7", "1", EXE, NOON))
    ended = story.state.rehearsed_at
    assert ended is not None
    assert ended >= NOON
    assert offered_in(story.state, Ring.LAB) == {Plane.INTUNE: Offered(ended, ended)}
    assert LATER >= NOON
