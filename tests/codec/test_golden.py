"""What was ever written can be read: one entry of every event type and version, through today's code."""

from pathlib import Path
from typing import Any

import orjson
import pytest

import eucora.codec  # noqa: F401 - registers every event
from eucora.application.ports import Context
from eucora.codec.canonical import canonical
from eucora.codec.envelope import event_of, recorded, seal
from eucora.codec.registry import EVENTS
from golden import FOLDER, path_of

FILES = sorted(FOLDER.glob("*.json"))
EVERY_VERSION = {(stored.name, schema) for stored in EVENTS.types for schema in range(1, stored.schema + 1)}


def what_the_file_knew(today: Any, then: Any) -> Any:
    """``today`` without the optional fields that came later: a new one with an honest default needs no version."""
    if isinstance(today, dict) and isinstance(then, dict):
        return {key: what_the_file_knew(value, then[key]) for key, value in today.items() if key in then}
    if isinstance(today, list) and isinstance(then, list) and len(today) == len(then):
        return [what_the_file_knew(*pair) for pair in zip(today, then, strict=True)]
    return today


def test_every_version_ever_written_has_a_golden_file_and_no_file_is_a_stranger() -> None:
    assert {path.name for path in FILES} == {path_of(name, schema).name for name, schema in EVERY_VERSION}
    assert EVERY_VERSION


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_golden_entry_is_read_back_whole(path: Path) -> None:
    line = path.read_bytes()
    assert line.count(b"\n") == 1
    body = line.removesuffix(b"\n")
    then = orjson.loads(body)
    assert canonical(then) == body
    assert path == path_of(then["type"], then["schema"])

    read = recorded(41, body)
    assert read.event == event_of(body)
    context = Context(read.actor, read.correlation_id, read.causation_id, read.intent_id)
    again = seal(read.event, id=read.id, stream=read.stream, version=read.version, at=read.at, context=context)
    if then["schema"] == again.schema:
        assert canonical(what_the_file_knew(orjson.loads(again.body), then)) == body
    else:
        # An older version becomes today's, and is stable from there on.
        assert event_of(again.body) == read.event
        assert (again.type, again.schema > then["schema"]) == (then["type"], True)


def test_a_golden_entry_holds_a_value_in_every_field() -> None:
    """An empty tuple or a null would say nothing about how its content is stored."""
    fields = [(path.stem, *field) for path in FILES for field in orjson.loads(path.read_bytes())["data"].items()]
    assert [(stem, key) for stem, key, value in fields if value in (None, [], "", {})] == []
    assert fields
