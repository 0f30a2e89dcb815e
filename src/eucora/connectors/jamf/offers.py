"""Putting our policies on computer groups, and taking them off: find, merge, write, read back.

A Classic policy has no version to compare, so two writers of one policy at the same moment could undo each other; the
job table runs one job of a release and plane at a time, and the reading back catches a person who wrote in between.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Final
from xml.etree.ElementTree import Element

from eucora.application.planes import PlaneUnavailable
from eucora.connectors.jamf.api import JamfApi, off_schema, segment
from eucora.connectors.jamf.pace import SPREADING, Sleep
from eucora.connectors.jamf.policy import Policy, PolicySpec, ScopedGroup, new_policy, with_group, without_groups
from eucora.domain.planes import Plane

_POLICIES: Final = "/JSSResource/policies"
_CONFLICT: Final = frozenset({409})


async def read_policy(api: JamfApi, policy_id: str) -> Policy | None:
    """The policy of that id; None when there is none."""
    root = await api.get_xml(f"{_POLICIES}/id/{policy_id}", "policy")
    return None if root is None else _policy_in(api, root)


async def find_policy(api: JamfApi, name: str) -> Policy | None:
    """The policy of that name. The name carries our short key, so it is ours."""
    root = await api.get_xml(f"{_POLICIES}/name/{segment(name)}", "policy")
    if root is None:
        return None
    policy = _policy_in(api, root)
    return policy if policy.name.casefold() == name.casefold() else None


async def offer(api: JamfApi, spec: PolicySpec, group: ScopedGroup, sleep: Sleep) -> tuple[Policy, bool]:
    """The policy, on and with ``group`` in its scope, and whether anything had to be changed for that.

    Raises:
        PlaneRejected: 409 for another reason than our own policy of an earlier try, for as long as nodes may differ.
        PlaneUnavailable: the change is not to be seen yet.
    """
    policy = await _found_or_created(api, spec, group, sleep)
    if policy is None:
        return await _confirmed(api, spec.name, lambda read: read.offers(spec, group), sleep), True
    change = with_group(policy, spec, group)
    if change is None:
        return policy, False
    await api.write_xml("PUT", f"{_POLICIES}/id/{policy.id}", change)
    kept = Policy(change).entries
    seen = await _confirmed(api, spec.name, lambda read: read.offers(spec, group) and read.entries >= kept, sleep)
    return seen, True


async def take_back(
    api: JamfApi, policy: Policy, groups: Collection[str] | None, sleep: Sleep
) -> Sequence[ScopedGroup]:
    """The groups (ids or names; None: all) that were really taken out of the scope of ``policy``, read just now.

    Raises PlaneUnavailable when the change is not to be seen yet.
    """
    change, taken = without_groups(policy, groups)
    if change is None:
        return ()
    await api.write_xml("PUT", f"{_POLICIES}/id/{policy.id}", change)
    kept, gone = Policy(change).entries, {group.id for group in taken}
    off = change.find("general") is not None

    def is_taken(read: Policy) -> bool:
        still = any(group.id in gone for group in read.groups)
        return not still and read.entries >= kept and not (off and read.enabled)

    await _confirmed(api, policy.name, is_taken, sleep)
    return taken


def _policy_in(api: JamfApi, root: Element) -> Policy:
    policy = Policy(root)
    if not policy.id.isdecimal():
        raise off_schema(api.operation, "a policy without id")
    return policy


async def _found_or_created(api: JamfApi, spec: PolicySpec, group: ScopedGroup, sleep: Sleep) -> Policy | None:
    """The policy that was there; None when it was created just now, with ``group`` in its scope.

    The answer 409 says that the name is taken (by ourselves, before a kill) or that the package is missing, and both
    may be news that this node of the cluster has not heard yet: look again for as long as news takes to spread.
    """
    async for _ in SPREADING.looks(sleep):
        if (policy := await find_policy(api, spec.name)) is not None:
            return policy
        answer = await api.write_xml("POST", f"{_POLICIES}/id/0", new_policy(spec, group), also=_CONFLICT)
        if answer.is_success:
            return None
    raise api.refusal(answer)


async def _confirmed(api: JamfApi, name: str, shows: Callable[[Policy], bool], sleep: Sleep) -> Policy:
    async for _ in SPREADING.looks(sleep):
        policy = await find_policy(api, name)
        if policy is not None and shows(policy):
            return policy
    raise PlaneUnavailable(Plane.JAMF, api.operation, f"policy {name!r} does not show the change yet")
