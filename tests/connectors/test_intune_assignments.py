"""Everybody else's assignments survive ours: the merge, and what is read back after the write."""

import copy
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from http_fakes import CountingBudget, HandClock, Network
from hypothesis import given
from hypothesis import strategies as st

from eucora.application.planes import Offer, PlaneRejected, PlaneUnavailable
from eucora.connectors.http import NO_RETRY, Upstream, upstream_client
from eucora.connectors.intune.assignments import (
    AssignmentDesk,
    available_groups,
    excluded_groups,
    holds,
    offers,
    with_offer,
    without_offers,
)
from eucora.connectors.intune.graph import Graph

RING, OTHER_RING, STRANGER = "11111111-0000-4000-8000-000000000001", "22222222-0000-4000-8000-000000000002", "x-3"


def _assignment(intent: str, kind: str, group: str | None = None, **settings: Any) -> dict[str, Any]:
    target: dict[str, Any] = {"@odata.type": f"#microsoft.graph.{kind}AssignmentTarget"}
    if group is not None:
        target["groupId"] = group
    return {"@odata.type": "#microsoft.graph.mobileAppAssignment", "intent": intent, "target": target} | (
        {"settings": {"@odata.type": "#microsoft.graph.win32LobAppAssignmentSettings", **settings}} if settings else {}
    )


FOREIGN = [
    _assignment("required", "exclusionGroup", RING),
    _assignment("available", "group", STRANGER, notifications="hideAll", restartSettings={"gracePeriodInMinutes": 90}),
    _assignment("available", "allLicensedUsers"),
    _assignment("required", "allDevices", installTimeSettings={"useLocalTime": True, "deadlineDateTime": None}),
]


def test_an_offer_is_added_beside_all_that_stands() -> None:
    merged = with_offer(FOREIGN, RING, Offer.INSTALL)
    assert merged[:-1] == FOREIGN
    assert offers(merged) == [(RING, Offer.INSTALL)]


def test_an_offer_that_stands_changes_nothing() -> None:
    once = with_offer(FOREIGN, RING, Offer.INSTALL)
    assert with_offer(once, RING.upper(), Offer.INSTALL) == once


def test_an_offer_of_the_other_kind_gives_way() -> None:
    once = with_offer(with_offer(FOREIGN, OTHER_RING, Offer.INSTALL), RING, Offer.INSTALL)
    turned = with_offer(once, RING, Offer.UNINSTALL)
    assert offers(turned) == [(OTHER_RING, Offer.INSTALL), (RING, Offer.UNINSTALL)]
    assert turned[: len(FOREIGN)] == FOREIGN


def test_only_the_offers_asked_for_are_taken_back() -> None:
    both = with_offer(with_offer(FOREIGN, RING, Offer.INSTALL), OTHER_RING, Offer.INSTALL)
    assert offers(without_offers(both, [RING])) == [(OTHER_RING, Offer.INSTALL)]
    assert without_offers(both, []) == FOREIGN


def test_groups_are_kept_out_beside_the_exclusions_that_stand() -> None:
    merged = with_offer(FOREIGN, OTHER_RING, Offer.INSTALL, excluded=[RING.upper(), STRANGER])
    assert excluded_groups(merged) == [RING, STRANGER], "one was there already"
    assert merged[: len(FOREIGN)] == FOREIGN
    assert with_offer(merged, OTHER_RING, Offer.INSTALL, excluded=[STRANGER, RING]) == merged
    assert excluded_groups(without_offers(merged, [])) == [RING, STRANGER], "who is kept out stays out"


def test_an_exclusion_that_was_lost_is_noticed() -> None:
    wanted = with_offer([], RING, Offer.INSTALL, excluded=[STRANGER])
    filled_in = copy.deepcopy(wanted)
    filled_in[0]["settings"] = {"@odata.type": "#microsoft.graph.win32LobAppAssignmentSettings"}
    assert holds(wanted, filled_in, gone=())
    assert not holds(wanted, wanted[1:], gone=())


