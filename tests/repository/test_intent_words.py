"""The words of an intent file are written down for people; the code takes exactly these."""

import re
from enum import StrEnum
from pathlib import Path

import pytest

from eucora.domain.risk_types import (
    Category,
    DataAccess,
    Exploitability,
    OperationalComplexity,
    PrivilegeImpact,
    Provenance,
)

PAPER = Path(__file__).parents[2] / "docs" / "intent-files.md"


@pytest.mark.parametrize(
    ("field", "kind"),
    [
        ("application.category", Category),
        ("declared.privilege", PrivilegeImpact),
        ("declared.provenance", Provenance),
        ("declared.exploitability", Exploitability),
        ("declared.data_access", DataAccess),
        ("declared.operational_complexity", OperationalComplexity),
    ],
)
def test_the_words_of_a_field_are_those_that_are_told(field: str, kind: type[StrEnum]) -> None:
    (row,) = re.findall(rf"^\| `{re.escape(field)}` \| (.*) \|$", PAPER.read_text(), re.MULTILINE)
    assert row == ", ".join(f"`{word}`" for word in kind)
