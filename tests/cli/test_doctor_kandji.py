"""``eucora doctor`` looks at Kandji over real HTTP, from the settings alone."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from typer.testing import CliRunner

from databases import Database
from eucora.cli.main import app
from eucora.lab.roster import draw_token
from eucora.lab.server import serve_lab


@pytest.fixture(autouse=True)
def logs_as_they_were() -> Iterator[None]:
    """A command configures the logs of its process, which here is everybody's."""
    yield
    structlog.reset_defaults()
    logging.getLogger().handlers.clear()


def test_doctor_says_what_the_token_may_read(
    database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("EUCORA_DATABASE_URL", database.url)
    monkeypatch.setenv("EUCORA_MIGRATION_DATABASE_URL", database.owner_url)
    monkeypatch.setenv("EUCORA_DATA_DIR", str(tmp_path))
    token_file = tmp_path / "token"
    monkeypatch.setenv("KANDJI_API_TOKEN_FILE", str(token_file))
    told = {}
    with serve_lab(seed=7, pace=1800, windows=0, macs=3) as lab:
        monkeypatch.setenv("KANDJI_API_URL", f"{lab.base_url}/kandji")
        for token in (draw_token(7, "kandji-token"), "another-token"):
            token_file.write_text(f"{token}\n")
            result = CliRunner().invoke(app, ["doctor", "--json"])
            rows = json.loads(result.stdout)
            told[token] = {row["check"]: row["level"] for row in rows if row["check"].startswith("kandji ")}
            assert "another-token" not in result.stdout
    good, wrong = told.values()
    assert good == {f"kandji read {what}": "ok" for what in ("devices", "device details", "device status", "firewalls")}
    assert wrong == {"kandji read devices": "LOOK"}
