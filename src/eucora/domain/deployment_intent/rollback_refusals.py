"""What a rollback refuses."""

from eucora.domain.errors import DomainError
from eucora.domain.planes import Plane


class RollbackImpossible(DomainError):
    """Nothing is known that would take the release off a plane, and no earlier one could be put over it."""

    def __init__(self, planes: tuple[Plane, ...], application: str) -> None:
        told = " and ".join(planes)
        super().__init__(
            f"On {told} the evidence names no command that removes the release, and no earlier release of {application}"
            " was completed there that could be put over it. Abort the rollout, which takes the offers back, and"
            " propose a release that removes it or replaces it.",
            planes=[str(plane) for plane in planes],
        )


class NoPreviousRelease(DomainError):
    """A rollback to the previous release, and there is none."""

    def __init__(self, application: str) -> None:
        super().__init__(
            f"No earlier release of {application} was completed in a ring that this one reached, so there is nothing to"
            " go back to; roll back to nothing, which removes the release.",
            application=application,
        )