def test_what_makes_an_app_available_is_ours_only_for_the_group_that_we_offered_it_to() -> None:
    merged = with_offer(FOREIGN, RING, Offer.AVAILABLE)
    assert merged[:-1] == FOREIGN
    assert available_groups(merged) == [(STRANGER, Offer.AVAILABLE), (RING, Offer.AVAILABLE)]
    assert with_offer(merged, RING.upper(), Offer.AVAILABLE) == merged
    assert without_offers(merged, [RING]) == without_offers(merged, []) == merged
    assert without_offers(merged, [RING], [RING.upper()]) == FOREIGN


def test_available_and_required_give_way_to_each_other_where_they_are_ours() -> None:
    required = with_offer([], RING, Offer.INSTALL)
    free = with_offer(required, RING, Offer.AVAILABLE)
    assert (offers(free), available_groups(free)) == ([], [(RING, Offer.AVAILABLE)])
    assert holds(free, free, gone={RING}, available={RING})
    assert not holds(free, [*free, *required], gone={RING}, available={RING})
    taken = without_offers(free, [RING], [RING])
    assert not holds(taken, free, gone=(), available={RING}), "it can still be chosen"
    assert not holds(free, taken, gone=(), available={RING})


foreign_sets = st.lists(
    st.builds(
        _assignment,
        st.sampled_from(["available", "availableWithoutEnrollment"]),
        st.sampled_from(["group", "exclusionGroup", "allDevices"]),
        st.sampled_from([RING, OTHER_RING, STRANGER]),
        notifications=st.sampled_from(["showAll", "hideAll"]),
    ),
    max_size=6,
)


@given(
    foreign_sets,
    st.lists(
        st.tuples(st.sampled_from([RING, OTHER_RING]), st.sampled_from([Offer.INSTALL, Offer.UNINSTALL])), max_size=6
    ),
)
def test_no_sequence_of_offers_touches_what_is_not_ours(
    foreign: list[dict[str, Any]], asked: list[tuple[str, Offer]]
) -> None:
    standing = copy.deepcopy(foreign)
    for group, offer in asked:
        standing = with_offer(standing, group, offer)
    assert dict(offers(standing)) == dict(asked)
    assert len(offers(standing)) == len(dict(asked))
    assert without_offers(standing, []) == foreign


def test_reading_back_allows_additions_and_filled_in_settings_but_no_loss() -> None:
    wanted = with_offer(FOREIGN, RING, Offer.INSTALL)
    filled_in = copy.deepcopy(wanted)
    filled_in[-1]["settings"]["autoUpdateSettings"] = {"autoUpdateSupersededApps": "notConfigured"}
    filled_in.append(_assignment("available", "group", "new"))
    assert holds(wanted, filled_in, gone=())
    assert not holds(wanted, filled_in[1:], gone=()), "an exclusion was lost"
    assert not holds(wanted, FOREIGN, gone=()), "our offer was lost"
    changed = copy.deepcopy(wanted)
    changed[1]["settings"]["notifications"] = "showAll"
    assert not holds(wanted, changed, gone=()), "somebody's settings were changed"
    assert not holds(FOREIGN, wanted, gone={RING}), "the offer taken back is still there"


class Service:
    """``/assignments`` and the replace-all ``/assign`` of one app, with another writer in between."""

    def __init__(self) -> None:
        self.standing: list[dict[str, Any]] = [{"id": str(i)} | a for i, a in enumerate(copy.deepcopy(FOREIGN))]
        self.after_write: list[Callable[[], None]] = []
        self.stale_reads: list[list[dict[str, Any]]] = []
        self.writes: list[list[dict[str, Any]]] = []
        self.once = False  # whether a target may stand there only once, whatever the intent
        self.clock, network = HandClock(), Network(self._answer)
        client = upstream_client(
            Upstream("graph", "https://graph.test/v1.0", "t"),
            budget=CountingBudget(),
            per_s=1,
            burst=1,
            retry=NO_RETRY,
            inner=network,
        )
        self.desk = AssignmentDesk(Graph(client), sleep=self.clock.sleep)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1.0/deviceAppManagement/mobileApps/app-1/assignments":
            return httpx.Response(200, json={"value": self.stale_reads.pop(0) if self.stale_reads else self.standing})
        assert request.method == "POST"
        assert request.url.path == "/v1.0/deviceAppManagement/mobileApps/app-1/assign"
        before, wanted = self.standing, json.loads(request.content)["mobileAppAssignments"]
        targets = [json.dumps(one["target"], sort_keys=True) for one in wanted]
        if self.once and len(set(targets)) < len(targets):
            error = {"code": "BadRequest", "message": "The MobileApp Assignment already exists."}
            return httpx.Response(400, json={"error": error})
        self.standing = wanted
        self.writes.append(self.standing)
        if self.after_write:
            self.after_write.pop(0)()
        elif self.stale_reads == [[]]:
            self.stale_reads = [before]
        return httpx.Response(204)


