"""What a computer's policy log says about a release."""

from dataclasses import replace
from datetime import UTC, datetime
from xml.etree.ElementTree import fromstring

import pytest

from eucora.application.planes import Offer
from eucora.connectors.jamf.history import PolicyRun, policy_runs, verdict
from eucora.connectors.jamf.rounds import RoundPolicy
from eucora.domain.planes import InstallState

OURS = [
    RoundPolicy(Offer.INSTALL, 1, "10"),
    RoundPolicy(Offer.UNINSTALL, 1, "11"),
    RoundPolicy(Offer.INSTALL, 2, "20"),
    RoundPolicy(Offer.UNINSTALL, 2, "21"),
]
SEEN = datetime(2026, 3, 2, 13, tzinfo=UTC)


def at(hour: int) -> datetime:
    return datetime(2026, 3, 2, hour, tzinfo=UTC)


def installed(when: datetime | None, status: str = "Completed") -> PolicyRun:
    return PolicyRun("10", "Editor", status, when)


def removed(when: datetime | None, status: str = "Completed") -> PolicyRun:
    return PolicyRun("11", "Editor uninstall", status, when)


@pytest.mark.parametrize(
    ("runs", "offer", "state"),
    [
        ([], Offer.INSTALL, None),
        ([PolicyRun("99", "Editor", "Completed", at(9))], Offer.INSTALL, None),
        ([installed(at(9))], Offer.INSTALL, InstallState.INSTALLED),
        ([installed(at(9), "Failed")], Offer.INSTALL, InstallState.FAILED),
        ([installed(at(9), "Pending")], Offer.INSTALL, InstallState.PENDING),
        ([installed(at(9), "Failed"), installed(at(10))], Offer.INSTALL, InstallState.INSTALLED),
        ([installed(at(10)), installed(at(9), "Failed")], Offer.INSTALL, InstallState.INSTALLED),
        ([installed(None, "Failed"), installed(None)], Offer.INSTALL, InstallState.INSTALLED),
        ([installed(None, "Failed"), installed(None, "Failed")], Offer.INSTALL, InstallState.FAILED),
        ([installed(at(9)), removed(at(10))], Offer.INSTALL, InstallState.NOT_INSTALLED),
        ([installed(at(11)), removed(at(10))], Offer.INSTALL, InstallState.INSTALLED),
        ([installed(at(9)), removed(at(10), "Failed")], Offer.INSTALL, InstallState.INSTALLED),
        ([installed(None), removed(None)], Offer.INSTALL, InstallState.NOT_INSTALLED),
        ([installed(at(9)), removed(at(10))], Offer.UNINSTALL, InstallState.NOT_INSTALLED),
        ([installed(at(9)), removed(None)], Offer.UNINSTALL, InstallState.NOT_INSTALLED),
        ([installed(at(9)), removed(at(10), "Failed")], Offer.UNINSTALL, InstallState.FAILED),
        ([installed(at(9)), removed(at(10), "Running")], Offer.UNINSTALL, InstallState.PENDING),
        ([installed(at(9))], Offer.UNINSTALL, InstallState.INSTALLED),
        ([installed(at(9), "Failed")], Offer.UNINSTALL, None),
        ([removed(at(9))], Offer.UNINSTALL, InstallState.NOT_INSTALLED),
    ],
)
def test_the_latest_run_that_counts_decides(runs: list[PolicyRun], offer: Offer, state: InstallState | None) -> None:
    word = verdict("7", runs, OURS, offer, SEEN)
    assert (word.state if word else None) == state


def again(when: datetime | None, status: str = "Completed") -> PolicyRun:
    return PolicyRun("20", "Editor round 2", status, when)


def removed_again(when: datetime | None, status: str = "Completed") -> PolicyRun:
    return PolicyRun("21", "Editor round 2 uninstall", status, when)


