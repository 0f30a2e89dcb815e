"""The rule that a decision is never recorded without its reason."""

from eucora.domain.errors import DomainError


class ReasonMissing(DomainError):
    """The command is one that people will ask about later, and it says nothing."""

    def __init__(self, decision: str) -> None:
        super().__init__(
            f"Say why: {decision} is recorded together with its reason, which is empty.", decision=decision
        )


def require_reason(reason: str, decision: str) -> str:
    """``reason`` without the white space around it. Raises ReasonMissing when nothing is left."""
    if not (stripped := reason.strip()):
        raise ReasonMissing(decision)
    return stripped
