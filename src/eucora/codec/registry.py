"""Stored names and versions of events, and the way from any version ever written to today's class.

Names are written out, never derived from a class path, so that code can move without touching history. A new optional
field with an honest default needs no new version; any other change adds one, with one pure upcaster for the step.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

JsonObject = dict[str, Any]
Upcaster = Callable[[JsonObject], JsonObject]


class UnknownEvent(Exception):
    """The log holds an event that this version cannot read: an unknown name, or a version newer than its own."""


@dataclass(frozen=True, slots=True)
class StoredType:
    """How one event class is stored."""

    name: str
    schema: int
    cls: type
    adapter: TypeAdapter[Any]


class Registry:
    """All event types of the log."""

    def __init__(self) -> None:
        self._by_class: dict[type, StoredType] = {}
        self._by_name: dict[str, StoredType] = {}
        self._upcasters: dict[tuple[str, int], Upcaster] = {}

    def add(
        self, stored_as: Mapping[type, tuple[str, int]], upcasters: Mapping[tuple[str, int], Upcaster] | None = None
    ) -> None:
        """Register the events of one noun. Raises ValueError when a name or class is taken, or a step is missing."""
        for cls, (name, schema) in stored_as.items():
            if cls in self._by_class or name in self._by_name:
                raise ValueError(f"{cls.__name__} or {name!r} is registered already")
            stored = StoredType(name, schema, cls, TypeAdapter(cls))
            self._by_class[cls] = self._by_name[name] = stored
        self._upcasters.update(upcasters or {})
        for name, schema in stored_as.values():
            for step in range(1, schema):
                if (name, step) not in self._upcasters:
                    raise ValueError(f"{name!r} has no upcaster from version {step}")

    def encode(self, event: object) -> tuple[str, int, JsonObject]:
        """Stored name, version, and data of JSON values (decimals and times as strings)."""
        stored = self._by_class[type(event)]
        return stored.name, stored.schema, stored.adapter.dump_python(event, mode="json", warnings="error")

    def decode(self, name: str, schema: int, data: JsonObject) -> object:
        """The event as today's class.

        Raises:
            UnknownEvent: no such name, a newer version, or data that no longer fits.
        """
        stored = self._by_name.get(name)
        if stored is None or schema > stored.schema:
            raise UnknownEvent(f"{name} version {schema} was written by a newer EUCORA; upgrade this one to read it")
        for step in range(schema, stored.schema):
            data = self._upcasters[name, step](data)
        try:
            return stored.adapter.validate_python(data)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            raise UnknownEvent(f"{name} version {schema}: {first['loc']}: {first['msg']}") from error

    @property
    def types(self) -> tuple[StoredType, ...]:
        """Every registered type, by name."""
        return tuple(self._by_name[name] for name in sorted(self._by_name))


EVENTS: Final = Registry()
