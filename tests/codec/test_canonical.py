"""Canonical bytes: the same as the reference library's for all that gets through, and a refusal for the rest."""

from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

import orjson
import pytest
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st

from eucora.codec.canonical import INTEGER_MAX, NotCanonical, canonical

# Everything Unicode has but surrogates: control characters, non-BMP characters, U+2028, U+FFFF.
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
KEYS = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=8)
SCALARS = st.none() | st.booleans() | st.integers(-INTEGER_MAX, INTEGER_MAX) | TEXT
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=6), max_leaves=25
)
ANYTHING = st.recursive(
    SCALARS | st.floats() | st.integers() | st.text(max_size=5) | st.binary(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4) | st.integers(), inner, max_size=4),
    max_leaves=12,
)


class Colour(StrEnum):
    RED = "red"


@given(VALUES)
@example("\U0001f680 \U0010ffff")
@example("".join(map(chr, range(0x20))) + '"\\/\x7f\u2028\u2029\ufeff')
@example({"b": 1, "a": 2, "B": 3, "": 4, "aa": 5, "a b": 6, "~": 7, " ": 8})
@example([INTEGER_MAX, -INTEGER_MAX, 0, True, False, None])
@example({"nested": {"z": [{"y": 1, "x": [[], {}]}], "a": {}}})
def test_bytes_are_those_of_the_reference_library(value: Any) -> None:
    assert canonical(value) == rfc8785.dumps(value)


@given(ANYTHING)
def test_whatever_gets_through_is_as_the_reference_library_writes_it(value: Any) -> None:
    try:
        ours = canonical(value)
    except NotCanonical:
        return
    assert ours == rfc8785.dumps(value)


@given(VALUES)
def test_reading_and_writing_again_changes_no_byte(value: Any) -> None:
    once = canonical(value)
    assert canonical(orjson.loads(once)) == once


def test_a_tuple_is_written_as_a_list() -> None:
    assert canonical({"a": (1, ("x",))}) == b'{"a":[1,["x"]]}'


@pytest.mark.parametrize("wrap", [lambda v: v, lambda v: {"a": [v]}, lambda v: ({"k": {"b": v}},)])
@pytest.mark.parametrize(
    "value",
    [
        1.0,
        0.1,
        float("nan"),
        INTEGER_MAX + 1,
        -INTEGER_MAX - 1,
        2**64,
        10**400,
        Decimal("1.5"),
        datetime(2026, 3, 1, tzinfo=UTC),
        b"bytes",
        {1, 2},
        Colour.RED,
        object,
        {"ü": 1},
        {"\U0001f680": 1},
        {"tab\t": 1},
        {"\x7f": 1},
        {1: "number as key"},
        {None: 1},
        {Colour.RED: 1},
        "lone \ud800 surrogate",
        "\udfff",
    ],
    ids=repr,  # the same in every process
)
def test_what_has_no_certain_form_is_refused(value: Any, wrap: Any) -> None:
    with pytest.raises(NotCanonical):
        canonical(wrap(value))


def test_a_refusal_names_the_place() -> None:
    with pytest.raises(NotCanonical, match=r"^\$\.a\[1\]\.b: float has no canonical form"):
        canonical({"a": [0, {"b": 0.5}]})
    with pytest.raises(NotCanonical, match=r"^\$\.a: 9007199254740992 is beyond 2\^53 - 1"):
        canonical({"a": INTEGER_MAX + 1})
    with pytest.raises(NotCanonical, match=r"^\$\.a: key 'ü' is not printable ASCII"):
        canonical({"a": {"ü": 1}})
