"""The mark of break-glass in the envelope: there when something was done in a session, and otherwise not a byte."""

from dataclasses import replace

import orjson

import eucora.codec  # noqa: F401 - registers every event
from eucora.codec.envelope import recorded, seal
from golden import AT, CONTEXT, FOLDER, ID

GOLDEN = FOLDER / "service_token.revoked.v1.json"


def entry(session: str) -> bytes:
    event = recorded(0, GOLDEN.read_bytes()).event
    context = replace(CONTEXT, break_glass=session)
    return seal(event, id=ID, stream="service_token-1", version=7, at=AT, context=context).body


def test_what_is_done_in_no_session_has_the_bytes_that_it_always_had() -> None:
    assert entry("") == GOLDEN.read_bytes().removesuffix(b"\n")
    assert recorded(0, entry("")).break_glass == ""


def test_what_is_done_in_a_session_says_in_which() -> None:
    marked = orjson.loads(entry("bg-1"))
    assert marked.pop("break_glass") == "bg-1"
    assert marked == orjson.loads(entry(""))
    assert recorded(0, entry("bg-1")).break_glass == "bg-1"
