"""The shape that every stream has: an initial state, a pure decision, a pure fold."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Generic, TypeVar

S = TypeVar("S")
C = TypeVar("C")
E = TypeVar("E")


@dataclass(frozen=True, slots=True)
class Decider(Generic[S, C, E]):
    """``noun`` is the stream's prefix: stream ``<noun>-<id>``. ``decide`` may refuse, ``evolve`` never does."""

    noun: str
    initial: S
    decide: Callable[[S, C], Sequence[E]]
    evolve: Callable[[S, E], S]

    def stream(self, id: str) -> str:
        return f"{self.noun}-{id}"

    def fold(self, events: Sequence[E], state: S | None = None) -> S:
        """State after ``events``, from the beginning or from ``state`` on."""
        return reduce(self.evolve, events, self.initial if state is None else state)
