"""The embedded server: started, shared, stopped, killed, and healed at the next start."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import pytest

import eucora
from eucora.store import migrate
from eucora.store.database import APP
from eucora.store.embedded import EmbeddedPostgres, EmbeddedPostgresFailed, Server, find_binaries

USER = Path(__file__).with_name("server_user.py")
WRITER = Path(__file__).with_name("log_writer.py")
NOBODY = 65534


def ask(server: Server, question: str, database: str = "postgres") -> object:
    async def ask() -> object:
        connection = await asyncpg.connect(server.dsn(database))
        try:
            return await connection.fetchval(question)
        finally:
            await connection.close()

    return asyncio.run(ask())


def postmaster(root: Path) -> int:
    return int((root / "data" / "postmaster.pid").read_text().split()[0])


@contextmanager
def another_user(root: Path) -> Iterator["subprocess.Popen[str]"]:
    """A second process that has the server, until it is asked to leave or killed."""
    with subprocess.Popen(
        [sys.executable, USER, root], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
        process.kill()


def test_a_server_starts_keeps_its_data_and_stops(tmp_path: Path) -> None:
    for expected in (1, 2):
        postgres = EmbeddedPostgres(tmp_path / "pg")
        server = postgres.start()
        ask(server, "create table if not exists kept (n int)")
        ask(server, "insert into kept values (1)")
        assert ask(server, "select count(*) from kept") == expected
        assert postgres.stop()
        assert not (tmp_path / "pg" / "data" / "postmaster.pid").exists()
        assert not postgres.stop()  # once is enough
    assert (tmp_path / "pg").stat().st_mode & 0o777 == 0o700  # trust on the socket is as strong as this


def test_the_server_keeps_its_promises_by_default(postgres: Server) -> None:
    for setting in ("fsync", "full_page_writes", "synchronous_commit", "data_checksums"):
        assert ask(postgres, f"show {setting}") == "on"
    assert ask(postgres, "show listen_addresses") == ""


def test_the_last_of_two_processes_stops_it(tmp_path: Path) -> None:
    postgres = EmbeddedPostgres(tmp_path)
    server = postgres.start()
    with another_user(tmp_path) as other:
        said, _ = other.communicate()
        assert said == "stopped False\n"  # we still use it
    assert ask(server, "select 1") == 1
    with another_user(tmp_path) as other:
        assert not postgres.stop()
        assert ask(server, "select 1") == 1  # the other one still uses it
        said, _ = other.communicate()
        assert said == "stopped True\n"
    assert not (tmp_path / "data" / "postmaster.pid").exists()


def test_a_killed_user_does_not_count_any_more(tmp_path: Path) -> None:
    postgres = EmbeddedPostgres(tmp_path)
    server = postgres.start()
    with another_user(tmp_path) as other:
        other.kill()
        other.wait()
    assert ask(server, "select 1") == 1
    assert postgres.stop()


def test_a_server_left_behind_is_taken_over(tmp_path: Path) -> None:
    with another_user(tmp_path) as other:
        pid = postmaster(tmp_path)
        other.kill()
        other.wait()
    postgres = EmbeddedPostgres(tmp_path)
    assert ask(postgres.start(), "select 1") == 1
    assert postmaster(tmp_path) == pid  # it never went away
    assert postgres.stop()


def test_a_killed_postmaster_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    first = EmbeddedPostgres(tmp_path)
    server = first.start()
    ask(server, "create database logged")
    migrate.upgrade(server.dsn("logged"))
    writer = subprocess.Popen(
        [sys.executable, WRITER, server.dsn("logged", APP), "w", "8", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert writer.stdout is not None
    lines = [writer.stdout.readline() for _ in range(300)]
    os.kill(postmaster(tmp_path), signal.SIGKILL)
    second = EmbeddedPostgres(tmp_path)
    server = second.start()
    writer.kill()
    # Its backends acknowledged until they noticed, and the writer may have come back: all of that counts.
    rest, _ = writer.communicate()
    lines += rest.splitlines(keepends=True)
    told = {tuple(map(int, line.split()[::2])) for line in lines if line.endswith("\n")}
    streams = {int(line.split()[0]): line.split()[1] for line in lines if line.endswith("\n")}
    recorded = ask(server, "select array_agg(row(position, version) order by position) from event", "logged")
    at = ask(server, "select array_agg(stream order by position) from event", "logged")
    assert isinstance(recorded, list)
    assert isinstance(at, list)
    assert [position for position, _ in recorded] == list(range(len(recorded)))
    assert len(told) >= 300
    assert told <= {tuple(row) for row in recorded}
    assert all(at[position] == stream for position, stream in streams.items())
    assert not first.stop()
    assert second.stop()


def test_an_initdb_cut_short_leaves_no_half_cluster(tmp_path: Path) -> None:
    half = tmp_path / "data.new"
    half.mkdir()
    (half / "PG_VERSION").write_text("18\n")
    (half / "base").mkdir()
    with EmbeddedPostgres(tmp_path) as server:
        assert ask(server, "select 1") == 1
    assert not half.exists()


def test_a_long_path_is_no_obstacle(tmp_path: Path) -> None:
    root = tmp_path / ("a-folder-with-quite-a-name-" * 4) / "pg"
    assert len(str(root)) > 107  # no socket could live there
    postgres = EmbeddedPostgres(root)
    with postgres as server:
        assert ask(server, "select 1") == 1
        assert server.socket_dir.stat().st_mode & 0o777 == 0o700
    shutil.rmtree(server.socket_dir)


def test_wrong_binaries_are_named_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedPostgresFailed) as refusal:
        EmbeddedPostgres(tmp_path / "pg", binaries=tmp_path)
    assert str(refusal.value) == f"EUCORA_PG_BIN={tmp_path} holds no 'postgres'; name the folder with its binaries"


def test_named_binaries_are_used(tmp_path: Path) -> None:
    binaries = tmp_path / "bin"
    binaries.symlink_to(find_binaries())
    assert find_binaries(binaries) == binaries


@pytest.mark.skipif(os.geteuid() != 0, reason="the whole run is that of a normal user")
def test_a_normal_user_needs_no_namespace() -> None:
    """Root's runs use a user namespace; this one drops to a uid that owns its folder and nothing else."""
    packages = Path(str(find_binaries())).parents[2]
    environment = {"PYTHONPATH": f"{Path(eucora.__file__).parents[1]}:{packages}", "PATH": "/usr/bin:/bin"}
    interpreter = next(filter(None, (_runs_for_nobody(python, environment) for python in _interpreters())), None)
    if interpreter is None:
        pytest.skip("no interpreter here is readable to a normal user together with this package")
    root = Path(tempfile.mkdtemp(prefix="eucora-nobody-"))
    try:
        os.chown(root, NOBODY, NOBODY)
        done = _as_nobody([interpreter, str(USER), str(root / "pg")], environment)
        assert (done.stdout, done.stderr, done.returncode) == ("ready\nstopped True\n", "", 0)
        assert (root / "pg" / "data" / "PG_VERSION").stat().st_uid == NOBODY
    finally:
        shutil.rmtree(root)


def _interpreters() -> list[str]:
    return [python for python in (sys.executable, shutil.which("python3", path="/usr/bin:/usr/local/bin")) if python]


def _runs_for_nobody(python: str, environment: dict[str, str]) -> str | None:
    check = "import sys, eucora.store.embedded as e; e.find_binaries(); sys.exit(sys.version_info < (3, 11))"
    try:
        done = _as_nobody([python, "-c", check], environment)
    except PermissionError:
        return None
    return python if done.returncode == 0 and os.access(USER, os.R_OK) else None


def _as_nobody(command: list[str], environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command,
        user=NOBODY,
        group=NOBODY,
        extra_groups=[],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd="/",
        check=False,
    )
