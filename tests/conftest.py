"""A real Postgres for the whole run, a database of its own for every test that asks for one, and an ear on the wire."""

import asyncio
import os
from collections.abc import AsyncIterator, Generator, Iterator
from uuid import uuid4

import asyncpg
import pytest

from databases import Database
from eucora.store import migrate
from eucora.store.database import APP, Pool, connected
from eucora.store.embedded import EmbeddedPostgres, Server
from whole_wire import WholeWire

TEMPLATE = "eucora_template"
# Whole rollouts, which pass everywhere and prove little about a line. Tracing them would double what they take.
END_TO_END = frozenset({"acceptance", "application"})


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One more than there are cores: tests that wait for processes leave theirs idle for minutes."""
    return (os.cpu_count() or 1) + 1


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # a worker of pytest-xdist writes for its controller
        config.pluginmanager.register(WholeWire(config), "whole-wire")


@pytest.hookimpl(trylast=True)  # after the order was drawn
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files go first: each runs on one core, and one that begins last keeps the other cores waiting."""
    long = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in long)
    for item in items:
        if item.path.parent.name in END_TO_END:
            item.add_marker("no_cover")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Processes that an untraced test starts are not traced either."""
    if item.get_closest_marker("no_cover") is None:
        return (yield)
    hidden = {name: os.environ.pop(name) for name in [*os.environ] if name.startswith("COVERAGE_")}
    try:
        return (yield)
    finally:
        os.environ.update(hidden)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    # A commit here waits for the disk as in production; only the size of the machine is spoken for.
    settings = {"max_connections": "200", "shared_buffers": "64MB"}
    with EmbeddedPostgres(tmp_path_factory.mktemp("pg"), settings=settings) as server:
        asyncio.run(_execute(server.dsn("postgres"), f"create database {TEMPLATE}"))
        migrate.upgrade(server.dsn(TEMPLATE))
        yield server


@pytest.fixture
async def database(postgres: Server) -> AsyncIterator[Database]:
    name = f"test_{uuid4().hex}"
    await _execute(postgres.dsn("postgres"), f"create database {name} template {TEMPLATE}")
    yield Database(name, postgres.dsn(name, APP), postgres.dsn(name))
    await _execute(postgres.dsn("postgres"), f"drop database {name} with (force)")


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[Pool]:
    """Connections as the app's role."""
    async with connected(database.url) as pool:
        yield pool


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
