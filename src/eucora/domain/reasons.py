"""The rule that a decision is never recorded without its reason."""

from eucora.domain.errors import DomainError


class ReasonMissing(DomainError):
    """The command is one that people will ask about later, and it says nothing. ``field``: where it would say it."""

    def __init__(self, decision: str, field: str = "reason") -> None:
        ask = "Say why" if field == "reason" else f"Write the {field}"
        super().__init__(f"{ask}: {decision} is recorded together with its {field}, which is empty.", decision=decision)
        self.field = field


def require_reason(reason: str, decision: str, field: str = "reason") -> str:
    """``reason`` without the white space around it. Raises ReasonMissing when nothing is left.

    ``field``: what the text is called where it is no plain reason: a description, a justification, findings.
    """
    if not (stripped := reason.strip()):
        raise ReasonMissing(decision, field)
    return stripped
