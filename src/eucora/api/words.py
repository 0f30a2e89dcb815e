"""Texts and times that come in: how long they may be, what they look like, and when they may lie."""

import re
from datetime import UTC, datetime
from typing import Annotated, Final, TypeAlias

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

FIRST_YEAR: Final = 1970
LAST_YEAR: Final = 9000
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]")

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


def _written(value: object) -> object:
    # A number would be taken for seconds or milliseconds since 1970, by its size; the description knows neither.
    if isinstance(value, datetime) or (isinstance(value, str) and _DATE.match(value)):
        return value
    raise PydanticCustomError("moment_not_written", "Input should be a time such as 2026-03-02T08:00:00Z")


Moment: TypeAlias = Annotated[AwareDatetime, BeforeValidator(_written), AfterValidator(_in_range)]
"""A time with an offset, in UTC from here on."""

ClockTime: TypeAlias = Annotated[
    datetime,
    BeforeValidator(_written),
    # The format date-time (RFC 3339) demands an offset, which a time on the wall of some place does not have.
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2})?(Z|[+-]\d{2}:\d{2})?$",
            "description": "ISO 8601: with an offset, or as the clock on the wall shows it where a zone is named.",
        }
    ),
]
"""A time with an offset, or without one beside a zone that is named."""