@pytest.mark.parametrize(
    ("later", "offer", "state"),
    [
        ([], Offer.INSTALL, InstallState.NOT_INSTALLED),  # the first round's install counts no more
        ([again(at(11))], Offer.INSTALL, InstallState.INSTALLED),
        ([again(at(11), "Failed")], Offer.INSTALL, InstallState.FAILED),
        ([again(at(11), "Failed"), again(at(12))], Offer.INSTALL, InstallState.INSTALLED),
        ([again(at(12)), again(at(11), "Failed")], Offer.INSTALL, InstallState.INSTALLED),
        ([again(at(11), "Running")], Offer.INSTALL, InstallState.PENDING),
        ([again(at(11))], Offer.UNINSTALL, InstallState.INSTALLED),
        ([again(at(11)), removed_again(at(12))], Offer.UNINSTALL, InstallState.NOT_INSTALLED),
        ([again(at(11)), removed_again(at(12), "Failed")], Offer.UNINSTALL, InstallState.FAILED),
        ([again(at(11)), removed_again(at(12))], Offer.INSTALL, InstallState.NOT_INSTALLED),
    ],
)
@pytest.mark.parametrize("dated", [True, False], ids=["dated", "undated"])
def test_a_later_round_is_the_later_word_with_and_without_dates(
    later: list[PolicyRun], offer: Offer, state: InstallState, dated: bool
) -> None:
    runs = [installed(at(9)), removed(at(10)), *later]
    if not dated:
        runs = [replace(run, at=None) for run in runs]
    for order in (runs, runs[::-1]):
        word = verdict("7", order, OURS, offer, SEEN)
        assert word is not None
        assert word.state == state


def test_dates_that_can_be_compared_outrank_the_rounds() -> None:
    """A computer of two groups may run an old round's policy last, for the other group."""
    word = verdict("7", [installed(at(12)), again(at(9)), removed(at(10))], OURS, Offer.INSTALL, SEEN)
    assert word is not None
    assert (word.state, word.observed_at) == (InstallState.INSTALLED, at(12))


def test_a_failure_keeps_the_vendors_word_and_time() -> None:
    word = verdict("7", [installed(at(9), "Failed")], OURS, Offer.INSTALL, SEEN)
    assert word is not None
    assert (word.code, word.observed_at, word.last_check_in) == ("Failed", at(9), SEEN)
    assert "policy 10" in word.detail


def test_runs_without_our_policies_say_nothing() -> None:
    assert verdict("7", [PolicyRun("", "", "Completed", None)], [], Offer.INSTALL, SEEN) is None


@pytest.mark.parametrize(
    ("dates", "expected"),
    [
        ("<date_completed_epoch>1499470624555</date_completed_epoch>", datetime(2017, 7, 7, 23, 37, 4, 555000, UTC)),
        ("<date_time_epoch>1499470624555</date_time_epoch>", datetime(2017, 7, 7, 23, 37, 4, 555000, UTC)),
        (
            "<date_completed_utc>2017-07-07T18:37:04.555-0500</date_completed_utc>",
            datetime(2017, 7, 7, 23, 37, 4, 555000, UTC),
        ),
        ("<date_time_utc>2017-07-07T23:37:04Z</date_time_utc>", datetime(2017, 7, 7, 23, 37, 4, 0, UTC)),
        ("<date_time>2017/07/07 at 6:37 PM</date_time>", None),  # names no zone, so no instant
        ("<date_time>2017-07-07T18:37:04</date_time>", None),
        ("<date_time_epoch>0</date_time_epoch>", None),
        ("<date_time_epoch>99999999999999999999</date_time_epoch>", None),
        ("", None),
    ],
)
def test_both_spellings_of_the_date_are_read_and_none_is_needed(dates: str, expected: datetime | None) -> None:
    document = fromstring(
        "<computer_history><policy_logs><size>1</size><policy_log><policy_id>10</policy_id>"
        f"<policy_name>Editor</policy_name><status>Completed</status>{dates}</policy_log></policy_logs></computer_history>"
    )
    assert policy_runs(document) == [PolicyRun("10", "Editor", "Completed", expected)]
