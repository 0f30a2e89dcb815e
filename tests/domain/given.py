"""``given(decider, *events).when(command).then(*events)``: a rule in the words of the domain."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import pytest

from eucora.domain.decider import Decider
from eucora.domain.errors import DomainError

S = TypeVar("S")
C = TypeVar("C")
E = TypeVar("E")
D = TypeVar("D", bound=DomainError)


@dataclass(frozen=True)
class When(Generic[E]):
    """A command that has not been decided yet."""

    decide: Callable[[], Sequence[E]]

    def then(self, *events: E) -> None:
        """Exactly these events come out, in this order; none: the command changes nothing."""
        assert list(self.decide()) == list(events)

    def events(self) -> list[E]:
        """What comes out, where only a part of it matters."""
        return list(self.decide())

    def then_refuses(self, refusal: type[D]) -> D:
        """The command is refused with exactly this class; a sentence tells what to do. The refusal, to look into."""
        with pytest.raises(DomainError) as caught:
            self.decide()
        assert type(caught.value) is refusal, f"refused with {type(caught.value).__name__}: {caught.value}"
        assert len(caught.value.message) > 20
        return caught.value


@dataclass(frozen=True)
class Given(Generic[S, C, E]):
    """What has happened so far."""

    decider: Decider[S, C, E]
    history: tuple[E, ...]

    @property
    def state(self) -> S:
        return self.decider.fold(self.history)

    def when(self, command: C) -> When[E]:
        return When(lambda: self.decider.decide(self.state, command))

    def and_when(self, *commands: C) -> "Given[S, C, E]":
        """The same, with what the commands lead to added to it."""
        given = self
        for command in commands:
            given = Given(self.decider, (*given.history, *given.when(command).events()))
        return given


def given(decider: Decider[S, C, E], *events: E) -> Given[S, C, E]:
    return Given(decider, events)
