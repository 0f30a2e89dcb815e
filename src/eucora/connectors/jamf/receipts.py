"""Receipts in a computer's inventory, as a second witness beside its policy log.

Jamf leaves a receipt, named for the package's file, on every computer where it installed one; ours are named for one
release each. A log may be flushed while the release is there, or outlive a disk that was erased: so a receipt stands
for an installation that the log does not tell of, and a list of receipts without ours, newer than the log's word, takes
that word back. Receipts say nothing of a release whose removal was offered, because the command that removes it leaves
them, nor of an offer made anew, since those of the earlier one are there still; nor does an empty list, since servers
may be set not to collect them. Applications are not compared: a server knows their names and versions, and not which
release they came with. Source: Jamf Pro API 11.30.1, computers-inventory v4 and v3, section PACKAGE_RECEIPTS.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final

from eucora.application.planes import Observation, Offer, Watch
from eucora.connectors.jamf.api import JamfApi
from eucora.connectors.jamf.inventory import Computer, computers_by_id
from eucora.connectors.jamf.packages import file_name_of
from eucora.connectors.jamf.rounds import RoundPolicy
from eucora.domain.planes import InstallState

SECTIONS: Final = ("GENERAL", "PACKAGE_RECEIPTS")
# An inventory that was under way while the policy ran does not contradict it.
NEWER_BY: Final = timedelta(hours=1)


class Receipts:
    """What inventories say about one package file; asked for some computers at a time."""

    def __init__(self, api: JamfApi, file_name: str) -> None:
        self._api, self._file_name = api, file_name

    async def beside(self, asked: Sequence[str], log: Sequence[Observation]) -> Sequence[Observation]:
        """``log``, the observations of the computers ``asked`` (at most 100), put right by their receipts.

        One request; none where every run failed, and nothing is put right on a server that passes over the filter.
        """
        told = {seen.device_id: seen for seen in log}
        open_ = [one for one in asked if one.isdecimal() and _may_be_wrong(told.get(one))]
        found = await computers_by_id(self._api, open_, SECTIONS) if open_ else None
        for device_id, computer in (found or {}).items():
            if (better := self._weighed(device_id, told.get(device_id), computer)) is not None:
                told[device_id] = better
        return list(told.values())

    def _weighed(self, device_id: str, seen: Observation | None, computer: Computer) -> Observation | None:
        """The inventory's word where it counts for more than the log's; None: it does not."""
        names, at = receipts_of(computer), computer.reported_at
        if not names or at is None:
            return None
        if seen is None or seen.state is not InstallState.INSTALLED:
            if self._file_name not in names:
                return None
            check_in = computer.device.last_check_in if seen is None else seen.last_check_in
            return Observation(device_id, InstallState.INSTALLED, at, check_in)
        if self._file_name in names or seen.observed_at is None or at < seen.observed_at + NEWER_BY:
            return None
        detail = f"its policy log says installed, and its inventory of {at:%Y-%m-%d %H:%M} UTC has no receipt of it"
        return replace(seen, state=InstallState.NOT_INSTALLED, observed_at=at, detail=detail)


async def receipts_for(api: JamfApi, watch: Watch, policies: Sequence[RoundPolicy]) -> Receipts | None:
    """The receipts of a release; None where they can say nothing about it.

    A round after the first tells of a removal, also where people deleted the policy that did it.
    """
    removed = any(policy.offer is Offer.UNINSTALL or policy.number > 1 for policy in policies)
    if removed or watch.anew or watch.offer is Offer.UNINSTALL:
        return None
    file_name = await file_name_of(api, watch.ref)
    return Receipts(api, file_name) if file_name else None


def receipts_of(computer: Computer) -> Sequence[str] | None:
    """Names of the packages that Jamf Pro installed; None when the inventory came without receipts."""
    section = computer.sections.get("packageReceipts")
    names = section.get("installedByJamfPro") if isinstance(section, Mapping) else None
    if not isinstance(names, list):
        return None
    return sorted({name for name in names if isinstance(name, str) and name})


def _may_be_wrong(seen: Observation | None) -> bool:
    """A run that failed is believed: what it left may be half of a release."""
    return seen is None or seen.state in (InstallState.INSTALLED, InstallState.PENDING)
