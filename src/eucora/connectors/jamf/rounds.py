"""Offering a release again after it was removed: each time with a policy that no computer has run yet.

Our policies run once per computer, so a group that installed, removed and is offered the same key again needs more than
its old place in a scope. Flushing the policy's log looks like the way, but Jamf flushes either all logs of a policy or
all policy logs of some computers, and says that it cannot flush one policy's on some computers: the former makes the
other groups in the scope install again, the latter runs other people's policies again. (Source: developer.jamf.com,
Classic API 11.32 reference, "Flushes a log specified in an XML file", read 2026-11-22.) So there are rounds, each with
an install policy and an uninstall policy, and no policy is asked to run again where it ran. The logs stay, too. A
policy for Self Service is the round's other way to install: people start it, and may start it again.

Which round an offer belongs to follows from the policies that exist, which neither a kill nor a withdrawal undoes:

- an install goes into the round after the last that has an uninstall policy, so after every removal of anybody;
- an uninstall goes into the last round, so after every install of anybody;
- an offer that stands unopposed is left where it is, whatever round other groups are in.

Every change of mind about one group therefore leads to a later policy in the order install 1, uninstall 1, install 2, …
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from eucora.application.planes import Offer
from eucora.connectors.jamf.api import JamfApi, off_schema
from eucora.connectors.jamf.names import SELF_SERVICE_SUFFIX, UNINSTALL_SUFFIX, release_name
from eucora.connectors.jamf.offers import read_policy
from eucora.connectors.jamf.policy import Policy

_ROUND = re.compile(r"(?: round (?P<number>[1-9][0-9]{0,8}))?")


@dataclass(frozen=True, slots=True)
class RoundPolicy:
    """One of our policies of a release: what it offers, in which round, and its id on the server."""

    offer: Offer
    number: int
    id: str

    @property
    def rank(self) -> tuple[int, int]:
        """Sorts the policies in the order in which one group goes through them."""
        return self.number, (Offer.AVAILABLE, Offer.INSTALL, Offer.UNINSTALL).index(self.offer)


@dataclass(frozen=True, slots=True)
class Rounds:
    """Our policies of one release as read, in the order of their rank."""

    read: Mapping[RoundPolicy, Policy]

    def home(self, offer: Offer, group_id: str) -> int:
        """The round in which ``offer`` is to stand for the group: where it stands unopposed, or the next one."""
        reaching = [known for known, policy in self.read.items() if _reaches(policy, group_id)]
        if reaching and all(known.offer is offer for known in reaching):
            return reaching[-1].number
        last = max((known.number for known in self.read), default=1)
        if offer is Offer.UNINSTALL:
            return last
        removed = max((known.number for known in self.read if known.offer is Offer.UNINSTALL), default=0)
        return max(removed + 1, last)

    def in_the_way(self, offer: Offer, group_id: str, home: int) -> Sequence[Policy]:
        """The policies that the group has to leave so that ``offer``, in round ``home``, is all that stands for it.

        Those that make the same offer come first: a kill in between then leaves the opposite one standing, and the next
        try knows as well as this one that the group has to move on.
        """
        others = [known for known in self.read if (known.offer, known.number) != (offer, home)]
        others.sort(key=lambda known: known.offer is not offer)
        return [self.read[known] for known in others if _reaches(self.read[known], group_id)]


async def find_round_policies(api: JamfApi, name: str, version: str, key: str) -> Sequence[RoundPolicy]:
    """Our policies of a release in the order of their rank, from the list of all policies of the server.

    The list and not one name after the other: people delete policies that are off, and a gap must hide nothing.
    """
    listing = await api.get_xml("/JSSResource/policies", "policies")
    if listing is None:
        raise off_schema(api.operation, "no list of policies")
    release = release_name(name, version, key).casefold()
    found = [
        known
        for entry in listing.iterfind("policy")
        if (known := _ours(release, entry.findtext("name") or "", (entry.findtext("id") or "").strip()))
    ]
    return sorted(found, key=lambda known: known.rank)


async def read_rounds(api: JamfApi, name: str, version: str, key: str) -> Rounds:
    """Our policies of a release, each read as a whole."""
    read: dict[RoundPolicy, Policy] = {}
    for known in await find_round_policies(api, name, version, key):
        if (policy := await read_policy(api, known.id)) is not None:  # None: deleted since
            read[known] = policy
    return Rounds(read)


def _ours(release: str, name: str, policy_id: str) -> RoundPolicy | None:
    name = name.strip().casefold()
    if not name.startswith(release) or not policy_id.isdecimal():
        return None
    rest = name.removeprefix(release)
    suffixes = {Offer.UNINSTALL: UNINSTALL_SUFFIX, Offer.AVAILABLE: SELF_SERVICE_SUFFIX}
    offer = next((offer for offer, suffix in suffixes.items() if rest.endswith(suffix)), Offer.INSTALL)
    said = _ROUND.fullmatch(rest.removesuffix(suffixes.get(offer, "")))
    return None if said is None else RoundPolicy(offer, int(said["number"] or 1), policy_id)


def _reaches(policy: Policy, group_id: str) -> bool:
    return any(group.id == group_id for group in policy.groups)
