"""Texts and times that come in: how long they may be, what they look like, and when they may lie."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Final, TypeAlias

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

FIRST_YEAR: Final = 1970
LAST_YEAR: Final = 9000
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]")

Line: TypeAlias = Annotated[str, StringConstraints(max_length=200)]
Prose: TypeAlias = Annotated[str, StringConstraints(max_length=4_000)]
Digest: TypeAlias = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$", max_length=64)]
Version: TypeAlias = Annotated[str, StringConstraints(pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", max_length=64)]
PersonId: TypeAlias = Annotated[str, StringConstraints(max_length=1_000)]
"""An issuer and a subject, which are longer than a line may be."""

# Bounds of what can be recorded, far around what the domain lets through: it says whether a number makes sense.
NUMBER_MAX: Final = 1_000
_NUMBER: Final = re.compile(r"-?[0-9]{1,4}(\.[0-9]{1,8})?", re.ASCII)
Whole: TypeAlias = Annotated[int, Field(ge=-(10**9), le=10**9)]


def _plain(value: object) -> object:
    # A decimal reads much that looks like no number: underscores, digits of other scripts, a thousand zeros in front.
    if isinstance(value, str) and not _NUMBER.fullmatch(value):
        raise PydanticCustomError("number_not_plain", "Input should be a number such as 0.95, with at most 8 decimals")
    return value


Number: TypeAlias = Annotated[
    Decimal,
    Field(ge=-NUMBER_MAX, le=NUMBER_MAX, max_digits=12, decimal_places=8),
    BeforeValidator(_plain),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "minimum": -NUMBER_MAX, "maximum": NUMBER_MAX},
                {"type": "string", "pattern": f"^{_NUMBER.pattern}$", "maxLength": 14},
            ]
        }
    ),
]
"""A share or a threshold, exactly: as a number, or as a text where a number would not be exact."""


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
            "maxLength": 25,
            "description": "ISO 8601: with an offset, or as the clock on the wall shows it where a zone is named.",
        }
    ),
]
"""A time with an offset, or without one beside a zone that is named."""
