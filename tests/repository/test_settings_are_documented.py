"""Every setting that is read stands in docs/settings.md, and nothing else does."""

import re
from pathlib import Path

from eucora.settings import SECRETS, Settings

ROOT = Path(__file__).resolve().parents[2]
READ_ELSEWHERE = {"OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER"}  # the standard's own names, read where they act


def test_the_paper_and_the_code_name_the_same_settings() -> None:
    paper = (ROOT / "docs" / "settings.md").read_text()
    table = "\n".join(line for line in paper.splitlines() if line.startswith("| `"))
    documented = set(re.findall(r"`((?:EUCORA|INTUNE|JAMF|KANDJI|OTEL|AZURE|IDENTITY)_[A-Z0-9_]+)`", table))
    read = {str(field.validation_alias) for field in Settings.model_fields.values()}
    assert documented == read | READ_ELSEWHERE


def test_every_secret_is_marked_as_one() -> None:
    paper = (ROOT / "docs" / "settings.md").read_text()
    assert all(f"`{name}` (secret)" in paper for name in SECRETS)
