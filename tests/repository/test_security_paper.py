"""docs/security.md names, for each promise, tests that there are."""

import re
from functools import cache

import pytest
from repository_files import ROOT

PAPER = (ROOT / "docs" / "security.md").read_text()
NAMED = re.compile(r"`(\w+/test_\w+\.py)(?:::(\w+))?`")
ROWS = [line for line in PAPER.splitlines() if line.startswith("| ") and "---" not in line]
# The items of ASVS 5.0 that bite a service like this one; each has a row.
ASVS = """
2.3.1 2.3.3 2.3.4 2.3.5 4.1.3 4.1.4 4.1.5 8.2.1 8.3.2 8.4.1 9.1.1 9.2.1 10.3.1 10.5 11.5.1 12.3.1 13.2.4 13.3.1 13.3.4
13.4.2 14.2.1 15.1.2 15.2.4 15.3.3 15.3.4 15.4.2 16.2.5 16.3.2 16.4.1 16.4.2 16.4.3 16.5.1 16.5.3 16.5.4
"""


@cache
def names_in(file: str) -> frozenset[str]:
    return frozenset(re.findall(r"^(?:async )?def (test_\w+)\(", (ROOT / "tests" / file).read_text(), flags=re.M))


@pytest.mark.parametrize(("file", "test"), sorted(set(NAMED.findall(PAPER))))
def test_a_test_that_the_paper_names_is_there(file: str, test: str) -> None:
    assert (ROOT / "tests" / file).is_file(), file
    assert names_in(file)
    assert not test or test in names_in(file), f"{file}::{test}"


def test_every_promise_is_held_by_a_test() -> None:
    promises = [row for row in ROWS if re.match(r"\| (?:API)?\d", row)]
    assert len(promises) > 50
    for row in promises:
        assert NAMED.search(row), row


def test_no_risk_of_the_ten_and_no_item_that_bites_is_left_out() -> None:
    firsts = "\n".join(row.split(" | ")[0] for row in ROWS)
    assert re.findall(r"\bAPI(\d+)\b", firsts) == [str(number) for number in range(1, 11)]
    short = PAPER[PAPER.index("## Where we fall short") :]
    given = set(re.findall(r"\b\d+\.\d+(?:\.\d+)?\b", firsts + short))
    for begin, end in re.findall(r"\b(\d+\.\d+\.\d+)–(\d+\.\d+\.\d+)\b", firsts):
        chapter, first, last = begin.rpartition(".")[0], begin.rpartition(".")[2], end.rpartition(".")[2]
        given |= {f"{chapter}.{number}" for number in range(int(first), int(last) + 1)}
    assert set(ASVS.split()) <= given, set(ASVS.split()) - given
