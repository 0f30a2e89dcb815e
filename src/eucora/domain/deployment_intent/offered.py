"""Since when the devices of an intent's rings can say something about its release."""

from collections.abc import Mapping

from eucora.domain.deployment_intent.state import DeploymentIntent
from eucora.domain.planes import Plane
from eucora.domain.rings import Ring
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
