"""Texts and times that come in: how long they may be, what they look like, and when they may lie."""

from datetime import UTC, datetime
from typing import Annotated, Final, TypeAlias

from pydantic import AfterValidator, AwareDatetime, StringConstraints
from pydantic_core import PydanticCustomError

FIRST_YEAR: Final = 1970
LAST_YEAR: Final = 9000

Line: TypeAlias = Annotated[str, StringConstraints(max_length=200)]
Prose: TypeAlias = Annotated[str, StringConstraints(max_length=4_000)]
Digest: TypeAlias = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
Version: TypeAlias = Annotated[str, StringConstraints(pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]


def _in_range(moment: datetime) -> datetime:
    # At the ends of the calendar an offset, or a span that is added later, leads out of what a datetime can say.
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise PydanticCustomError(
            "moment_out_of_range",
            "Input should be a time in the years from {first} to {last}",
            {"first": FIRST_YEAR, "last": LAST_YEAR},
        )
    return moment.astimezone(UTC)


Moment: TypeAlias = Annotated[AwareDatetime, AfterValidator(_in_range)]
"""A time with an offset, in UTC from here on."""
