"""The commands of operation against a real database: what they print, and how they end."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from typer.testing import CliRunner

from databases import Database
from eucora.cli.main import app

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
    assert shown["token"] not in log
    assert json.loads(log.splitlines()[0])["position"] == 0


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


def test_doctor_names_what_to_look_at(house: Database) -> None:
    result = runner.invoke(app, ["doctor", "--json"])
    found = {row["check"]: row["ok"] for row in json.loads(result.stdout)}
    assert found["schema"] == found["positions dense"] == "true"
    assert found["planes"] == "false"  # none is configured here
    assert result.exit_code == 1


def test_jobs_that_are_not_there_are_said_so(house: Database) -> None:
    assert json.loads(said("jobs", "list", "--json")) == []
    assert said("jobs", "retry", "17", code=1) == "eucora: no dead job 17\n"
    assert "is ready, running or dead" in said("jobs", "list", "--state", "lost", code=2)


def test_the_api_description_is_compared(house: Database, tmp_path: Path) -> None:
    path = tmp_path / "api.json"
    said("openapi", "--path", str(path))
    said("openapi", "--check", "--path", str(path))
    path.write_text("{}")
    assert "out of date" in said("openapi", "--check", "--path", str(path), code=1)


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("EUCORA_DATABASE_URL", "mysql://db", 2),
        ("EUCORA_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none", 1),
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


@pytest.mark.parametrize("extra", [[], ["--version"], ["up", "--help"], ["demo", "--help"], ["lab", "--help"]])
def test_help_is_there(extra: list[str]) -> None:
    assert runner.invoke(app, extra).exit_code in (0, 2)
