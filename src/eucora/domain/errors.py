"""What the domain refuses with. Every refusal is a class of its own, so that it can have a problem type of its own."""


class DomainError(Exception):
    """A command was refused; nothing was recorded. ``facts`` are JSON-ready and go into the problem document."""

    def __init__(self, message: str, **facts: object) -> None:
        super().__init__(message)
        self.message, self.facts = message, facts


class RefusedOnRecord(DomainError):
    """A refusal that the business wants on record: ``record`` is appended before the caller is told."""

    def __init__(self, message: str, *, record: object, **facts: object) -> None:
        super().__init__(message, **facts)
        self.record = record
