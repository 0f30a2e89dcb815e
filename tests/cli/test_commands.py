"""The commands of operation against a real database: what they print, and how they end."""

import asyncio
import json
import logging
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest
import structlog
from typer.testing import CliRunner

from databases import Database
from eucora import __version__, bootstrap
from eucora.application.ports import Context, Write
from eucora.cli.console import one_line_errors
from eucora.cli.doctor import examine
from eucora.cli.main import app
from eucora.domain.role_mapping import RoleMappingReplaced
from eucora.settings import read_settings
from eucora.store.database import connected
from eucora.store.ids import RandomIds
from eucora.store.log import EventLog

runner = CliRunner()


@pytest.fixture
def house(database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Database:
    monkeypatch.setenv("EUCORA_DATABASE_URL", database.url)
    monkeypatch.setenv("EUCORA_MIGRATION_DATABASE_URL", database.owner_url)
    monkeypatch.setenv("EUCORA_DATA_DIR", str(tmp_path))
    return database


@pytest.fixture(autouse=True)
def logs_as_they_were() -> Iterator[None]:
    """A command configures the logs of its process, which here is everybody's."""
    yield
    structlog.reset_defaults()
    logging.getLogger().handlers.clear()


def said(*arguments: str, code: int = 0) -> str:
    result = runner.invoke(app, list(arguments))
    assert result.exit_code == code, (result.stdout, result.stderr, result.exception)
    return result.stdout if code == 0 else result.stderr


def test_a_token_is_shown_once_and_stored_as_a_digest(house: Database) -> None:
    shown = json.loads(said("token", "siem", "--role", "auditor", "--days", "30", "--json"))
    log = said("events")
    assert shown["id"] in log
    assert shown["secret"] not in log
    assert shown["expires_at"].endswith("Z")
    assert json.loads(log.splitlines()[0])["position"] == 0


def test_a_token_is_one_word_however_narrow_the_terminal(house: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    secret, told = said("token", "siem", "--role", "auditor").splitlines()
    assert re.fullmatch(r"eucora_[\w-]{60,}", secret)
    assert re.fullmatch(r"Good until \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\. It is not shown again\.", told)


def test_events_continue_behind_a_position(house: Database) -> None:
    for name in ("one", "two", "three"):
        said("token", name, "--role", "auditor")
    lines = said("events", "--after", "0", "--limit", "1").splitlines()
    assert [json.loads(line)["position"] for line in lines] == [1]


def test_migrate_says_where_the_database_stands_and_check_changes_nothing(house: Database) -> None:
    told = json.loads(said("migrate", "--json"))
    assert told["revision"] == told["newest"]
    said("migrate", "--check")


def test_read_models_are_listed_and_rebuilt(house: Database) -> None:
    said("token", "one", "--role", "auditor")
    names = {row["name"] for row in json.loads(said("projections", "list", "--json"))}
    assert {"intents", "timeline", "cab_desk", "operations"} <= names
    assert "up to position 0" in said("projections", "rebuild", "tokens")
    assert "no read model 'nope'" in said("projections", "rebuild", "nope", code=2)


def test_doctor_notes_what_is_not_set_up_and_is_content(house: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("INTUNE_", "JAMF_", "EUCORA_OIDC_"))]:
        monkeypatch.delenv(name)
    found = {row["check"]: (row["ok"], row["level"]) for row in json.loads(said("doctor", "--json"))}
    assert found["schema"] == found["positions dense"] == found["dead jobs"] == (True, "ok")
    assert found["planes"] == found["sign-in"] == (True, "note")
    told = said("doctor")
    assert "note planes: none in this environment" in told
    assert "ok   dead jobs: none\n" in told


async def test_doctor_names_what_to_look_at(house: Database) -> None:
    connection = await asyncpg.connect(house.owner_url)
    try:
        await connection.execute(
            "insert into job (kind, payload, run_at, state, correlation_id, intent_id)"
            " values ('publish', '{}', now(), 'dead', 'c', 'i')"
        )
    finally:
        await connection.close()
    result = await asyncio.to_thread(runner.invoke, app, ["doctor"])
    assert "LOOK dead jobs: 1: see 'eucora jobs list --state dead'" in result.stdout
    assert result.exit_code == 1


def test_a_table_of_read_models_fits_a_terminal_of_80_columns(house: Database) -> None:
    said("token", "one", "--role", "auditor")
    said("projections", "rebuild", "tokens")
    shown = said("projections", "list")
    assert max(len(line) for line in shown.splitlines()) <= 80
    assert re.search(r"tokens +│.* \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ ", shown)


@pytest.mark.parametrize("end", ["", "deeper/down"])
def test_a_data_folder_that_cannot_be_one_is_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, end: str
) -> None:
    for name in ("EUCORA_DATABASE_URL", "EUCORA_MIGRATION_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("EUCORA_DATA_DIR", str(tmp_path / "file" / end))
    for command in (["doctor"], ["up"]):
        told = said(*command, code=1)
        assert told.startswith(f"eucora: EUCORA_DATA_DIR={tmp_path / 'file' / end}: ")
        assert told.count("\n") == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_data_folder_that_may_not_be_written_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("EUCORA_DATABASE_URL", raising=False)
    (tmp_path / "closed").mkdir(mode=0o500)
    monkeypatch.setenv("EUCORA_DATA_DIR", str(tmp_path / "closed"))
    assert said("doctor", code=1).startswith(f"eucora: EUCORA_DATA_DIR={tmp_path / 'closed'}: ")


def test_a_file_error_without_a_file_is_no_daily_matter() -> None:
    with pytest.raises(OSError, match="broken"), one_line_errors():
        raise OSError("broken")


def test_an_export_that_a_full_disk_ends_is_one_line(house: Database) -> None:
    said("token", "one", "--role", "auditor")
    command = [sys.executable, "-u", "-m", "eucora.cli.main", "events"]
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr.startswith("eucora: no space is left where this is written")
    assert ended.stderr.count("\n") == 1


def test_jobs_that_are_not_there_are_said_so(house: Database) -> None:
    assert json.loads(said("jobs", "list", "--json")) == []
    assert said("jobs", "list") == "No dead jobs.\n"
    assert said("jobs", "retry", "17", code=1) == (
        "eucora: no dead job 17; 'eucora jobs list' shows those that there are\n"
    )
    assert "is ready, running or dead" in said("jobs", "list", "--state", "lost", code=2)


def test_the_api_description_is_compared(house: Database, tmp_path: Path) -> None:
    path = tmp_path / "api.json"
    said("openapi", "--path", str(path))
    said("openapi", "--check", "--path", str(path))
    path.write_text("{}")
    assert "out of date" in said("openapi", "--check", "--path", str(path), code=1)


def test_a_place_where_nothing_can_be_kept_is_one_line(house: Database, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"\xe1\x00")
    for command in ("openapi", "schema"):
        for path in (tmp_path / "file" / "below", tmp_path):
            assert said(command, "--path", str(path), code=1).count("\n") == 1
        assert "out of date" in said(command, "--check", "--path", str(tmp_path / "file"), code=1)


@pytest.mark.parametrize("command", [["events", "--after"], ["jobs", "retry"], ["lab", "--port"]])
def test_a_number_beyond_all_numbers_is_a_slip(house: Database, command: list[str]) -> None:
    assert "Invalid value for" in said(*command, "99999999999999999999", code=2)


def test_an_older_description_shows_what_breaks_its_clients(house: Database, tmp_path: Path) -> None:
    path = tmp_path / "api.json"
    said("openapi", "--path", str(path))
    assert said("openapi", "--compare", str(path)).startswith("Nothing breaks")
    path.write_text(path.read_text().replace("/api/v1/incidents", "/api/v1/troubles"))
    assert "would break clients" in said("openapi", "--compare", str(path), code=1)
    for other in ("{}", "[]", '{"paths": []}', '{"paths": {"/": null}}', "null"):
        path.write_text(other)
        told = said("openapi", "--compare", str(path), code=2)
        assert told.startswith(f"eucora: {path} is no description of an API")
        assert told.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("EUCORA_DATABASE_URL", "mysql://db", 2),
        ("EUCORA_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none", 1),
        ("EUCORA_DATABASE_URL", "postgresql://u:p@[::1/d", 2),
        ("EUCORA_PORT", "abc", 2),
    ],
)
def test_a_wrong_setting_is_one_line_and_an_exit_code(
    house: Database, monkeypatch: pytest.MonkeyPatch, name: str, value: str, code: int
) -> None:
    monkeypatch.setenv(name, value)
    told = said("doctor", code=code)
    assert told.startswith(f"eucora: {name}")
    assert told.count("\n") == 1


