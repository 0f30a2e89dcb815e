"""The part of RSQL that Jamf's list calls take: comparisons joined by ``;`` (and) and ``,`` (or), with parentheses.

Source: https://developer.jamf.com/jamf-pro/docs/filtering-with-rsql, read 2026-11-22.
"""

import re
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from fnmatch import fnmatchcase
from operator import ge, gt, le, lt
from typing import Final

Getter = Callable[[str], object]  # a field's value in one row
Predicate = Callable[[Getter], bool]

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<quoted>\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*')"
    r"|(?P<operator>==|!=|=[a-z]+=|<=|>=|<|>)"
    r"|(?P<mark>[();,])"
    r"|(?P<word>[^\s\"'();,=!<>]+))"
)
_ORDERS: Final = {"<": lt, "=lt=": lt, "<=": le, "=le=": le, ">": gt, "=gt=": gt, ">=": ge, "=ge=": ge}
_DEPTH_MAX: Final = 20
_LENGTH_MAX: Final = 200_000


class RsqlError(ValueError):
    """The filter is not RSQL, or names a field that the list does not filter on; ``field`` is that field or empty."""

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.field = field


def parse(text: str, fields: Collection[str]) -> Predicate:
    """The filter as a predicate over one row; an empty filter accepts every row. Raises RsqlError."""
    if not text.strip():
        return lambda _: True
    if len(text) > _LENGTH_MAX:
        raise RsqlError("the filter is too long")
    parser = _Parser(_tokens(text), fields)
    predicate = parser.alternatives(0)
    parser.expect_end()
    return predicate


def _tokens(text: str) -> list[tuple[str, str]]:
    tokens: list[tuple[str, str]] = []
    at, text = 0, text.rstrip()
    while at < len(text):
        if not (match := _TOKEN.match(text, at)):
            raise RsqlError(f"cannot read the filter at character {at}")
        kind = str(match.lastgroup)
        value = match[kind]
        tokens.append((kind, re.sub(r"\\(.)", r"\1", value[1:-1]) if kind == "quoted" else value))
        at = match.end()
    return tokens


class _Parser:
    def __init__(self, tokens: Sequence[tuple[str, str]], fields: Collection[str]) -> None:
        self._tokens, self._fields, self._at = tokens, fields, 0

    def expect_end(self) -> None:
        if self._at < len(self._tokens):
            raise RsqlError(f"unexpected {self._tokens[self._at][1]!r}")

    def alternatives(self, depth: int) -> Predicate:
        terms = [self._conjunction(depth)]
        while self._take("mark", ",") or self._take("word", "or"):
            terms.append(self._conjunction(depth))
        return terms[0] if len(terms) == 1 else lambda row: any(term(row) for term in terms)

    def _conjunction(self, depth: int) -> Predicate:
        terms = [self._constraint(depth)]
        while self._take("mark", ";") or self._take("word", "and"):
            terms.append(self._constraint(depth))
        return terms[0] if len(terms) == 1 else lambda row: all(term(row) for term in terms)

    def _constraint(self, depth: int) -> Predicate:
        if depth > _DEPTH_MAX:
            raise RsqlError("the filter is nested too deeply")
        if self._take("mark", "("):
            inner = self.alternatives(depth + 1)
            self._demand("mark", ")")
            return inner
        field = self._demand("word")
        if field not in self._fields:
            raise RsqlError(f"no filter on {field!r}", field)
        return _comparison(field, self._demand("operator"), self._values())

    def _values(self) -> list[str]:
        if not self._take("mark", "("):
            return [self._value()]
        values = [self._value()]
        while self._take("mark", ","):
            values.append(self._value())
        self._demand("mark", ")")
        return values

    def _value(self) -> str:
        return self._demand("quoted") if self._peek() == "quoted" else self._demand("word")

    def _peek(self) -> str:
        return self._tokens[self._at][0] if self._at < len(self._tokens) else ""

    def _take(self, kind: str, value: str) -> bool:
        found = self._at < len(self._tokens) and self._tokens[self._at] == (kind, value)
        self._at += found
        return found

    def _demand(self, kind: str, value: str | None = None) -> str:
        if self._peek() != kind or value not in (None, self._tokens[self._at][1]):
            raise RsqlError(f"a {value or kind} is missing")
        self._at += 1
        return self._tokens[self._at - 1][1]


def _comparison(field: str, operator: str, values: list[str]) -> Predicate:
    if operator in ("=in=", "=out="):
        members = frozenset(values)
        return lambda row: (_text(row(field)) in members) == (operator == "=in=")
    if len(values) != 1:
        raise RsqlError(f"{operator} takes one value")
    wanted = values[0]
    if operator in ("==", "!="):
        return lambda row: _equal(row(field), wanted) == (operator == "==")
    if operator not in _ORDERS:
        raise RsqlError(f"no operator {operator!r}")
    order = _ORDERS[operator]
    if (moment := _moment(wanted)) is not None:
        # A row without the date is on neither side of it.
        return lambda row: (value := _moment(_text(row(field)))) is not None and bool(order(value, moment))
    return lambda row: bool(order(_text(row(field)), wanted))


def _equal(value: object, wanted: str) -> bool:
    text = _text(value)
    if "*" not in wanted:
        return text == wanted
    # Only the star is a wildcard in RSQL; fnmatch would also take ``?`` and ``[``.
    return fnmatchcase(text, re.sub(r"([?\[])", r"[\1]", wanted))


def _text(value: object) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else None
