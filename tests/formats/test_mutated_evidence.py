"""No mutation of a valid document raises anything but UnreadableEvidence."""

import contextlib
import json
from typing import Any

import pytest
from evidence_samples import SAMPLES
from hypothesis import given, settings
from hypothesis import strategies as st

from eucora.domain.findings import UnreadableEvidence
from eucora.formats.sbom import read_sbom
from eucora.formats.scan import read_scan
from eucora.formats.vex import read_vex

SPLINTERS = [
    b"\x00",
    b"\xff",
    b"\xed\xa0\x80",
    b'"',
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"<",
    b">",
    b"&",
    b"\\u",
    b"-",
]


@st.composite
def mutations(draw: st.DrawFn, data: bytes) -> bytes:
    """``data`` with up to four bytes flipped, pieces put in or taken out, or its end cut off."""
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(len(data) - 1, 0)))
        match draw(st.sampled_from(("truncate", "flip", "insert", "delete", "double"))):
            case "truncate":
                data = data[:at]
            case "flip":
                data = data[:at] + bytes([draw(st.integers(0, 255))]) + data[at + 1 :]
            case "insert":
                data = data[:at] + draw(st.binary(max_size=8) | st.sampled_from(SPLINTERS)) + data[at:]
            case "delete":
                data = data[:at] + data[at + draw(st.integers(1, 30)) :]
            case "double":
                data = data[:at] + data[at : at + draw(st.integers(1, 60))] + data[at:]
    return data


@pytest.mark.parametrize("name", SAMPLES)
@settings(deadline=None)
@given(choice=st.data())
def test_no_mutation_of_bytes_raises_anything_else(name: str, choice: st.DataObject) -> None:
    read, valid = SAMPLES[name]
    mutated = choice.draw(mutations(valid))
    with contextlib.suppress(UnreadableEvidence):
        read(mutated)


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["CVE-2024-1", "CVSS:3.1/AV:N", "pkg:npm/a@1", "2026-01-31T08:00:00Z", "9.8"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value in the document."""
    inside = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [path, *(found for key, value in inside for found in places(value, (*path, key)))]


def replaced(node: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    inside = dict(node) if isinstance(node, dict) else list(node)
    inside[path[0]] = replaced(inside[path[0]], path[1:], value)
    return inside


@pytest.mark.parametrize("name", [name for name in SAMPLES if "xml" not in name])
@settings(deadline=None)
@given(choice=st.data())
def test_no_value_in_any_place_raises_anything_else(name: str, choice: st.DataObject) -> None:
    read, valid = SAMPLES[name]
    document = json.loads(valid)
    path = choice.draw(st.sampled_from(places(document)))
    mutated = replaced(document, path, choice.draw(values))
    with contextlib.suppress(UnreadableEvidence):
        read(json.dumps(mutated).encode())


@settings(deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    for read in (read_sbom, read_scan, read_vex):
        with contextlib.suppress(UnreadableEvidence):
            read(data)


@settings(deadline=None)
@given(values)
def test_no_json_raises_anything_else(value: Any) -> None:
    for read in (read_sbom, read_scan, read_vex):
        with contextlib.suppress(UnreadableEvidence):
            read(json.dumps(value).encode())


@pytest.mark.parametrize("name", SAMPLES)
def test_every_truncation_is_refused(name: str) -> None:
    read, valid = SAMPLES[name]
    whole = valid.rstrip()
    for end in range(len(whole)):
        with pytest.raises(UnreadableEvidence):
            read(whole[:end])
