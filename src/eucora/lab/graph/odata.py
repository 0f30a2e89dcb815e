"""The part of OData's ``$filter`` that Intune and the directory answer to."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

Row = Mapping[str, Any]
Predicate = Callable[[Row], bool]

_TOKEN: Final = re.compile(
    r"""\s*(?:
        (?P<string>'(?:[^']|'')*')
      | (?P<bare>[A-Za-z0-9_@][\w.:/+@-]*)
      | (?P<mark>[(),])
    )""",
    re.VERBOSE,
)
_COMPARISONS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "eq": lambda have, want: bool(have == want),
    "ne": lambda have, want: bool(have != want),
    "gt": lambda have, want: have is not None and bool(have > want),
    "ge": lambda have, want: have is not None and bool(have >= want),
    "lt": lambda have, want: have is not None and bool(have < want),
    "le": lambda have, want: have is not None and bool(have <= want),
}
_FUNCTIONS: Final[dict[str, Callable[[str, str], bool]]] = {
    "contains": lambda have, want: want in have,
    "startswith": str.startswith,
    "endswith": str.endswith,
}


class FilterInvalid(ValueError):
    """The text is no filter this lab can read."""


@dataclass(slots=True)
class Filter:
    """A parsed filter: what it asks for, and the (property, operator) pairs it uses."""

    matches: Predicate
    uses: list[tuple[str, str]] = field(default_factory=list)


def parse_filter(text: str) -> Filter:
    """Understands and, or, not, parentheses, comparisons, contains, startswith, endswith and isof.

    Text compares without regard to case, as it does in Graph.

    Raises:
        FilterInvalid: anything else.
    """
    parser = _Parser(text)
    return Filter(parser.whole(), parser.uses)


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens = list(_tokens(text))
        self._at = 0
        self.uses: list[tuple[str, str]] = []

    def whole(self) -> Predicate:
        found = self._either()
        if self._at != len(self._tokens):
            raise FilterInvalid(f"unexpected {self._tokens[self._at]!r}")
        return found

    def _either(self) -> Predicate:
        found = self._both()
        while self._took("or"):
            found = _any(found, self._both())
        return found

    def _both(self) -> Predicate:
        found = self._term()
        while self._took("and"):
            found = _all(found, self._term())
        return found

    def _term(self) -> Predicate:
        if self._took("not"):
            return _not(self._term())
        if self._took("("):
            found = self._either()
            self._expect(")")
            return found
        word = self._next()
        return self._call(word) if self._took("(") else self._compare(word)

    def _call(self, name: str) -> Predicate:
        if name == "isof":
            wanted = "#" + _text(self._next()).lstrip("#")
            self._expect(")")
            self.uses.append(("@odata.type", "isof"))
            return lambda row: row.get("@odata.type") == wanted
        if name not in _FUNCTIONS:
            raise FilterInvalid(f"unknown function {name!r}")
        subject = self._next()
        self._expect(",")
        wanted = _text(self._next()).casefold()
        self._expect(")")
        self.uses.append((subject, name))
        test = _FUNCTIONS[name]
        return lambda row: test(str(row.get(subject) or "").casefold(), wanted)

    def _compare(self, subject: str) -> Predicate:
        operator = self._next()
        if operator not in _COMPARISONS:
            raise FilterInvalid(f"unknown operator {operator!r}")
        wanted = _literal(self._next())
        self.uses.append((subject, operator))
        test = _COMPARISONS[operator]

        def matches(row: Row) -> bool:
            try:
                return test(_comparable(row.get(subject), wanted), wanted)
            except TypeError:
                return False

        return matches

    def _next(self) -> str:
        if self._at >= len(self._tokens):
            raise FilterInvalid("the filter ends too early")
        self._at += 1
        return self._tokens[self._at - 1]

    def _took(self, token: str) -> bool:
        if self._at < len(self._tokens) and self._tokens[self._at] == token:
            self._at += 1
            return True
        return False

    def _expect(self, token: str) -> None:
        if not self._took(token):
            raise FilterInvalid(f"{token!r} expected")


def _tokens(text: str) -> Iterator[str]:
    at = 0
    while at < len(text.rstrip()):
        match = _TOKEN.match(text, at)
        if match is None:
            raise FilterInvalid(f"cannot read {text[at : at + 20]!r}")
        at = match.end()
        yield match.group().strip()


def _any(one: Predicate, other: Predicate) -> Predicate:
    return lambda row: one(row) or other(row)


def _all(one: Predicate, other: Predicate) -> Predicate:
    return lambda row: one(row) and other(row)


def _not(one: Predicate) -> Predicate:
    return lambda row: not one(row)


def _text(token: str) -> str:
    if not token.startswith("'"):
        raise FilterInvalid(f"a quoted text expected, not {token!r}")
    return token[1:-1].replace("''", "'")


def _literal(token: str) -> Any:
    if token.startswith("'"):
        return _text(token).casefold()
    if token in ("true", "false", "null"):
        return {"true": True, "false": False, "null": None}[token]
    if re.fullmatch(r"-?\d+(\.\d+)?", token):
        return float(token)
    try:
        moment = datetime.fromisoformat(token)
    except ValueError:
        return token.casefold()  # a GUID or an enum member may stand without quotes
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _comparable(have: Any, wanted: Any) -> Any:
    """``have`` in the form in which it can be held against ``wanted``."""
    if isinstance(have, str):
        return datetime.fromisoformat(have) if isinstance(wanted, datetime) else have.casefold()
    return have
