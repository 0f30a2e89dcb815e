"""Claims jobs and runs them. Any number of workers, anywhere, killed at will: an expired lease hands the job on."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from eucora.application import plane_approvals, rollout
from eucora.application.execute import execute
from eucora.application.held_requests import PlaneAwaitingApproval, on_behalf_of
from eucora.application.lanes import lane, lane_of
from eucora.application.planes import PlaneError, PlaneTokenRefused, PlaneUnavailable
from eucora.application.ports import Context, Lease, LeaseLost, StreamConflict
from eucora.application.react import react
from eucora.application.rollout import TASKS, Work
from eucora.application.upkeep import UPKEEP
from eucora.application.world import World
from eucora.connectors.redaction import said
from eucora.domain.deployment_intent.decide import DECIDER
from eucora.domain.deployment_intent.events import SERVICE
from eucora.domain.errors import DomainError
from eucora.store.database import CONNECTION_LOST
from eucora.store.jobs import Job, JobQueue

_log = structlog.get_logger("eucora.workers")
BACKOFF_MAX_S = 300.0
LASTING = 10  # attempts after which a plane that does not answer is news for people
# Looked at again and again; a silent plane is no reason to stop looking.
OBSERVING = ("observe", "observe_restored", "inspect_drift")


def full_jitter(attempt: int) -> float:
    """Seconds before the next try: random up to 1, 2, 4 … s, at most 5 minutes, so that a fleet of workers spreads."""
    return random.uniform(0.1, min(BACKOFF_MAX_S, 2.0 ** (attempt - 1)))  # spreads load, guards nothing


@dataclass(slots=True)
class EffectsWorker:
    """One worker: claims up to ``concurrency`` jobs, keeps their leases, finishes what it has when told to stop."""

    world: World
    queue: JobQueue
    wake: asyncio.Event
    concurrency: int = 16
    poll_s: float = 1.0
    beat_s: float = 10.0
    backoff: Callable[[int], float] = full_jitter
    _running: dict["asyncio.Task[None]", Lease] = field(default_factory=dict)

    async def run(self, stop: asyncio.Event) -> None:
        """Until ``stop`` is set; then what is under way is finished first."""
        upkeep = asyncio.create_task(self._keep_leases(stop), name="leases")
        try:
            while not stop.is_set():
                self.wake.clear()
                try:
                    found = await self.round()
                    pause = 0.0 if found else await self._until_due()
                except CONNECTION_LOST as error:
                    _log.warning("database_away", error=type(error).__name__)
                    pause = self.poll_s
                if pause:
                    await _first_of(stop, self.wake, pause)
        finally:
            if self._running:
                await asyncio.gather(*self._running, return_exceptions=True)
            upkeep.cancel()
            await asyncio.gather(upkeep, return_exceptions=True)

    async def round(self) -> int:
        """Claim what is due and there is room for, and start it; how many jobs were started."""
        room = self.concurrency - len(self._running)
        if room <= 0:
            await asyncio.wait([*self._running], return_when=asyncio.FIRST_COMPLETED)
            return 1
        jobs = await self.queue.claim(room, self.world.clock.now())
        for job in jobs:
            task = asyncio.create_task(self._guarded(job), name=f"job-{job.kind}")
            self._running[task] = job.lease
            task.add_done_callback(self._ended)
        return len(jobs)

    async def settle(self) -> None:
        """Run everything that is due now, and what comes of it, to its end. For tests and single-shot tools."""
        while True:
            started = await self.round()
            if self._running:
                await asyncio.gather(*self._running)
            elif not started:
                return

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._running.pop(task, None)
        self.wake.set()  # its lock key is free, and its append may have brought new jobs

    async def _until_due(self) -> float:
        due = await self.queue.next_due()
        if due is None:
            return self.poll_s
        return min(self.poll_s, max(0.001, (due - self.world.clock.now()).total_seconds()))

    async def _keep_leases(self, stop: asyncio.Event) -> None:
        """Whatever happens in one round, there is a next one: without it every job here would be run twice."""
        while True:
            try:
                now = self.world.clock.now()
                await self.queue.beat([*self._running.values()], now)
                if handed_on := await self.queue.sweep(now):
                    _log.warning("jobs_handed_on", jobs=handed_on)
                    self.wake.set()
            except CONNECTION_LOST as error:
                _log.warning("database_away", error=type(error).__name__)
            except Exception:
                _log.exception("leases_not_kept")
            await asyncio.sleep(self.beat_s if not stop.is_set() else 1.0)

    async def _guarded(self, job: Job) -> None:
        with structlog.contextvars.bound_contextvars(
            correlation_id=job.correlation_id, intent_id=job.intent_id, job=job.kind, attempt=job.attempt
        ):
            try:
                with lane(lane_of(job.priority)):
                    await self._run(job)
            except LeaseLost:
                _log.warning("lease_lost")  # another worker has it: whatever was missing, it will do
            except Exception as error:
                _log.exception("job_failed")
                await self._again(job, f"{type(error).__name__}: {said(error)}")

    async def _run(self, job: Job) -> None:
        context = Context(SERVICE, job.correlation_id, job.causation_id, job.intent_id)
        if job.kind in UPKEEP:
            try:
                ended = await UPKEEP[job.kind](self.world, job.payload, context, job.lease)
            except DomainError as error:
                await self.queue.bury(job.lease, f"{type(error).__name__}: {error.message}")
                return
            if not ended:
                await self.queue.done(job.lease)
            return
        task = await rollout.task_for(self.world, job.payload, job.correlation_id)
        try:
            with on_behalf_of(plane_approvals.purpose_of(task, job.kind)):
                await plane_approvals.look_first(task, job.kind)
                work = await TASKS[job.kind](task)
        except PlaneAwaitingApproval as waiting:
            await self._wait_for_approval(job, task, waiting, context)
            return
        except PlaneError as error:
            await plane_approvals.settle(task, job.kind, context)
            await self._plane_failed(job, task, error, context)
            return
        await plane_approvals.settle(task, job.kind, context, ended=work.again_at is None)
        await self._finish(job, task, work, context)

    async def _wait_for_approval(
        self, job: Job, task: rollout.Task, waiting: PlaneAwaitingApproval, context: Context
    ) -> None:
        """Nothing failed: the job comes back as often as it takes, and uses up no attempt."""
        await plane_approvals.settle(task, job.kind, context, waiting=waiting)
        await plane_approvals.put_on_record(task, job.kind, waiting, context)
        again_at, payload = plane_approvals.asked_after(job.payload, waiting, self.world.clock.now())
        await self.queue.postpone(job.lease, again_at, payload)

    async def _finish(self, job: Job, task: rollout.Task, work: Work, context: Context) -> None:
        """Put the outcome on record. The job's end goes with the last append, so that neither stands alone."""
        ended = False
        for number, command in enumerate(work.facts, start=1):
            last = number == len(work.facts) and work.again_at is None
            try:
                done = await execute(
                    self.world.store, DECIDER, task.intent_id, command,
                    context=context, at=self.world.clock.now(), react=react, finishes=job.lease if last else None,
                )  # fmt: skip
            except DomainError as error:
                # The facts are the planes'; a refusal says that the job was enqueued for something that cannot be.
                await self.queue.bury(job.lease, f"{type(error).__name__}: {error.message}")
                return
            except StreamConflict:
                await self.queue.postpone(job.lease, self.world.clock.now())
                return
            ended = last and done.position is not None
        if work.again_at is not None:
            await self.queue.postpone(job.lease, work.again_at)
        elif not ended:
            await self.queue.done(job.lease)

    async def _plane_failed(self, job: Job, task: rollout.Task, error: PlaneError, context: Context) -> None:
        """Transient: later again, on record once it lasts, at last given up. Anything else is a dead letter at once."""
        _log.warning("plane_failed", plane=error.plane.value, operation=job.kind, kind=error.kind, status=error.status)
        now = self.world.clock.now()
        if isinstance(error, PlaneTokenRefused) and job.attempt >= LASTING:
            error = error.lasting()
        passing = isinstance(error, PlaneUnavailable) and not job.last_attempt
        failure = rollout.failure_of(task, job.kind, error, job.attempt)
        if not passing or job.attempt == LASTING:
            for fact in failure.facts:
                await execute(self.world.store, DECIDER, task.intent_id, fact, context=context, at=now, react=react)
        if isinstance(error, PlaneUnavailable) and passing:
            asked_s = error.retry_after_s
            later = self._later(now, job) if asked_s is None else now + timedelta(seconds=asked_s)
            await self.queue.fail(job, str(error), later)
        elif job.kind in OBSERVING:
            await self.queue.postpone(job.lease, now + timedelta(seconds=BACKOFF_MAX_S))
        else:
            await self.queue.bury(job.lease, str(error))

    async def _again(self, job: Job, error: str) -> None:
        try:
            await self.queue.fail(job, error, self._later(self.world.clock.now(), job))
        except CONNECTION_LOST:
            # Nobody holds the lease from here on, so it runs out and the job is handed on.
            _log.warning("database_away", error="while handing a job back")

    def _later(self, now: datetime, job: Job) -> datetime:
        return now + timedelta(seconds=self.backoff(job.attempt))


async def _first_of(stop: asyncio.Event, wake: asyncio.Event, timeout_s: float) -> None:
    waits = {asyncio.create_task(stop.wait()), asyncio.create_task(wake.wait())}
    try:
        await asyncio.wait(waits, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
