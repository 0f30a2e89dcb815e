"""What a gate says of many planes and sites is one sentence on record: bounded, and the worst of it first."""

from gate_facts import DAY, counted, facts

from eucora.domain.brevity import SENTENCE_MAX
from eucora.domain.gates import evaluate
from eucora.domain.planes import Plane, SiteClass
from eucora.domain.policies import GATE_POLICY_1_0
from eucora.domain.rings import Counts, Ring


def told(*counts: Counts) -> str:
    run = evaluate(GATE_POLICY_1_0, Ring.CANARY, facts(*counts, after=5 * DAY))
    (result,) = [result for result in run.results if result.gate == "time_to_compliance"]
    return result.reason


def test_of_more_places_than_a_sentence_holds_the_worst_are_named() -> None:
    places = [counted(10, plane=plane, site=site) for plane in Plane for site in SiteClass]
    assert (places[6].plane, places[6].site_class) == (Plane.INTUNE_MACOS, SiteClass.ONLINE)
    places[6] = counted(5, pending=5, plane=Plane.INTUNE_MACOS, p90=None)
    reason = told(*places)
    assert reason.startswith("intune_macos online: fewer than 90 % are installed after")
    assert reason.endswith("; and 3 more")
    assert len(reason) <= SENTENCE_MAX


def test_few_places_are_all_named_in_their_order() -> None:
    reason = told(*(counted(10, plane=plane) for plane in Plane))
    assert [part.split(" ")[0] for part in reason.split("; ")] == [plane.value for plane in Plane]
