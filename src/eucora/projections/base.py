"""What a projection is, and the two shapes that ours have: one document an aggregate, or one row an event."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic, Protocol, TypeVar

from pydantic import TypeAdapter
from sqlalchemy import ARRAY, JSON, BigInteger, Column, ColumnElement, Index, Table, Text, any_, bindparam, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.types import TypeEngine

from eucora.application.ports import Recorded
from eucora.projections.schema import metadata
from eucora.projections.sql import Statement, compiled


class Projection(Protocol):
    """A fold of the log into tables that anyone may drop.

    ``fold`` refuses no event and calls nobody; the same events folded again change nothing. A new shape of the tables
    is a new ``version``, and so new tables.
    """

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> int: ...

    @property
    def tables(self) -> Sequence[Table]:
        """In an order in which they can be created; their names carry the version."""
        ...

    def concerns(self, recorded: Recorded) -> bool:
        """Whether folding the event may change a row."""
        ...

    async def fold(self, batch: Sequence[Recorded], connection: Any) -> None:
        """Fold events, in order, inside the caller's transaction on an asyncpg connection."""
        ...

    def beside(self, suffix: str) -> "Projection":
        """The same projection on tables of its own."""
        ...


class View(Protocol):
    """The state of one aggregate as it is read. ``position``: last event folded; ``created``: the first one."""

    @property
    def id(self) -> str: ...

    @property
    def position(self) -> int: ...

    @property
    def created(self) -> int: ...


V = TypeVar("V", bound=View)


def stream_id(recorded: Recorded, noun: str) -> str | None:
    """The id in a stream ``<noun>-<id>``; None when the event is of another noun."""
    found, _, id = recorded.stream.partition("-")
    return id if found == noun else None


@dataclass(frozen=True)
class DocumentShape(Generic[V]):
    """One row an aggregate: the view as JSON beside the columns that lists filter by or show.

    ``evolve`` is pure: the view after the event, None while the event makes none.
    """

    name: str
    table: str  # without the version
    version: int
    view: type[V]
    key: Callable[[Recorded], str | None]
    evolve: Callable[[V | None, Recorded], V | None]
    columns: Mapping[str, TypeEngine[Any]] = field(default_factory=dict)
    values: Callable[[V], Mapping[str, object]] = lambda view: {}
    indexes: tuple[tuple[str, ...], ...] = ()
    reach: Callable[[Table], ColumnElement[bool]] | None = None  # which rows a caller's scopes cover; None: all

    @cached_property
    def adapter(self) -> TypeAdapter[V]:
        return TypeAdapter(self.view)

    @cached_property
    def live(self) -> Table:
        return self.table_named("")

    def table_named(self, suffix: str) -> Table:
        return Table(
            f"{self.table}_v{self.version}{suffix}",
            metadata(),
            Column("id", Text, primary_key=True),
            Column("position", BigInteger, nullable=False),
            Column("created", BigInteger, nullable=False),
            *(Column(name, type_) for name, type_ in self.columns.items()),
            Column("doc", JSON, nullable=False),
            Index(None, "created", "id"),
            *(Index(None, *names) for names in self.indexes),
        )


class DocumentProjection(Generic[V]):
    """Folds a :class:`DocumentShape`: loads the batch's views, evolves them in memory, writes each once."""

    def __init__(self, shape: DocumentShape[V], suffix: str = "") -> None:
        self.shape, self.name, self.version = shape, shape.name, shape.version
        self.table = shape.table_named(suffix)
        wanted = bindparam("ids", type_=ARRAY(Text))
        self._load = compiled(select(self.table.c.id, self.table.c.doc).where(self.table.c.id == any_(wanted)))
        self._put = upsert(self.table)

    @property
    def tables(self) -> Sequence[Table]:
        return (self.table,)

    def beside(self, suffix: str) -> Projection:
        return DocumentProjection(self.shape, suffix)

    def concerns(self, recorded: Recorded) -> bool:
        return self.shape.key(recorded) is not None

    async def fold(self, batch: Sequence[Recorded], connection: Any) -> None:
        keyed = [(key, recorded) for recorded in batch if (key := self.shape.key(recorded)) is not None]
        if not keyed:
            return
        rows = await self._load.fetch(connection, ids=sorted({key for key, _ in keyed}))
        views = {row["id"]: self.shape.adapter.validate_json(row["doc"]) for row in rows}
        changed: dict[str, V] = {}
        for key, recorded in keyed:
            before = changed.get(key) or views.get(key)
            if before is not None and recorded.position <= before.position:
                continue  # folded already
            after = self.shape.evolve(before, recorded)
            if after is not None:
                changed[key] = after
        await self.write(list(changed.values()), connection)

    async def write(self, views: Sequence[V], connection: Any) -> None:
        """Store the views; a projection with more tables than one adds its rows here."""
        await self._put.executemany(connection, [self._row(view) for view in views])

    def _row(self, view: V) -> Mapping[str, object]:
        doc = self.shape.adapter.dump_json(view).decode()
        own = {"id": view.id, "position": view.position, "created": view.created, "doc": doc}
        return own | dict(self.shape.values(view))


class RowProjection(ABC):
    """One row an event, for the events that have one; ``position`` is the key."""

    name: str
    version: int

    def __init__(self, suffix: str = "") -> None:
        self.table = self.table_named(suffix)
        values: dict[str, Any] = {column.name: bindparam(column.name) for column in self.table.c}
        self._add = compiled(insert(self.table).values(values).on_conflict_do_nothing(index_elements=["position"]))

    @classmethod
    @abstractmethod
    def table_named(cls, suffix: str) -> Table:
        """The table; its primary key is ``position``."""

    @classmethod
    @abstractmethod
    def row(cls, recorded: Recorded) -> Mapping[str, object] | None:
        """The event's row, None when it has none."""

    @property
    def tables(self) -> Sequence[Table]:
        return (self.table,)

    def beside(self, suffix: str) -> Projection:
        return type(self)(suffix)

    def concerns(self, recorded: Recorded) -> bool:
        return self.row(recorded) is not None

    async def fold(self, batch: Sequence[Recorded], connection: Any) -> None:
        rows = [row for recorded in batch if (row := self.row(recorded)) is not None]
        await self._add.executemany(connection, rows)


def upsert(table: Table) -> Statement:
    """Insert, or update an older row: the guard by ``position`` makes a repeat change nothing."""
    key = [column.name for column in table.primary_key.columns]
    new = insert(table).values({column.name: bindparam(column.name) for column in table.c})
    changes = {column.name: new.excluded[column.name] for column in table.c if column.name not in key}
    newer = table.c.position < new.excluded.position
    return compiled(new.on_conflict_do_update(index_elements=key, set_=changes, where=newer))
