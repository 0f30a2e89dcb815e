"""Which rows a caller may see: the condition on scopes that every list applies before it cuts pages."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import ARRAY, Column, ColumnElement, Table, Text, and_, bindparam, func, or_, select, true

from eucora.domain.people import ANY, Scope

_DIMENSIONS: Final = ("business_unit", "boundary", "site")
COLUMNS: Final[dict[str, Any]] = {name: Text() for name in _DIMENSIONS}
"""What a table has that stands in scopes of its own."""


def columns_of(scope: Scope) -> dict[str, object]:
    """The values of :data:`COLUMNS`."""
    return {name: getattr(scope, name) for name in _DIMENSIONS}


def held(within: Sequence[Scope] | None) -> dict[str, object]:
    """What :func:`covered` is given: the caller's scopes. Nothing for None, who sees everything."""
    if within is None:
        return {}
    return {f"held_{name}": [getattr(scope, name) for scope in within] for name in _DIMENSIONS}


def covered(table: Table) -> ColumnElement[bool]:
    """One of the caller's scopes covers the row's, as :meth:`eucora.domain.people.Scope.covers` has it."""
    arrays = [bindparam(f"held_{name}", type_=ARRAY(Text)) for name in _DIMENSIONS]
    names = [Column(name, Text) for name in _DIMENSIONS]
    scopes = func.unnest(*arrays).table_valued(*names, name="held").render_derived()
    fits = [or_(scopes.c[name] == ANY, scopes.c[name] == table.c[name]) for name in _DIMENSIONS]
    return select(true()).select_from(scopes).where(and_(*fits)).exists()
