"""How urgent the work is that a request belongs to: what stops harm never waits behind what only looks.

Carried by context, because a request is sent far below the job that wants it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import IntEnum
from typing import Final

from eucora.application.priorities import HALT, ROLLBACK, ROLLOUT


class Lane(IntEnum):
    """Lower goes first."""

    HALT = 0
    ROLLBACK = 1
    ROLLOUT = 2
    INVENTORY = 3


# The share of a budget's burst that a lane may use up; what is above it is kept for more urgent ones.
SHARE: Final = {Lane.HALT: 1.0, Lane.ROLLBACK: 0.9, Lane.ROLLOUT: 0.75, Lane.INVENTORY: 0.5}

# What stops harm. The last of an upstream's places is for these alone, so that they wait for each other at the most.
STOPS_HARM: Final = frozenset({Lane.HALT, Lane.ROLLBACK})

_current: ContextVar[Lane] = ContextVar("eucora_lane", default=Lane.ROLLOUT)


@contextmanager
def lane(of: Lane) -> Iterator[None]:
    """Requests sent inside belong to it."""
    token = _current.set(of)
    try:
        yield
    finally:
        _current.reset(token)


def current_lane() -> Lane:
    """Of the work in progress; ROLLOUT where nobody said anything."""
    return _current.get()


def places_for(of: Lane, limit: int) -> int:
    """How many of an upstream's ``limit`` places those may hold together who are no more urgent than ``of``."""
    return limit if of in STOPS_HARM else max(1, limit - 1)


def lane_of(priority: int) -> Lane:
    """The lane of a job's requests. What is less urgent than a rollout only looks."""
    if priority <= HALT:
        return Lane.HALT
    if priority <= ROLLBACK:
        return Lane.ROLLBACK
    return Lane.ROLLOUT if priority <= ROLLOUT else Lane.INVENTORY
