"""The verbs of a dry run, each with the requests that it sent."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from eucora.application.holdings import Holding
from eucora.application.planes import (
    Assigned,
    Assignment,
    Gathered,
    Gathering,
    Group,
    Inspection,
    Observation,
    PlanePort,
    Publication,
    Published,
    Watch,
    Withdrawal,
    Withdrawn,
)
from eucora.connectors.dry_run.sent import Sent
from eucora.connectors.dry_run.transport import DryRunTransport
from eucora.domain.planes import Plane


@dataclass(slots=True)
class Step:
    """One verb on one plane. ``part`` of the rollout: "before anything", "ring 0", …; ``about``: group, or release.

    ``problem``: why it ended early; empty where it went through.
    """

    part: str
    plane: Plane
    verb: str
    about: str
    sent: Sequence[Sent] = ()
    problem: str = ""


@dataclass(slots=True)
class Log:
    """The steps so far, and the part of the rollout that they belong to."""

    part: str = ""
    steps: list[Step] = field(default_factory=list)


class Logged:
    """A plane whose verbs are taken down. ``log`` may be shared with other planes."""

    def __init__(self, inner: PlanePort, plane: Plane, wire: DryRunTransport, log: Log) -> None:
        self._inner, self.plane, self._wire, self._log = inner, plane, wire, log

    async def resolve(self, group: str, *, correlation_id: str) -> Group:
        with self._step("resolve", f"group {group}"):
            return await self._inner.resolve(group, correlation_id=correlation_id)

    async def gather(self, gathering: Gathering, *, correlation_id: str) -> Gathered:
        with self._step("gather", f"{len(gathering.devices)} devices of group {gathering.source}"):
            return await self._inner.gather(gathering, correlation_id=correlation_id)

    async def holdings(self, groups: Sequence[tuple[str, Gathering]], *, correlation_id: str) -> Sequence[Holding]:
        with self._step("holdings", f"of {len(groups)} groups"):
            return await self._inner.holdings(groups, correlation_id=correlation_id)

    async def publish(self, publication: Publication, *, correlation_id: str) -> Published:
        with self._step("publish", f"{publication.name} {publication.version}"):
            return await self._inner.publish(publication, correlation_id=correlation_id)

    async def assign(self, assignment: Assignment, *, correlation_id: str) -> Assigned:
        with self._step("assign", f"{assignment.offer} to group {self._wire.names.over(assignment.group)}"):
            return await self._inner.assign(assignment, correlation_id=correlation_id)

    async def observe(self, watch: Watch, *, correlation_id: str) -> AsyncIterator[Sequence[Observation]]:
        with self._step("observe", f"{len(watch.devices)} devices after {watch.offer}"):
            async for batch in self._inner.observe(watch, correlation_id=correlation_id):
                yield batch

    async def withdraw(self, withdrawal: Withdrawal, *, correlation_id: str) -> Withdrawn:
        groups = ", ".join(self._wire.names.over(group) for group in withdrawal.groups)
        with self._step("withdraw", f"from groups {groups}"):
            return await self._inner.withdraw(withdrawal, correlation_id=correlation_id)

    async def inspect(self, key: str, name: str, version: str, *, correlation_id: str) -> Inspection:
        with self._step("inspect", f"{name} {version}"):
            return await self._inner.inspect(key, name, version, correlation_id=correlation_id)

    @contextmanager
    def _step(self, verb: str, about: str) -> Iterator[None]:
        step, before = Step(self._log.part, self.plane, verb, about), len(self._wire.sent)
        self._log.steps.append(step)
        try:
            yield
        except Exception as error:
            step.problem = self._wire.names.over(str(error)) or type(error).__name__
            raise
        finally:
            step.sent = self._wire.sent[before:]


def logged(planes: Mapping[Plane, tuple[PlanePort, DryRunTransport]], log: Log) -> Mapping[Plane, PlanePort]:
    """The planes with every verb taken down in ``log``."""
    return {plane: Logged(inner, plane, wire, log) for plane, (inner, wire) in planes.items()}
