"""When a device's word about a release is taken: a plane that says "installed" is believed once the device was heard.

A status service may run ahead of its devices, or answer from an earlier offer. So a state counts only as an observation
that is newer than what it is said of.
"""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Offered:
    """Since when devices can say something about the release (UTC).

    ``released_at``: the plane held the release from then on, so no earlier state is about it. ``offered_at``: the
    earliest moment at which this ring's offer could stand, so a device must have been heard of since. The first is not
    later than the second: who got the release in an earlier ring need not install it again.
    """

    released_at: datetime
    offered_at: datetime


def since(at: datetime) -> Offered:
    """The same moment for both: of a removal, nothing before it counts."""
    return Offered(at, at)


def verified(offered: Offered, observed_at: datetime | None, last_check_in: datetime | None) -> bool:
    """Whether a state that the plane dates ``observed_at``, of a device last heard of at ``last_check_in``, counts.

    A plane that names only one of the two times is judged by that one; one that names neither proves nothing.
    """
    stated, heard = observed_at or last_check_in, last_check_in or observed_at
    return stated is not None and heard is not None and stated >= offered.released_at and heard >= offered.offered_at
