"""The commands that stay: serve, work, lab, up."""

import asyncio
import gc
import json
import signal
import sys
from dataclasses import asdict
from typing import Annotated

import structlog
import typer

from eucora import bootstrap
from eucora.background import beside
from eucora.cli.connections import bearable
from eucora.cli.console import MISUSED, fail, one_line_errors, run, settings
from eucora.cli.listening import listener
from eucora.cli.stack import Stack
from eucora.lab import server as lab_server
from eucora.observability import configure_metrics, configure_traces, faults_as_records
from eucora.settings import Settings
from eucora.unsafe_settings import refuse_unsafe, tell_open_files

_log = structlog.get_logger("eucora")

Host = Annotated[str | None, typer.Option(help="Address to listen on (default: EUCORA_HOST or 127.0.0.1).")]
Port = Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one (default: EUCORA_PORT or 8080).")]


def serve(host: Host = None, port: Port = None) -> None:
    """Serve the API. Any number of them may run against one database.

    Example: eucora serve --port 8080
    """
    with one_line_errors():
        found = settings(**_given(host, port))
        refuse_unsafe(found)
        tell_open_files(found)
        faults_as_records()
        configure_traces("eucora-api")
        configure_metrics("eucora-api")
        with bootstrap.database(found, migrated=False) as url:
            run(_serve(found, url))


def _given(host: str | None, port: int | None) -> dict[str, object]:
    given = {"EUCORA_HOST": host or None, "EUCORA_PORT": port}  # an empty one, as in the environment, names none
    return {name: value for name, value in given.items() if value is not None}


async def _serve(found: Settings, url: str) -> None:
    # Imported where they are needed: the other commands start half a second sooner without the web framework.
    from eucora.api.limits import KEPT_BACK
    from eucora.cli.http_server import server

    connections = bearable(found.connections_max)
    if connections < found.connections_max:
        _log.warning("open_files_limited", setting="EUCORA_CONNECTIONS_MAX", kept=connections)
    async with bootstrap.runtime(found, url, statement_s=found.request_timeout_s, kept_back=KEPT_BACK) as runtime:
        app = bootstrap.api(runtime)
        # What was made so far stays until the end, and is much: the collector need not look through it again and again.
        gc.collect()
        gc.freeze()
        house = app.state.house
        door = listener(found.host, found.port)
        host, port = door.getsockname()[:2]
        _log.info("api_listens", host=host, port=port)
        async with beside(house.throttle.quotas.run(), "rate-limits"):
            await server(app, house.lifecycle, found, connections).serve(sockets=[door])


def work() -> None:
    """Run jobs and keep the read models up. Any number of them may run against one database.

    Example: eucora work
    """
    with one_line_errors():
        found = settings()
        tell_open_files(found)
        faults_as_records()
        configure_traces("eucora-worker")
        configure_metrics("eucora-worker")
        with bootstrap.database(found, migrated=False) as url:
            run(_work(found, url))


async def _work(found: Settings, url: str) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with bootstrap.runtime(found, url) as runtime:
        _log.info("worker_starting", worker=runtime.queue.worker, planes=sorted(runtime.world.planes))
        async with asyncio.TaskGroup() as group:
            group.create_task(bootstrap.project(runtime, stop))
            group.create_task(bootstrap.work(runtime, stop))


def lab(
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port on loopback; 0 takes a free one.")] = 0,
    seed: Annotated[int, typer.Option(help="The fleet, the credentials and every outcome follow from it.")] = 7,
    pace: Annotated[float, typer.Option(min=0.001, help="How many times faster than real the devices live.")] = 1.0,
) -> None:
    """Run the simulated vendors alone. The first line on standard output is a JSON object with their addresses.

    Example: eucora lab --port 9090 --pace 1800
    """
    with one_line_errors():
        settings()

        def ready(addresses: lab_server.LabAddresses) -> None:
            sys.stdout.write(json.dumps(asdict(addresses)) + "\n")
            sys.stdout.flush()

        try:
            lab_server.run(seed=seed, pace=pace, port=port, ready=ready)
        except OSError as error:
            fail(f"--port {port}: {error.strerror}; name another one, or 0 for any", MISUSED)


def up(
    host: Host = None,
    port: Port = None,
    with_lab: Annotated[bool, typer.Option("--lab", help="Add the simulated vendors and connect to them.")] = False,
    pace: Annotated[
        float, typer.Option(min=0.001, help="How many times faster than real the lab's devices live.")
    ] = 60.0,
) -> None:
    """Everything on this machine: Postgres when no database is named, migrations, API and a worker.

    Example: eucora up --lab
    """
    with one_line_errors():
        found = settings(**_given(host, port))
        refuse_unsafe(found, lab=with_lab)
        with Stack(found, lab_pace=pace if with_lab else None) as stack:
            print(f"EUCORA is up: {stack.api_url}  (Ctrl-C stops it)")
            if stack.lab is not None:
                print(f"The lab is up: {stack.lab.base_url}  (sign in at {stack.lab.oidc_issuer})")
                print(f"A token for Petra, a publisher, good for 15 minutes:\n  {stack.sign_in_hint()}", flush=True)
            stack.wait()
