"""What became of rollouts, as backtests and calibration tell it."""

from typing import Annotated

from pydantic import Field

from eucora.api.asking import Asked, Told


class ReplayAsked(Asked):
    """The window: proposals at positions above ``after``, in the order of the log, ``limit`` of them at the most."""

    after: Annotated[int, Field(ge=-1, le=2**53)] = -1
    limit: Annotated[int, Field(ge=1, le=100)] = 25


class OutcomeBody(Told):
    """What became of a rollout. ``harmed``: an incident counts, or a halt was not false; ``settled``: it is over."""

    started: bool
    completed: bool
    aborted: bool
    rolled_back: bool
    halts: int
    false_halts: int
    incidents: int
    harmed: bool
    settled: bool
