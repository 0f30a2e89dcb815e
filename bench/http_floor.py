"""The floor of commands and reads over HTTP: a bare FastAPI app that inserts and selects by asyncpg, and nothing else.

``python -m bench.http_floor DSN PORT`` serves it on loopback by uvicorn, with uvloop and httptools as ours. It signs
nobody in, keeps no order, no key and no log, and its reads hand out bytes that lie ready in a table; one list is made
of our own model, to tell what the model costs.
"""

import asyncio
import json
import sys
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import uvicorn
import uvloop
from fastapi import FastAPI, Response
from pydantic import BaseModel

from eucora.api.asking import Listing
from eucora.api.incidents import IncidentBody

TABLES = """
create table if not exists floor_note (
  position bigserial primary key, stream text not null, id uuid not null, at timestamptz not null, body bytea not null);
create table if not exists floor_item (id uuid primary key, created bigint not null, item text not null, detail text);
create index if not exists floor_item_created on floor_item (created desc);
"""
_INSERT = "insert into floor_note (stream, id, at, body) values ($1, $2, $3, $4) returning position"
_DETAIL = "select detail from floor_item where id = $1"
_LIST = "select item from floor_item order by created desc limit $1"


class Note(BaseModel):
    """What is inserted."""

    text: str


class Receipt(BaseModel):
    """What is answered."""

    id: str
    version: int


def create(pool: "asyncpg.Pool[asyncpg.Record]") -> FastAPI:
    """The app, as FastAPI's own documentation would write it."""
    app = FastAPI(openapi_url=None)

    @app.post("/incidents/{incident_id}/notes", status_code=201)
    async def add_note(incident_id: UUID, body: Note) -> Receipt:
        at = datetime.now(UTC)
        await pool.fetchval(_INSERT, f"incident-{incident_id}", uuid4(), at, body.text.encode())
        return Receipt(id=str(incident_id), version=1)

    @app.get("/incidents/{incident_id}")
    async def get_incident(incident_id: UUID) -> Response:
        return Response(await pool.fetchval(_DETAIL, incident_id), media_type="application/json")

    @app.get("/incidents")
    async def list_incidents(limit: int) -> Response:
        rows = await pool.fetch(_LIST, limit)
        body = f'{{"items":[{",".join([row[0] for row in rows])}],"next_cursor":null}}'
        return Response(body, media_type="application/json")

    @app.get("/modelled")
    async def list_modelled(limit: int) -> Listing[IncidentBody]:
        # As FastAPI's papers have it: values in, and the framework makes of them what the model says.
        rows = await pool.fetch(_LIST, limit)
        page: Any = {"items": [json.loads(row[0]) for row in rows], "next_cursor": None}
        return page  # type: ignore[no-any-return]  # the framework makes the model

    return app


async def main(dsn: str, port: int) -> None:
    """Until it is told to stop."""
    async with asyncpg.create_pool(dsn, min_size=1, max_size=8) as pool:
        config: Any = {"host": "127.0.0.1", "port": port, "access_log": False, "log_level": "warning", "ws": "none"}
        await uvicorn.Server(uvicorn.Config(create(pool), http="httptools", lifespan="off", **config)).serve()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(sys.argv[1], int(sys.argv[2])))
