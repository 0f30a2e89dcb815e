"""RSQL filters: what matches, what binds tighter, and what is refused."""

import pytest

from eucora.lab.jamf.rsql import RsqlError, parse

ROW: dict[str, object] = {
    "id": "5",
    "name": 'A "b" [c]?',
    "managed": True,
    "seen": "2026-11-22T10:00:00.000Z",
    "note": None,
}


def matches(text: str) -> bool:
    return parse(text, ROW.keys())(ROW.__getitem__)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "id==5",
        'id=="5"',
        "id==5;managed==true",
        "id==6,id==5",
        "id==6 or id==5",
        "id==5 and managed==true",
        "(id==6,id==5);managed==true",
        "id=in=(4, 5)",
        "id=out=(6,7)",
        "id!=6",
        r'name=="A \"b\" [c]?"',
        'name=="A*c]?"',
        "name=='A*'",
        "note==''",
        "seen>=2026-11-22T10:00:00Z",
        "seen=lt='2026-11-22T12:00:01+02:00'",
    ],
)
def test_it_matches(text: str) -> None:
    assert matches(text)


@pytest.mark.parametrize(
    "text",
    [
        "id==50",
        "id==6;managed==true",
        "id==6,id==7",
        "id=out=(5)",
        "id!=5",
        "name=='a*'",
        "name=='A*?x'",
        "seen>2026-11-22T10:00:00Z",
        "note>2026-11-22T10:00:00Z",
    ],
)
def test_it_does_not_match(text: str) -> None:
    assert not matches(text)


def test_and_binds_tighter_than_or() -> None:
    assert matches("id==5,id==6;managed==false")
    assert not matches("(id==5,id==6);managed==false")


@pytest.mark.parametrize("text", ["==5", "id", "id=5", "id==", "id==5;", "id==5)", "id==(5,6)", '"id"==5', "id=~5"])
def test_what_is_no_rsql_is_refused(text: str) -> None:
    with pytest.raises(RsqlError):
        matches(text)


def test_a_field_that_is_not_filtered_on_is_named() -> None:
    with pytest.raises(RsqlError) as refused:
        matches("secret==1")
    assert refused.value.field == "secret"


def test_a_filter_has_bounds() -> None:
    for text in ("(" * 100 + "id==5" + ")" * 100, "id==" + "5" * 300_000):
        with pytest.raises(RsqlError):
            matches(text)
