"""How a share of a group is said over the API: by name, so that nobody takes one end for the other."""

from functools import partial
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, model_validator

from eucora.api.asking import Asked, Told
from eucora.domain.assignment import Share


def _within(least: int, most: int, does: str, percent: int) -> int:
    if not least <= percent <= most:
        raise ValueError(f"a share {does} at {least} to {most} whole percent of the group, not at {percent}")
    return percent


class ShareAsked(Asked):
    """The devices of the group whose place for the application is at or above ``from`` and below ``to``, in percent."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"from": 10, "to": 50}]})

    from_: Annotated[
        int,
        Field(alias="from", strict=True, json_schema_extra={"minimum": 0, "maximum": 99}),
        AfterValidator(partial(_within, 0, 99, "begins")),
    ]
    to: Annotated[
        int,
        Field(strict=True, json_schema_extra={"minimum": 1, "maximum": 100}),
        AfterValidator(partial(_within, 1, 100, "ends")),
    ]

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.from_ >= self.to:
            raise ValueError(f"a share begins below where it ends, not at {self.from_} % and {self.to} %: raise to")
        return self

    @property
    def share(self) -> Share:
        return self.from_, self.to


class ShareBody(Told):
    """At or above ``from`` and below ``to``, in whole percent of the group's devices."""

    model_config = ConfigDict(populate_by_name=True)

    from_: Annotated[int, Field(alias="from")]
    to: int


def _named(share: Any) -> Any:
    return {"from": share[0], "to": share[1]} if isinstance(share, tuple) else share


ShareTold = Annotated[ShareBody | None, BeforeValidator(_named)]
