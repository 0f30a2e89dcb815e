"""What a plane holds against what was decided: every kind of difference, and nothing else."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from intents import EXE, NOON, freeze, in_lab, proposed, rehearse, start

from eucora.domain.deployment_intent import commands as c
from eucora.domain.drift_compare import (
    LEFT_OUT,
    Actual,
    ActualGroup,
    Desired,
    DesiredGroup,
    DesiredOffer,
    DriftKind,
    Finding,
    Remedy,
    compare,
    desired_of,
    to_assign,
)
from eucora.domain.planes import Plane
from eucora.domain.rings import Ring

LAB, CANARY = DesiredOffer("Lab", "install", Ring.LAB), DesiredOffer("canary", "install", Ring.CANARY)
DESIRED = Desired(Plane.INTUNE, "app-7", "2.1", "1", (LAB, CANARY), frozenset({"pilot"}), Ring.PILOT)
AS_DECIDED = Actual("app-7", "2.1", "1", (("lab", "install"), ("canary", "install")))
PUBLISHED = c.RecordPublished(Ring.LAB, Plane.INTUNE, "app-7", "1", EXE, NOON)
OFFERED = c.RecordAssigned(Ring.LAB, Plane.INTUNE, "group-0", "app-7", "install", NOON)


def found(actual: Actual) -> list[tuple[DriftKind, Ring, str, str, str, Remedy]]:
    return [(one.kind, one.ring, one.group, one.expected, one.found, one.remedy) for one in compare(DESIRED, actual)]


def test_what_stands_as_decided_is_no_finding() -> None:
    assert compare(DESIRED, AS_DECIDED) == ()


@pytest.mark.parametrize("ref", [None, "app-8"])
def test_of_an_object_that_is_gone_nothing_else_is_said(ref: str | None) -> None:
    gone = replace(AS_DECIDED, ref=ref, version="0", offers=())
    assert found(gone) == [(DriftKind.MISSING_APP, Ring.PILOT, "", "app-7", ref or "nothing", Remedy.NONE)]


def test_another_version_or_content_is_found_and_not_touched() -> None:
    changed = replace(AS_DECIDED, version="2.2", content_version="2")
    assert found(changed) == [
        (DriftKind.WRONG_VERSION, Ring.PILOT, "", "2.1", "2.2", Remedy.NONE),
        (DriftKind.CHANGED_CONTENT, Ring.PILOT, "", "1", "2", Remedy.NONE),
    ]


def test_an_offer_that_was_taken_away_is_missing_in_its_own_ring() -> None:
    assert found(replace(AS_DECIDED, offers=(("lab", "install"),))) == [
        (DriftKind.MISSING_ASSIGNMENT, Ring.CANARY, "canary", "install", "nothing", Remedy.ASSIGN)
    ]


@pytest.mark.parametrize("offers", [("uninstall",), ("install", "uninstall")])
def test_a_group_that_is_asked_for_something_else_has_the_wrong_scope(offers: tuple[str, ...]) -> None:
    actual = replace(AS_DECIDED, offers=(("canary", "install"), *(("lab", offer) for offer in offers)))
    assert found(actual) == [(DriftKind.WRONG_SCOPE, Ring.LAB, "Lab", "install", " and ".join(offers), Remedy.ASSIGN)]


def test_what_is_free_to_choose_is_ours_only_where_it_was_decided() -> None:
    """Others may make the same app available to groups of theirs, also to one that must have it."""
    theirs = (*AS_DECIDED.offers, ("lab", "available"), ("guests", "available"))
    assert found(replace(AS_DECIDED, offers=theirs)) == []
    desired = replace(DESIRED, offers=(LAB, replace(CANARY, offer="available")))
    as_decided = replace(AS_DECIDED, offers=(("lab", "install"), ("canary", "available")))
    assert compare(desired, as_decided) == ()
    (forced,) = compare(desired, AS_DECIDED)
    assert (forced.kind, forced.expected, forced.found) == (DriftKind.WRONG_SCOPE, "available", "install")
    (gone,) = compare(desired, replace(as_decided, offers=(("lab", "install"),)))
    assert (gone.kind, gone.remedy) == (DriftKind.MISSING_ASSIGNMENT, Remedy.ASSIGN)


def test_a_group_that_is_to_stay_out_and_does_not_is_put_out_again() -> None:
    desired = replace(DESIRED, excluded=frozenset({"Kiosks", "vips"}))
    assert compare(desired, replace(AS_DECIDED, excluded=("kiosks", "vips", "theirs"))) == ()
    (let_in,) = compare(desired, replace(AS_DECIDED, excluded=("VIPS",)))
    assert (let_in.kind, let_in.group, let_in.remedy) == (DriftKind.WRONG_SCOPE, "Lab", Remedy.ASSIGN)
    assert (let_in.expected, let_in.found) == ("without Kiosks", "not left out")
    assert to_assign(desired, let_in) == (LAB, CANARY), "a plane may keep what is left out with each offer"


def test_an_offer_that_is_gone_is_made_again_and_no_other() -> None:
    (gone,) = compare(DESIRED, replace(AS_DECIDED, offers=(("lab", "install"),)))
    assert to_assign(DESIRED, gone) == (CANARY,)
    assert to_assign(DESIRED, replace(gone, remedy=Remedy.WITHDRAW)) == ()


def test_what_others_own_is_found_and_never_ours_to_remove() -> None:
    actual = replace(AS_DECIDED, wide=("required for allDevices",), excluded=("LAB", "vips"))
    assert found(actual) == [
        (DriftKind.WRONG_SCOPE, Ring.PILOT, "", "groups", "required for allDevices", Remedy.NONE),
        (DriftKind.WRONG_SCOPE, Ring.LAB, "Lab", "install", LEFT_OUT, Remedy.NONE),
    ]


def test_an_offer_that_nobody_decided_is_unknown() -> None:
    actual = replace(AS_DECIDED, offers=(*AS_DECIDED.offers, ("sales", "install")))
    assert found(actual) == [(DriftKind.UNKNOWN_ASSIGNMENT, Ring.PILOT, "sales", "nothing", "install", Remedy.WITHDRAW)]


def test_a_group_whose_offer_may_be_under_way_is_neither_missing_nor_unknown() -> None:
    assert compare(DESIRED, replace(AS_DECIDED, offers=(*AS_DECIDED.offers, ("PILOT", "install")))) == ()


offers = st.lists(
    st.tuples(st.sampled_from(["lab", "canary", "pilot", "sales"]), st.sampled_from(["install", "uninstall"])),
    max_size=6,
)


@given(offers, st.lists(st.sampled_from(["lab", "vips"]), max_size=2))
def test_comparing_depends_on_what_is_there_and_not_on_its_order(
    standing: list[tuple[str, str]], excluded: list[str]
) -> None:
    actual = replace(AS_DECIDED, offers=tuple(standing), excluded=tuple(excluded))
    again = replace(AS_DECIDED, offers=tuple(reversed(standing)) * 2, excluded=tuple(reversed(excluded)))
    findings = compare(DESIRED, actual)
    assert findings == compare(DESIRED, again)
    assert len({finding.key for finding in findings}) == len(findings)


@given(offers)
def test_remedies_lead_to_what_was_decided(standing: list[tuple[str, str]]) -> None:
    held = dict.fromkeys(standing)
    for finding in compare(DESIRED, replace(AS_DECIDED, offers=tuple(standing))):
        for offer in [kept for kept in held if kept[0] == finding.group.casefold()]:
            del held[offer]
        if finding.remedy is Remedy.ASSIGN:
            held[finding.group.casefold(), finding.expected] = None
    assert compare(DESIRED, replace(AS_DECIDED, offers=tuple(held))) == ()


def test_an_intent_holds_what_is_on_its_record() -> None:
    story = proposed().and_when(start(), freeze(Ring.LAB))
    assert desired_of(story.state, Plane.INTUNE) is None  # nothing is there yet
    waiting = story.and_when(PUBLISHED)
    assert desired_of(waiting.state, Plane.INTUNE) == Desired(
        Plane.INTUNE, "app-7", "2.1", "1", (), frozenset({"group-0"}), Ring.LAB
    )
    held = desired_of(waiting.and_when(OFFERED).state, Plane.INTUNE, frozenset({"group-0", "brought-back"}))
    assert held is not None
    assert held.offers == (DesiredOffer("group-0", "install", Ring.LAB),)
    assert held.undecided == {"brought-back"}
    assert desired_of(waiting.state, Plane.JAMF) is None


def test_an_offer_that_was_withdrawn_is_held_no_more() -> None:
    story = in_lab(proposed()).and_when(PUBLISHED, OFFERED, c.RecordWithdrawn(Plane.INTUNE, ("group-0",), NOON))
    held = desired_of(story.state, Plane.INTUNE)
    assert held is not None
    assert (held.offers, held.undecided) == ((), frozenset({"group-0"}))


def test_an_offer_that_a_rehearsal_turns_is_undecided_until_the_other_is_on_record() -> None:
    started, ended = rehearse()
    lab = proposed().and_when(start(), freeze(Ring.LAB), PUBLISHED, OFFERED)
    turning = lab.and_when(started)
    held = desired_of(turning.state, Plane.INTUNE)
    assert held is not None
    assert (held.offers, held.undecided) == ((), frozenset({"group-0"}))
    turned = turning.and_when(replace(OFFERED, offer="uninstall"))
    held = desired_of(turned.state, Plane.INTUNE)
    assert held is not None
    assert held.offers == (DesiredOffer("group-0", "uninstall", Ring.LAB),)
    held = desired_of(turned.and_when(ended).state, Plane.INTUNE)
    assert held is not None
    assert (held.offers, held.undecided) == ((), frozenset({"group-0"}))


def test_the_key_tells_findings_apart_by_what_is_found() -> None:
    one = Finding(Plane.JAMF, DriftKind.CHANGED_CONTENT, Ring.LAB, "", "a", "b", Remedy.NONE)
    assert one.key == replace(one, ring=Ring.PILOT).key
    assert one.key != replace(one, found="c").key


KEPT = replace(DESIRED, kept=(DesiredGroup("Lab", "everybody", Ring.LAB),))
HELD = "20 devices of everybody"


def found_in_kept(
    group: ActualGroup, actual: Actual = AS_DECIDED
) -> list[tuple[DriftKind, Ring, str, str, str, Remedy]]:
    differences = compare(KEPT, replace(actual, kept=(group,)))
    return [(one.kind, one.ring, one.group, one.expected, one.found, one.remedy) for one in differences]


def test_a_group_of_ours_that_holds_its_devices_is_no_finding() -> None:
    assert found_in_kept(ActualGroup("Lab", True, 20)) == []
    assert compare(KEPT, AS_DECIDED) == ()  # nobody looked into it


def test_members_that_nobody_froze_are_named_before_those_that_are_missing() -> None:
    strangers = tuple(f"mac-{number}" for number in range(7))
    assert found_in_kept(ActualGroup("Lab", True, 20, missing=3, foreign=strangers)) == [
        (
            DriftKind.FOREIGN_MEMBERS, Ring.LAB, "Lab", HELD, "7 more: mac-0, mac-1, mac-2, mac-3, mac-4, …",
            Remedy.GATHER,
        ),
        (DriftKind.MISSING_MEMBERS, Ring.LAB, "Lab", HELD, "3 fewer", Remedy.GATHER),
    ]  # fmt: skip


@pytest.mark.parametrize("offers", [AS_DECIDED.offers, AS_DECIDED.offers[1:]])
def test_of_a_group_of_ours_that_is_gone_nothing_else_is_said(offers: tuple[tuple[str, str], ...]) -> None:
    gone = ActualGroup("Lab", False, 20)
    assert found_in_kept(gone, replace(AS_DECIDED, offers=offers)) == [
        (DriftKind.MISSING_GROUP, Ring.LAB, "Lab", HELD, "nothing", Remedy.GATHER)
    ]