async def test_the_write_carries_every_other_assignment_as_it_was() -> None:
    service = Service()
    assert await service.desk.offer("app-1", RING, Offer.INSTALL)
    (written,) = service.writes
    assert written[:-1] == FOREIGN
    assert not await service.desk.offer("app-1", RING, Offer.INSTALL)
    assert len(service.writes) == 1


async def test_each_kind_of_offer_keeps_out_by_its_own_exclusion() -> None:
    service = Service()
    await service.desk.offer("app-1", OTHER_RING, Offer.INSTALL, excluded=[STRANGER])
    await service.desk.offer("app-1", "9", Offer.AVAILABLE, excluded=[STRANGER])
    kept = [a["intent"] for a in service.standing if a["target"].get("groupId") == STRANGER and a not in FOREIGN]
    assert kept == ["required", "available"]


async def test_a_service_that_takes_a_group_only_once_keeps_the_exclusion_that_it_has() -> None:
    service = Service()
    service.once = True
    await service.desk.offer("app-1", OTHER_RING, Offer.INSTALL, excluded=["8"])
    assert await service.desk.offer("app-1", "9", Offer.AVAILABLE, excluded=["8"])
    assert excluded_groups(service.standing) == [RING, "8"]
    assert not await service.desk.offer("app-1", "9", Offer.AVAILABLE, excluded=["8"])
    service.standing.append(_assignment("available", "group", OTHER_RING))
    with pytest.raises(PlaneRejected):  # nothing of it is about exclusions
        await service.desk.offer("app-1", "7", Offer.INSTALL)


async def test_another_writer_in_between_is_met_with_one_more_round() -> None:
    service = Service()
    service.after_write = [lambda: setattr(service, "standing", copy.deepcopy(FOREIGN[:2]))]
    assert await service.desk.offer("app-1", RING, Offer.INSTALL)
    assert len(service.writes) == 2
    assert service.standing[:-1] == FOREIGN[:2], "what the other writer left is what stands"
    assert offers(service.standing) == [(RING, Offer.INSTALL)]


async def test_a_writer_who_keeps_at_it_makes_the_call_fail_for_now() -> None:
    service = Service()
    service.after_write = [lambda: setattr(service, "standing", copy.deepcopy(FOREIGN))] * 5
    with pytest.raises(PlaneUnavailable, match="another writer"):
        await service.desk.offer("app-1", RING, Offer.INSTALL)
    assert len(service.writes) == 2


async def test_a_read_that_lags_behind_the_write_is_waited_for() -> None:
    service = Service()
    service.after_write = [lambda: service.stale_reads.append(copy.deepcopy(FOREIGN))]
    assert await service.desk.offer("app-1", RING, Offer.INSTALL)
    assert len(service.writes) == 1
    assert service.clock.slept == [1.0]


async def test_taking_back_names_what_was_really_taken() -> None:
    service = Service()
    await service.desk.offer("app-1", RING, Offer.INSTALL)
    await service.desk.offer("app-1", OTHER_RING, Offer.UNINSTALL)
    assert await service.desk.take_back("app-1", [RING, "unknown"]) == [RING]
    assert await service.desk.take_back("app-1", [RING]) == []
    assert await service.desk.take_back("app-1", []) == [OTHER_RING]
    assert service.standing == FOREIGN
