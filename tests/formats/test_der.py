"""Elements of ASN.1: encoded by hand here, read back there; whatever else comes is Malformed."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eucora.formats import der
from eucora.formats.der import Element, Malformed, child, parse


def element(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def endless(tag: int, content: bytes) -> bytes:
    return bytes([tag, 0x80]) + content + b"\x00\x00"


@given(st.lists(st.binary(max_size=300), max_size=5), st.booleans(), st.booleans())
def test_what_was_nested_is_found_again(contents: list[bytes], outer_endless: bool, inner_endless: bool) -> None:
    outer, inner = endless if outer_endless else element, endless if inner_endless else element
    data = outer(der.SEQUENCE, b"".join(inner(der.SET, element(der.OCTET_STRING, each)) for each in contents))
    found = parse(data + b"padding")
    assert found.raw == data
    assert [child(each, 0, der.OCTET_STRING).content for each in found.children()] == contents


@pytest.mark.parametrize(
    ("encoded", "text"),
    [("2a864886f70d010702", "1.2.840.113549.1.7.2"), ("2b0e03021a", "1.3.14.3.2.26"), ("883703", "2.999.3")],
)
def test_an_object_identifier_is_written_with_dots(encoded: str, text: str) -> None:
    assert parse(element(der.OBJECT_ID, bytes.fromhex(encoded))).object_id() == text


@pytest.mark.parametrize(("content", "number"), [("00", 0), ("7f", 127), ("0080", 128), ("ff", -1)])
def test_a_number_has_a_sign(content: str, number: int) -> None:
    assert parse(element(der.INTEGER, bytes.fromhex(content))).integer() == number


@pytest.mark.parametrize(
    ("tag", "text", "year"),
    [
        (der.UTC_TIME, b"491231235959Z", 2049),
        (der.UTC_TIME, b"501231235959Z", 1950),
        (der.GENERALIZED_TIME, b"20491231235959Z", 2049),
        (der.GENERALIZED_TIME, b"20491231235959.123Z", 2049),
    ],
)
def test_a_time_is_in_utc(tag: int, text: bytes, year: int) -> None:
    assert parse(element(tag, text)).time() == datetime(year, 12, 31, 23, 59, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", [b"20491331235959Z", b"20490231000000Z", b"204912312359Z", b"20491231235959+0100", b""]
)
def test_a_time_that_is_none_is_refused(text: bytes) -> None:
    with pytest.raises(Malformed):
        parse(element(der.GENERALIZED_TIME, text)).time()


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        found = parse(data)
        assert data.startswith(found.raw)
        children: list[Element] = list(found.children())
        for each in children:
            for read in (each.integer, each.object_id, each.time):
                try:
                    read()
                except Malformed:
                    continue
    except Malformed:
        return
    assert all(found.content_start <= each.start <= each.end <= found.content_end for each in children)
