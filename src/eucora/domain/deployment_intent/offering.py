"""How a plan may offer a release: who is free to choose, and who stays out of it."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from eucora.domain.planes import Plane
from eucora.domain.rings import OfferAs, Ring, RingPlan

# Where people can be offered a release to take by themselves, by the device. Intune: of all its app types only Win32
# apps may be made available to groups of devices (Microsoft, "Assign apps to groups in Microsoft Intune"). Jamf Pro:
# a policy in Self Service.
SELF_SERVICE: Final = frozenset({Plane.INTUNE, Plane.JAMF})


def problems_of(plan: RingPlan) -> Iterator[str]:
    """What of the plan's ways to offer cannot be carried out, one sentence each."""
    for spec in plan.rings:
        for target in spec.targets:
            place = f"group {target.group} on {target.plane} in ring {spec.ring}"
            if target.offer_as is not OfferAs.AVAILABLE:
                continue
            if spec.ring is Ring.LAB:
                yield f"{place} is available: the lab proves the release and its removal, so make it required there"
            if target.plane not in SELF_SERVICE:
                yield f"{place} is available: {target.plane} offers apps for choice to people only, so make it required"
    yield from _exclusion_problems(plan)


def _exclusion_problems(plan: RingPlan) -> Iterator[str]:
    """An exclusion holds for every offer of a release on its plane, and beats the offers.

    So all targets of a plane leave out the same groups: one that left a group out for its own ring alone would keep its
    devices from the release in every other ring, too.
    """
    excluded: dict[Plane, set[str]] = defaultdict(set)
    for spec in plan.rings:
        for target in spec.targets:
            excluded[target.plane].update(target.excluded)
    for spec in plan.rings:
        for target in spec.targets:
            place = f"group {target.group} on {target.plane} in ring {spec.ring}"
            if any(not group.strip() for group in target.excluded):
                yield f"{place} leaves out a group without a name: name it, or drop it"
            if target.group in excluded[target.plane]:
                yield f"{place} is left out of the release on {target.plane}, too: keep it as a target, or leave it out"
            if missing := sorted(excluded[target.plane] - {*target.excluded}):
                named = ", ".join(missing)
                yield f"{place} does not leave out {named}: a plane leaves a group out of all rings or of none"
