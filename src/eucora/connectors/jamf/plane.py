"""Jamf Pro as a plane: a package for each release, policies that install it and remove it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import httpx

from eucora.application.checkups import CheckupFinding
from eucora.application.holdings import Holding
from eucora.application.planes import (
    Assigned,
    Assignment,
    Gathered,
    Gathering,
    Group,
    Inspection,
    Observation,
    Offer,
    PlaneRejected,
    Publication,
    Published,
    Watch,
    Withdrawal,
    Withdrawn,
)
from eucora.application.tokens import TokenShelf
from eucora.connectors.correlation import correlation
from eucora.connectors.gate import Gate
from eucora.connectors.jamf.api import CONNECTIONS_MAX, JamfApi
from eucora.connectors.jamf.app_installers import deployments_of
from eucora.connectors.jamf.auth import JamfTokens
from eucora.connectors.jamf.checkup import check_up
from eucora.connectors.jamf.groups import find_excluded, find_group, gather_group, read_holding
from eucora.connectors.jamf.history import policy_runs, verdict
from eucora.connectors.jamf.inventory import Computer, computers
from eucora.connectors.jamf.names import policy_names, release_name, shown_name, version_in
from eucora.connectors.jamf.offers import offer, take_back
from eucora.connectors.jamf.packages import find_package, publish_package
from eucora.connectors.jamf.policy import Policy, PolicySpec, ScopedGroup
from eucora.connectors.jamf.receipts import receipts_for
from eucora.connectors.jamf.rounds import RoundPolicy, find_round_policies, read_rounds
from eucora.connectors.jamf.sign_in import Credentials
from eucora.domain.planes import Plane

_BATCH: Final = 100  # devices whose histories are read before their states are handed on
# A computer sends its policy log some time after the check-in that ran the policy.
_LOG_GRACE: Final = timedelta(hours=1)


class JamfPlane:
    """``PlanePort`` for one Jamf Pro server. Nothing of a rollout is kept here: a new object goes on where one stopped.

    ``http`` is the server's own client from ``upstream_client`` (its base URL is the server's, its cookie jar the
    plane's alone, at most ``CONNECTIONS_MAX`` connections). ``now`` gives UTC; ``sleep`` takes seconds. Over ``shelf``
    replicas stay with one node of the cluster.
    """

    plane: Plane = Plane.JAMF

    def __init__(
        self,
        http: httpx.AsyncClient,
        *,
        credentials: Credentials,
        now: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        shelf: TokenShelf | None = None,
    ) -> None:
        self._http, self._sleep = http, sleep
        self._tokens = JamfTokens(http, credentials, now=now, sleep=sleep, shelf=shelf)
        self._gate = Gate(CONNECTIONS_MAX)

    async def resolve(self, group: str, *, correlation_id: str) -> Group:
        """The managed computers of a group, given by id or name. Raises GroupNotFound."""
        with correlation(correlation_id):
            api = self._api("resolve")
            found = await find_group(api, group)
            inventory = await computers(api, found.computers) if found.computers else {}
        devices = [inventory[id_].device for id_ in found.computers if id_ in inventory and inventory[id_].managed]
        return Group(ref=found.id, name=found.name, devices=devices, unenrolled=len(found.computers) - len(devices))

    async def gather(self, gathering: Gathering, *, correlation_id: str) -> Gathered:
        """A static computer group of the gathering's name with exactly its devices; see ``groups`` for what it raises.

        A Classic group has no room for the key, so the name alone tells whose group it is.
        """
        with correlation(correlation_id):
            return await gather_group(self._api("gather"), gathering, self._sleep)

    async def holdings(self, groups: Sequence[tuple[str, Gathering]], *, correlation_id: str) -> Sequence[Holding]:
        """What each group of ours holds, a request each; see ``groups``."""
        with correlation(correlation_id):
            api = self._api("inspect")
            return [await read_holding(api, ref, gathering) for ref, gathering in groups]

    async def publish(self, publication: Publication, *, correlation_id: str) -> Published:
        """One package record for the key, with exactly the content of the publication."""
        with correlation(correlation_id):
            return await publish_package(self._api("publish"), publication, self._sleep)

    async def assign(self, assignment: Assignment, *, correlation_id: str) -> Assigned:
        """Put the group into the scope of the policy that does what is offered, and out of the opposite one's.

        A group that comes from the opposite offer, now or before a withdrawal, gets a policy of a later round, which
        its computers have not run yet (``rounds``). Raises GroupNotFound, and PlaneRejected without a command to run.
        A group that a removal leaves out and that is gone is passed over (``groups.find_excluded``).
        """
        if assignment.offer is Offer.UNINSTALL and not assignment.uninstall_command.strip():
            raise PlaneRejected(Plane.JAMF, "assign", "an uninstall on Jamf Pro needs a command to run")
        with correlation(correlation_id):
            api = self._api("assign")
            found = await find_group(api, assignment.group)
            group = ScopedGroup(found.id, found.name)
            kept_out = await find_excluded(api, assignment.excluded, gone_too=assignment.offer is Offer.UNINSTALL)
            rounds = await read_rounds(api, *_identity(assignment))
            home = rounds.home(assignment.offer, group.id)
            # taken off first: a kill in between leaves the group without an offer, never with two that fight
            in_the_way = rounds.in_the_way(assignment.offer, group.id, home)
            for policy in in_the_way:
                await take_back(api, policy, [group.id], self._sleep)
            spec = _spec(assignment, home, tuple(ScopedGroup(one.id, one.name) for one in kept_out))
            standing, changed = await offer(api, spec, group, self._sleep)
        return Assigned(ref=standing.id, changed=changed or bool(in_the_way))

    async def observe(self, watch: Watch, *, correlation_id: str) -> AsyncIterator[Sequence[Observation]]:
        """What the policy logs of the watched computers say about the release, put right by their receipts.

        With ``since``, computers that have not checked in from an hour before it on are left out: they have no news.
        """
        api = self._api("observe")
        with correlation(correlation_id):
            policies = await find_round_policies(api, *_identity(watch)) if watch.devices else ()
            if not policies:
                return
            inventory = await computers(api, watch.devices)
            receipts = await receipts_for(api, watch, policies)
        asked = [id_ for id_ in dict.fromkeys(watch.devices) if _may_have_news(inventory.get(id_), watch.since)]
        for start in range(0, len(asked), _BATCH):
            with correlation(correlation_id):
                wanted = asked[start : start + _BATCH]
                batch, failure = await self._histories(api, wanted, inventory, policies, watch.offer)
                if receipts is not None and failure is None:
                    batch = await receipts.beside(wanted, batch)
            if batch:
                yield batch
            if failure is not None:
                raise failure

    async def withdraw(self, withdrawal: Withdrawal, *, correlation_id: str) -> Withdrawn:
        """Take groups out of the scopes of the release's policies; a policy that no group is left in is turned off."""
        wanted = withdrawal.groups or None
        taken: list[ScopedGroup] = []
        with correlation(correlation_id):
            api = self._api("withdraw")
            rounds = await read_rounds(api, *_identity(withdrawal))
            for policy in rounds.read.values():
                taken += await take_back(api, policy, wanted, self._sleep)
        # in the caller's own words, where it named the groups
        said = [next((word for word in wanted or () if own.is_called(word)), own.id) for own in taken]
        return Withdrawn(list(dict.fromkeys(said)))

    async def inspect(self, key: str, name: str, version: str, *, correlation_id: str) -> Inspection:
        """The package that carries ``key``, and the groups (ids) that our policies offer it to while they are on.

        A deployment of the same title by Jamf's App Installers is among what goes beyond groups: it is a second owner.
        """
        groups: list[tuple[str, Offer]] = []
        wide: tuple[str, ...] = ()
        enabled: list[Policy] = []
        with correlation(correlation_id):
            api = self._api("inspect")
            record = await find_package(api, key)
            wide = tuple(str(other) for other in await deployments_of(api, name))
            for known, policy in (await read_rounds(api, name, version, key)).read.items():
                if policy.enabled:
                    enabled.append(policy)
                    groups += [(group.id, known.offer) for group in policy.groups]
                    wide += tuple(f"{known.offer} for {reach}" for reach in policy.beyond_groups)
        excluded = _kept_out(enabled)
        if record is None:
            return Inspection(ref=None, version="", content_version="", groups=groups, wide=wide, excluded=excluded)
        ours = record.name == release_name(name, version, key)
        held = version if ours else version_in(record.name, name, key)
        return Inspection(record.id, held, record.digest, groups, wide, excluded)

    async def check_up(self, *, correlation_id: str) -> Sequence[CheckupFinding]:
        """Findings on sign-in, version and privileges; nothing is changed."""
        with correlation(correlation_id):
            return await check_up(self._api("check_up"))

    async def aclose(self) -> None:
        """End an account's token, and close the client's connections."""
        await self._tokens.aclose()
        await self._http.aclose()

    def _api(self, operation: str) -> JamfApi:
        return JamfApi(self._http, self._tokens, self._gate, operation)

    async def _histories(
        self,
        api: JamfApi,
        devices: Sequence[str],
        inventory: Mapping[str, Computer],
        policies: Sequence[RoundPolicy],
        offered: Offer,
    ) -> tuple[Sequence[Observation], Exception | None]:
        """What was read, and what kept the rest from being read: with a request for each computer of a large ring one
        of them fails every time, and a look that lost the others by it would never come to an end.
        """

        async def history(device_id: str) -> Observation | None:
            if not device_id.isdecimal():
                return None  # no id of Jamf's; it must not become a part of a path
            path = f"/JSSResource/computerhistory/id/{device_id}/subset/PolicyLogs"
            document = await api.get_xml(path, "computer_history")
            if document is None:  # deleted since
                return None
            computer = inventory.get(device_id)
            seen = computer.device.last_check_in if computer else None
            return verdict(device_id, policy_runs(document), policies, offered, seen)

        failure: Exception | None = None
        try:
            async with asyncio.TaskGroup() as group:
                reads = [group.create_task(history(device)) for device in devices]
        except ExceptionGroup as failures:
            # the port promises one PlaneError; the others of the group fell to the same cause or were cancelled
            failure = failures.exceptions[0]
        done = [read for read in reads if not read.cancelled() and read.exception() is None]
        return [seen for read in done if (seen := read.result()) is not None], failure


