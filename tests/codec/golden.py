"""Writes the golden file of an event type that has none yet: ``python tests/codec/golden.py``.

A golden file is one stored entry, to the byte, as it was written by the version that brought the type. It is never
written again: a test reads every one of them through today's code.
"""

import dataclasses
import typing
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from itertools import count
from pathlib import Path
from types import NoneType, UnionType
from uuid import UUID

import eucora.codec  # noqa: F401 - registers every event
from eucora.application.ports import Context
from eucora.codec.envelope import seal
from eucora.codec.registry import EVENTS, StoredType

FOLDER = Path(__file__).resolve().parents[1] / "golden"
AT = datetime(2026, 3, 1, 12, 30, 15, 250_000, tzinfo=UTC)
ID = UUID("019caa5c-5a32-7000-8000-00000000c0de")
CONTEXT = Context(
    actor="https://issuer.example/|ada",
    correlation_id="golden-0001",
    causation_id=UUID("019caa5c-5a31-7000-8000-00000000beef"),
    intent_id="intent-1",
)


def path_of(name: str, schema: int) -> Path:
    return FOLDER / f"{name}.v{schema}.json"


def filled(hint: typing.Any, place: str, numbers: Iterator[int]) -> typing.Any:
    """A value of the type, everything in it present: no field is left at None, no tuple empty."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if dataclasses.is_dataclass(hint):
        hints = typing.get_type_hints(hint)
        fields = {
            field.name: filled(hints[field.name], field.name, numbers)
            for field in dataclasses.fields(hint)
            if field.init
        }
        return typing.cast("type", hint)(**fields)
    if origin is tuple:
        kinds = arguments[:1] * 2 if arguments[-1] is Ellipsis else arguments
        return tuple(filled(kind, place, numbers) for kind in kinds)
    if origin in (typing.Union, UnionType):
        return filled(next(kind for kind in arguments if kind is not NoneType), place, numbers)
    if isinstance(hint, type) and issubclass(hint, Enum):
        members = list(hint)
        return members[next(numbers) % len(members)]
    plain = {
        str: lambda: f"{place.replace('_', ' ')} {next(numbers)} – “ü” \U0001f680",
        int: lambda: next(numbers),
        bool: lambda: True,
        Decimal: lambda: Decimal(next(numbers)) / 100,
        datetime: lambda: AT.replace(minute=next(numbers) % 60),
    }
    return plain[hint]()


def entry_of(stored: StoredType) -> bytes:
    """The entry of a filled event of the type."""
    event = filled(stored.cls, stored.name, count(1))
    noun = stored.name.split(".")[0]
    return seal(event, id=ID, stream=f"{noun}-1", version=7, at=AT, context=CONTEXT).body


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for stored in EVENTS.types:
        path = path_of(stored.name, stored.schema)
        if not path.exists():
            path.write_bytes(entry_of(stored) + b"\n")


if __name__ == "__main__":
    main()
