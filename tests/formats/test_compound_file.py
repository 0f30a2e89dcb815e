"""Compound files: streams come back whole however their sectors lie, and chains that lie are refused."""

import io
from collections.abc import Mapping

import pytest
from compound_files import SECTOR, compound_file

from eucora.domain.findings import UnreadableEvidence
from eucora.formats.compound_file import STORAGE, STREAM, CompoundFile

SIZES = (0, 1, 63, 64, 65, 4095, 4096, 4097, 200_000)


def pattern(size: int) -> bytes:
    return b"".join(number.to_bytes(4, "big") for number in range(-(-size // 4)))[:size]


def streams_of(data: bytes) -> dict[str, bytes]:
    package = CompoundFile(io.BytesIO(data))
    return {
        entry.name.decode("utf-16-le"): b"".join(package.chunks(entry))
        for entry in package.children(package.entries[0])
        if entry.kind == STREAM
    }


def test_streams_of_every_size_come_back_whole() -> None:
    content = {f"s{size}": pattern(size) for size in SIZES}
    assert streams_of(compound_file(content)) == content


def test_a_stream_whose_sectors_lie_scattered_comes_back_in_order() -> None:
    whole = pattern(10 * SECTOR)
    data = bytearray(compound_file({"a": whole}, fat={2: 7, 7: 4, 6: 3, 3: 8}))
    third, seventh = 4 * SECTOR, 8 * SECTOR  # sectors are counted behind the header
    data[third : third + SECTOR], data[seventh : seventh + SECTOR] = (
        data[seventh : seventh + SECTOR],
        data[third : third + SECTOR],
    )
    assert streams_of(bytes(data)) == {"a": whole}


def test_a_table_that_does_not_fit_into_the_header_is_followed() -> None:
    whole = pattern(16 * 2**20)  # 256 sectors of table: 109 in the header, 147 in two sectors of their own
    assert streams_of(compound_file({"a": whole, "b": b"small"})) == {"a": whole, "b": b"small"}


def test_pieces_are_small_whatever_the_stream_is() -> None:
    package = CompoundFile(io.BytesIO(compound_file({"a": bytes(3 * 2**20)})))
    (entry,) = package.children(package.entries[0])
    assert max(len(chunk) for chunk in package.chunks(entry)) <= 2**20


def test_storages_nest() -> None:
    package = CompoundFile(io.BytesIO(compound_file({"outer": {"inner": {"a": b"x"}}})))
    (outer,) = package.children(package.entries[0])
    (inner,) = package.children(outer)
    (stream,) = package.children(inner)
    assert [outer.kind, inner.kind, stream.kind] == [STORAGE, STORAGE, STREAM]
    assert b"".join(package.chunks(stream)) == b"x"


@pytest.mark.parametrize(
    ("fat", "said"),
    [
        ({3: 0xFFFFFFFE}, "ends a stream"),
        ({3: 100_000}, "does not reach"),
        ({3: 60}, "cut short"),
    ],
)
def test_a_chain_that_ends_early_or_leads_outside_is_refused(fat: Mapping[int, int], said: str) -> None:
    with pytest.raises(UnreadableEvidence, match=said):
        streams_of(compound_file({"a": pattern(10 * SECTOR)}, fat=fat))


def test_a_chain_in_a_circle_ends_where_the_stream_should() -> None:
    found = streams_of(compound_file({"a": pattern(10 * SECTOR)}, fat={3: 2}))
    assert len(found["a"]) == 10 * SECTOR