def _kept_out(policies: Sequence[Policy]) -> Sequence[str]:
    """The groups (ids) that no policy reaches: each has exclusions of its own, so one left out of some gets the others.

    Of the groups that something is offered to, those that one policy leaves out: they do not get what was decided.
    """
    offering = [policy for policy in policies if policy.groups]
    out = [{group.id for group in policy.excluded_groups} for policy in offering]
    offered = {group.id for policy in offering for group in policy.groups}
    return sorted(set().union(*out) & (offered | set[str].intersection(*out))) if out else ()


def _identity(release: Assignment | Watch | Withdrawal) -> tuple[str, str, str]:
    """What the policies are named for. An offer made anew has policies of its own, which no computer has run yet."""
    anew = "" if isinstance(release, Withdrawal) else release.anew
    return release.name, release.version, f"{release.key}:{anew}" if anew else release.key


def _spec(assignment: Assignment, number: int, excluded: tuple[ScopedGroup, ...]) -> PolicySpec:
    install, removal, chosen = policy_names(*_identity(assignment), number)
    if assignment.offer is Offer.UNINSTALL:
        return PolicySpec(removal, command=assignment.uninstall_command, excluded=excluded)
    if assignment.offer is Offer.INSTALL:
        return PolicySpec(install, package_id=assignment.ref, excluded=excluded)
    shown = shown_name(assignment.name, assignment.version)
    return PolicySpec(chosen, package_id=assignment.ref, shown_as=shown, excluded=excluded)


def _may_have_news(computer: Computer | None, since: datetime | None) -> bool:
    seen = computer.device.last_check_in if computer else None
    return since is None or seen is None or seen >= since - _LOG_GRACE