def test_a_database_that_was_never_migrated_says_what_to_do(
    house: Database, monkeypatch: pytest.MonkeyPatch, postgres: object
) -> None:
    monkeypatch.setenv("EUCORA_DATABASE_URL", house.url.replace(f"/{house.name}?", "/postgres?"))
    assert "eucora migrate" in said("doctor", code=1)


@pytest.mark.parametrize(
    ("extra", "told"),
    [
        ([], "Usage: "),
        (["--version"], __version__),
        (["up", "--help"], "Example: eucora up --lab"),
        (["demo", "--help"], "Example: eucora demo --once --json"),
        (["lab", "--help"], "Example: eucora lab --port 9090"),
    ],
)
def test_help_is_there(extra: list[str], told: str) -> None:
    result = runner.invoke(app, extra)
    assert result.exit_code == (0 if extra else 2)
    assert told in result.output


def test_who_uses_a_database_makes_none(lines: object, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A slip in the folder's name, or a forgotten EUCORA_DATABASE_URL, would give an empty service."""
    for name in ("EUCORA_DATABASE_URL", "EUCORA_MIGRATION_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("EUCORA_DATA_DIR", str(tmp_path / "elsewhere"))
    looks = ["doctor"], ["events"], ["jobs", "list"], ["replay"], ["projections", "list"]
    for command in (*looks, ["serve", "--port", "0"], ["work"]):
        told = said(*command, code=1)
        assert told.startswith(f"eucora: EUCORA_DATA_DIR={tmp_path / 'elsewhere'}: no database is there: make one with")
    assert not (tmp_path / "elsewhere").exists()


def test_doctor_asks_the_provider_for_its_keys(house: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as closed:  # bound and not listening
        closed.bind(("127.0.0.1", 0))
        issuer = f"http://127.0.0.1:{closed.getsockname()[1]}/oidc"
        monkeypatch.setenv("EUCORA_OIDC_ISSUER", issuer)
        result = runner.invoke(app, ["doctor", "--json"])
    found = {row["check"]: row for row in json.loads(result.stdout)}
    assert (result.exit_code, found["sign-in"]["level"]) == (1, "LOOK")
    assert found["sign-in"]["told"].startswith(f"EUCORA_OIDC_ISSUER={issuer}: its keys cannot be read: ")


def test_doctor_asks_the_store_of_artifacts(house: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("EUCORA_ARTIFACT_STORE_URL", "s3://artifacts")
        monkeypatch.setenv("EUCORA_S3_ENDPOINT_URL", f"http://127.0.0.1:{closed.getsockname()[1]}")
        monkeypatch.setenv("EUCORA_S3_ACCESS_KEY_ID", "eucora-test")
        monkeypatch.setenv("EUCORA_S3_SECRET_ACCESS_KEY", "eucora-test-secret")
        result = runner.invoke(app, ["doctor", "--json"])
    found = {row["check"]: row for row in json.loads(result.stdout)}
    assert (result.exit_code, found["artifacts"]["level"]) == (1, "LOOK")
    assert found["artifacts"]["told"].startswith("s3://artifacts does not answer: ")


class Busy(EventLog):
    """Somebody appends in the moment in which it is asked how far it is."""

    async def head(self) -> int:
        moment = datetime(2026, 1, 1, tzinfo=UTC)
        event = RoleMappingReplaced("9.1", "ada", moment)
        await self.append([Write("role_mapping-9.0", 0, [event])], context=Context("ada", "c-1"), at=moment)
        return await super().head()


async def test_doctor_takes_a_log_in_use_for_no_torn_one(house: Database) -> None:
    async with bootstrap.runtime(read_settings(), house.url) as service:
        busy = Busy(service.pool, RandomIds())
        found = {one.check: one for one in await examine(replace(service, log=busy))}
        await busy.close()
    assert found["positions dense"].ok, found["positions dense"].told


async def test_doctor_says_what_to_do_about_a_torn_log_and_an_older_schema(house: Database) -> None:
    owner = await asyncpg.connect(house.owner_url)
    try:
        await owner.execute("update log_head set next = next + 1")
        await owner.execute("update alembic_version set version_num = '0001'")
    finally:
        await owner.close()
    async with bootstrap.runtime(read_settings(), house.url) as service:
        found = {one.check: (one.level, one.told) for one in await examine(service)}
    assert found["positions dense"] == (
        "LOOK", "0 events, head 0: the log was changed past the service, restore it from a backup"
    )  # fmt: skip
    level, told = found["schema"]
    assert level == "LOOK"
    assert told.endswith("run 'eucora migrate' of the newest version that is in use")


async def test_doctor_tells_that_no_worker_runs(house: Database) -> None:
    async def levels() -> set[str]:
        result = await asyncio.to_thread(runner.invoke, app, ["doctor", "--json"])
        return {row["level"] for row in json.loads(result.stdout) if row["check"].startswith("read model ")}

    await asyncio.to_thread(said, "token", "one", "--role", "auditor")
    assert await levels() == {"ok"}, "a moment ago is soon enough"
    await asyncio.to_thread(said, "projections", "rebuild", "tokens")
    long_ago = datetime(2026, 1, 1, tzinfo=UTC)
    async with connected(house.url) as pool:
        log, event = EventLog(pool, RandomIds()), RoleMappingReplaced("9.1", "ada", long_ago)
        await log.append([Write("role_mapping-9.0", 0, [event])], context=Context("ada", "c-1"), at=long_ago)
        await log.close()
    result = await asyncio.to_thread(runner.invoke, app, ["doctor"])
    assert (
        "LOOK read model tokens: 1 events behind, the first of 2026-01-01T00:00:00Z: run 'eucora work'" in result.stdout
    )
    assert result.exit_code == 1


@pytest.mark.parametrize("token", ["", "tök en", "two words", "line\nbreak"])
def test_a_token_that_is_none_is_a_slip(monkeypatch: pytest.MonkeyPatch, token: str) -> None:
    monkeypatch.delenv("EUCORA_TOKEN", raising=False)
    told = said("intents", "list", "--token", token, code=2)
    assert told.startswith("eucora: --token ")
    assert told.count("\n") == 1


def test_the_password_in_the_address_of_a_service_is_not_shown() -> None:
    with socket.socket() as closed:  # bound and not listening
        closed.bind(("127.0.0.1", 0))
        server = f"127.0.0.1:{closed.getsockname()[1]}"
        told = said("intents", "list", "--token", "eucora_x", "--server", f"http://ada:canary@{server}", code=1)
    assert f"asked at http://[redacted]@{server}: start it there" in told
    assert "canary" not in told


@pytest.mark.parametrize("server", ["127.0.0.1:8080", "", "ftp://eucora.example", "http://xn--$"])
def test_a_server_that_is_no_address_is_a_slip(server: str) -> None:
    told = said("intents", "list", "--token", "eucora_x", "--server", server, code=2)
    assert told.startswith(f"eucora: --server {server}")
    assert told.count("\n") == 1


@pytest.mark.parametrize("host", [[], ["--host", ""]], ids=["no host", "an empty one"])
def test_up_on_a_taken_port_starts_nothing(house: Database, host: list[str]) -> None:
    """A host that a script left empty is none, and not every address of the machine."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = runner.invoke(app, ["up", "--port", str(port), *host])
    assert result.stderr.startswith(f"eucora: cannot listen on 127.0.0.1:{port}: ")
    assert (result.exit_code, result.stdout) == (2, "")
