"""Multi Admin Approval of uploads: publishing ends, however long approvals take beside the address that content has."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from guarded_tenant import ASKED, Guarded
from intune_lab import BLOCK_BYTES, Killed, package_file, publication

from eucora.application.held_requests import PlaneAwaitingApproval
from eucora.application.planes import BundleDetection, PlaneForbidden, PlanePort, PlaneUnavailable, Publication
from eucora.connectors.intune.blocks import PARALLEL
from eucora.connectors.intune.payload import keys_of
from eucora.lab.graph.approvals import Status

pytestmark = pytest.mark.slow

# The lab's addresses live for ten minutes, and are renewed three before their end.
ROUNDS = [timedelta(minutes=5), timedelta(minutes=30), timedelta(minutes=60), timedelta(days=2)]
WRITES = ["mobileApps", "contentVersions", "files", "commit", "committedContentVersion"]


@dataclass
class Release:
    """A publication, and the plane of a world that it is for."""

    asked: Publication
    plane: Callable[[Guarded], PlanePort]


@pytest.fixture(params=["windows", "pkg"])
def release(request: pytest.FixtureRequest, tmp_path: Path) -> Release:
    if request.param == "windows":
        return Release(publication(package_file(tmp_path)), lambda world: world.plane)
    path = tmp_path / "viewer.pkg"
    path.write_bytes(b"xar!" + bytes(range(256)) * 600)
    asked = replace(publication(path), file_name="viewer.pkg", detection=BundleDetection("com.example.viewer", "2.4.1"))
    return Release(asked, lambda world: world.macos)


async def approved_after(
    world: Guarded, release: Release, wait: timedelta, *, rounds: int = 12, restarts: bool = True
) -> list[str]:
    """The codes of what was approved, each after ``wait``, until the release is published."""
    codes = []
    for _ in range(rounds):
        try:
            await release.plane(world).publish(release.asked, **ASKED)
        except PlaneAwaitingApproval as waiting:
            codes.append(waiting.code)
            world.clock.advance(wait.total_seconds())
            world.approvals.decide(waiting.code, Status.APPROVED, "Ada Admin")
            if restarts:
                world.reconnect()  # another process, perhaps another replica, goes on
        except PlaneUnavailable:
            world.clock.advance(301)  # somebody who was killed has a claim on it, until it runs out
        else:
            return codes
    raise AssertionError(f"it never ends: {[one.write.path for one in world.approvals.requests.values()]}")


def kinds(world: Guarded) -> list[str]:
    """What was asked for, in order."""
    return [
        "committedContentVersion" if one.write.method == "PATCH" else one.write.path.rpartition("/")[2]
        for one in world.approvals.requests.values()
    ]


def puts(world: Guarded) -> list[httpx.Request]:
    return [one for one in world.line.requests if one.method == "PUT"]


@pytest.mark.parametrize("wait", ROUNDS, ids=str)
async def test_publishing_ends_after_one_approval_of_each_write(release: Release, wait: timedelta) -> None:
    world = Guarded(content=True)
    codes = await approved_after(world, release, wait)
    assert kinds(world) == WRITES
    assert codes == list(world.approvals.requests)
    assert world.statuses() == ["completed"] * len(WRITES)
    blocks = [one.url.params["blockid"] for one in puts(world) if one.url.params["comp"] == "block"]
    assert len(blocks) == len(set(blocks)) > 1, "the content went up once"
    (held,) = world.lab.tenant.contents()
    assert held["committed"]


async def test_a_file_whose_address_ended_before_anything_was_sent_is_renewed_once(release: Release) -> None:
    world = Guarded(content=True)
    world.line.cut_at = lambda request: request.method == "PUT"
    with pytest.raises(Killed):
        await approved_after(world, release, timedelta(minutes=5))
    world.line.heal()
    world.clock.advance(3600)
    await approved_after(world, release, timedelta(minutes=30))
    assert kinds(world) == [*WRITES[:3], "renewUpload", *WRITES[3:]]
    assert world.statuses() == ["completed"] * 6


async def test_an_upload_that_is_longer_than_its_address_lives_gets_on_with_each_renewal(tmp_path: Path) -> None:
    asked = publication(package_file(tmp_path, size=40 * BLOCK_BYTES))
    world = Guarded(content=True)

    async def slow(request: httpx.Request) -> None:
        if request.method == "PUT":
            world.clock.advance(60)

    world.line.meanwhile = slow
    await approved_after(world, Release(asked, lambda world: world.plane), timedelta(minutes=30), restarts=False)
    renewals = kinds(world).count("renewUpload")
    assert 3 <= renewals <= 6, "an address lives for ten of forty minutes"
    assert world.statuses() == ["completed"] * (5 + renewals)
    blocks = [one.url.params["blockid"] for one in puts(world) if one.url.params["comp"] == "block"]
    assert len(set(blocks)) == 41
    assert len(blocks) <= 41 + renewals * PARALLEL, "those on their way at the end of an address alone go twice"


async def test_a_commit_is_carried_out_as_approved_although_its_address_ended(release: Release) -> None:
    world = Guarded(content=True)
    with pytest.raises(AssertionError, match="never ends"):
        await approved_after(world, release, timedelta(minutes=5), rounds=4)  # the last of them approves the commit
    commit = next(one for one in world.approvals.requests.values() if one.write.path.endswith("/commit"))
    assert commit.status is Status.APPROVED
    world.clock.advance(timedelta(days=2).total_seconds())
    world.line.heal()
    waiting = await world.waits(lambda: release.plane(world).publish(release.asked, **ASKED))
    assert world.approvals.requests[waiting.code].write.method == "PATCH"
    assert world.approvals.resent.count(commit.write) == 1
    assert puts(world) == []
    assert [one.decided_by for one in await world.held.ended([commit.id])] == ["Ada Admin (Ada Admin)"]


@pytest.mark.parametrize("ending", [Status.REJECTED, Status.EXPIRED, Status.CANCELLED])
async def test_a_no_to_the_commit_ends_it_and_a_retry_asks_for_the_same_content(
    release: Release, ending: Status
) -> None:
    world = Guarded(content=True)
    with pytest.raises(AssertionError, match="never ends"):
        await approved_after(world, release, timedelta(minutes=30), rounds=3)
    waiting = await world.waits(lambda: release.plane(world).publish(release.asked, **ASKED))
    refused = world.approvals.requests[waiting.code]
    assert refused.write.path.endswith("/commit")
    world.clock.advance(1800)
    world.approvals.decide(waiting.code, ending, "Ada Admin", "not this week")
    with pytest.raises(PlaneForbidden, match="not this week"):
        await release.plane(world).publish(release.asked, **ASKED)
    assert [one.outcome.value for one in await world.held.ended([waiting.code]) if one.outcome] == [ending.value]
    assert refused.write not in world.approvals.resent
    await approved_after(world, release, timedelta(minutes=30))
    assert kinds(world) == [*WRITES[:4], "renewUpload", *WRITES[3:]]
    again = next(one for one in world.approvals.requests.values() if one.write == refused.write and one is not refused)
    assert again.status is Status.COMPLETED, "what is asked for anew is the very commit that was refused"


@pytest.mark.parametrize("release", ["pkg"], indirect=True)
@pytest.mark.parametrize("delivers", [False, True], ids=["before it is sent", "after it took effect"])
async def test_killed_at_any_write_the_next_process_ends_with_one_of_everything(
    release: Release, delivers: bool
) -> None:
    clean = Guarded(content=True)
    await approved_after(clean, release, timedelta(minutes=30))
    writes = sum(map(is_write, clean.line.requests))
    assert writes > 2 * len(WRITES), "each is asked for and completed, and blocks go up between"
    for at in range(writes):
        world = Guarded(content=True)
        left = iter(range(at, -1, -1))

        def cut(request: httpx.Request, left: Iterator[int] = left) -> bool:
            return is_write(request) and next(left, None) == 0

        world.line.cut_at, world.line.cut_after = cut, delivers
        with pytest.raises(Killed):
            await approved_after(world, release, timedelta(minutes=30))
        world.reconnect()
        world.clock.advance(1800)
        await approved_after(world, release, timedelta(minutes=30))
        (held,) = world.lab.tenant.contents()
        assert held["committed"]
        assert (held["encrypted_sha256"], len(world.files())) == (sealed_digest(clean), 1)
        completed = [one.write for one in world.approvals.requests.values() if one.status is Status.COMPLETED]
        assert len(completed) == len({(one.method, one.path) for one in completed})
        assert set(kinds(world)) <= {*WRITES, "renewUpload"}


def is_write(request: httpx.Request) -> bool:
    return request.method != "GET" and "/token" not in request.url.path


def sealed_digest(world: Guarded) -> str:
    (held,) = world.lab.tenant.contents()
    return str(held["encrypted_sha256"])


def test_the_keys_of_a_file_are_those_of_its_release_and_of_all_of_its_bytes(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_bytes(b"content" * 100_000)
    other.write_bytes(b"content" * 99_999 + b"contenT")
    keys = [keys_of("eucora:a:1", one), keys_of("eucora:a:1", other), keys_of("eucora:b:1", one)]
    parts = [part for key in keys for part in (key.encryption_key, key.mac_key, key.iv)]
    assert len(set(parts)) == len(parts)
    assert keys_of("eucora:a:1", one) == keys[0]
    digest = hashlib.sha256(one.read_bytes()).digest()
    assert not any(digest.startswith(part) for part in parts), "who knows the digest alone does not know the keys"
