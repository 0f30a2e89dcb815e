"""Canonical JSON bytes (RFC 8785) of the values that events are made of.

orjson with sorted keys gives the bytes that RFC 8785 asks for, forty times faster than the reference library, as long
as a value holds no float, no integer beyond 2^53 - 1, and no key outside printable ASCII. Anything else is refused
here, so the two agree on everything that gets through; a property test holds them side by side.
"""

from typing import Final

import orjson

INTEGER_MAX: Final = 2**53 - 1  # the largest integer that every JSON reader keeps (I-JSON, RFC 7493)
_PLAIN: Final = frozenset({str, bool, type(None)})  # fit to be written whatever their value


class NotCanonical(ValueError):
    """The value cannot be written canonically; the message says where and why."""


def canonical(value: object) -> bytes:
    """RFC 8785 bytes of a JSON value built from dict, list, tuple, str, int, bool and None.

    Raises:
        NotCanonical: a float, too large an integer, a key that is not printable ASCII, a lone surrogate.
    """
    _check(value, "$")
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError as error:
        raise NotCanonical(str(error)) from error


def _check(value: object, place: str) -> None:
    # Exact types, not isinstance: a bool is an int, and a subclass could write itself in its own way.
    kind = type(value)
    if kind in _PLAIN:
        return
    if kind is dict:
        for key, item in value.items():  # type: ignore[attr-defined]  # kind says it is a dict
            if type(key) is not str or not key.isascii() or not key.isprintable():
                raise NotCanonical(f"{place}: key {key!r} is not printable ASCII")
            if type(item) not in _PLAIN:  # most values are; a call for each would cost more than the rest of the walk
                _check(item, f"{place}.{key}")
    elif kind is list or kind is tuple:
        for index, item in enumerate(value):  # type: ignore[arg-type]
            if type(item) not in _PLAIN:
                _check(item, f"{place}[{index}]")
    elif kind is not int:
        raise NotCanonical(f"{place}: {kind.__name__} has no canonical form; write it as a string")
    elif not -INTEGER_MAX <= value <= INTEGER_MAX:  # type: ignore[operator]
        raise NotCanonical(f"{place}: {value} is beyond 2^53 - 1; write it as a string")
