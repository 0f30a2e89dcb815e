"""To which groups an intent's release is offered, and since when devices can say something about it."""

from collections.abc import Mapping

from eucora.domain.deployment_intent.state import DeploymentIntent
from eucora.domain.planes import Plane
from eucora.domain.rings import OfferAs, Ring, RingTarget
from eucora.domain.verification import Offered


def offered_in(state: DeploymentIntent, ring: Ring) -> Mapping[Plane, Offered]:
    """For each plane that holds the release for ``ring``; no other can have installed it.

    Counted from the publication, which is on record before any offer is made: the offer's own record may be later than
    the first install, when a worker was killed in between. After a rehearsal the lab starts anew.
    """
    found = {}
    for plane in Plane:
        times = {held_in: event.at for (held_in, of_plane), event in state.published.items() if of_plane is plane}
        if ring not in times:
            continue
        offered = Offered(min(times.values()), times[ring])
        if ring is Ring.LAB and state.rehearsed_at is not None:
            offered = Offered(max(offered.released_at, state.rehearsed_at), max(times[ring], state.rehearsed_at))
        found[plane] = offered
    return found


def group_of(state: DeploymentIntent, ring: Ring, target: RingTarget) -> str | None:
    """The group on the plane that stands for ``target``, in whatever is offered, taken back or compared.

    It is the target's own; for a share, the group of ours that holds its frozen devices. None: there is none of ours,
    because the cohort is not frozen yet. The source group never stands for a share of it.
    """
    if target.share is None:
        return target.group
    progress = state.rings.get(ring)
    cohort = None if progress is None else progress.cohorts.get(target.plane)
    kept = () if cohort is None else cohort.kept
    return next((one.ref for one in kept if one.group == target.group), None)


def groups_reached(state: DeploymentIntent, plane: Plane, only: OfferAs | None = None) -> frozenset[str]:
    """Every group on the plane that may have been offered something: those of all rings that were opened.

    ``only``: those that are offered it in this way.
    """
    if state.proposed is None:
        return frozenset()
    opened = [spec for spec in state.proposed.ring_plan.rings if spec.ring in state.rings]
    on_plane = [
        (spec.ring, target)
        for spec in opened
        for target in spec.targets
        if target.plane is plane and only in (None, target.offer_as)
    ]
    return frozenset(group for ring, target in on_plane if (group := group_of(state, ring, target)) is not None)
