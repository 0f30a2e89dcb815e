"""What the papers say can be done can be done: commands exist, links lead somewhere, decisions are listed."""

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import pytest
import typer
from repository_files import ROOT, code_spans, papers

from eucora.cli.main import app

TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
ADRS = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))


class Command(Protocol):
    """What is asked of a click command here; typer carries a click of its own, so its classes are not named."""

    help: str | None
    params: list[Any]


def below(of: Command) -> Mapping[str, Command]:
    """The commands of a group; none for a command."""
    commands: Mapping[str, Command] = getattr(of, "commands", {})
    return commands


def command_lines(paper: Path) -> list[list[str]]:
    """The commands that a paper shows, as words, without the environment in front of them."""
    lines = []
    for span in code_spans(paper.read_text()):
        try:
            words = shlex.split(span)
        except ValueError:
            continue  # a span with an apostrophe is prose
        while words and re.match(r"^[A-Z_]+=", words[0]):
            words = words[1:]
        if words[:3] == ["docker", "compose", "exec"]:
            words = words[4:]
        if words:
            lines.append(words)
    return lines


def shown(program: str) -> list[tuple[str, list[str]]]:
    found = [(str(paper.relative_to(ROOT)), line) for paper in papers() for line in command_lines(paper)]
    return [(paper, line) for paper, line in found if line[0].removeprefix(".venv/bin/") == program and line[1:]]


def command(words: list[str]) -> tuple[Command, list[str]]:
    """The command that the words name, and the words left over. Raises KeyError for one that there is not."""
    found: Command = typer.main.get_command(app)
    rest = [word for word in words if word not in {"|", "…"}]
    while below(found) and rest and not rest[0].startswith("-"):
        found, rest = below(found)[rest[0]], rest[1:]
    return found, rest


def options(of: Command) -> set[str]:
    return {"--help"} | {name for parameter in of.params for name in parameter.opts if name.startswith("--")}


def test_every_make_target_that_a_paper_names_exists() -> None:
    named = shown("make")
    assert {"README.md", "CONTRIBUTING.md"} <= {paper for paper, _ in named}
    for paper, line in named:
        targets = [word for word in line[1:] if "=" not in word]
        assert set(targets) <= TARGETS, f"{paper}: {' '.join(line)}"


def test_every_eucora_command_that_a_paper_names_exists() -> None:
    named = shown("eucora")
    assert len(named) > 10
    for paper, line in named:
        try:
            found, rest = command(line[1 : line.index("|")] if "|" in line else line[1:])
        except KeyError as missing:
            pytest.fail(f"{paper}: {' '.join(line)}: there is no command {missing}")
        given = {word.split("=")[0] for word in rest if word.startswith("--")}
        assert given <= options(found), f"{paper}: {' '.join(line)}"


def test_the_arguments_that_papers_hand_to_the_demo_exist() -> None:
    handed = [word for _, line in shown("make") for word in line if word.startswith("DEMO_ARGS=")]
    assert handed
    for word in handed:
        assert set(shlex.split(word.removeprefix("DEMO_ARGS="))) <= options(command(["demo"])[0])


def leaves(of: Command, name: str) -> list[tuple[str, Command]]:
    if not below(of):
        return [(name, of)]
    return [leaf for word, one in below(of).items() for leaf in leaves(one, f"{name} {word}")]


def test_every_command_explains_itself_with_an_example() -> None:
    every = leaves(typer.main.get_command(app), "eucora")
    assert len(every) >= 12
    for name, one in every:
        assert re.search(rf"Example: .*{name}\b", one.help or ""), name


@pytest.mark.parametrize("paper", papers(), ids=lambda paper: str(paper.relative_to(ROOT)))
def test_links_between_papers_resolve(paper: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", paper.read_text(), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        to = (paper.parent / name).resolve() if name else paper
        assert to.exists(), f"{target} leads nowhere"
        assert to.is_relative_to(ROOT), f"{target} leaves the repository"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", to.read_text(), flags=re.MULTILINE)
            slugs = {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}
            assert anchor in slugs, target


def test_the_papers_are_there() -> None:
    have = {str(paper.relative_to(ROOT)) for paper in papers()}
    wanted = {"README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "docs/ARCHITECTURE.md", "docs/glossary.md"}
    assert wanted <= have
    assert "Apache License" in (ROOT / "LICENSE").read_text()[:100]


@pytest.mark.parametrize("adr", ADRS, ids=lambda adr: adr.stem)
def test_a_decision_is_listed_and_has_its_parts(adr: Path) -> None:
    text, index = adr.read_text(), (ROOT / "docs" / "adr" / "README.md").read_text()
    assert f"[{adr.name[:4]}]({adr.name})" in index
    assert text.startswith(f"# {adr.name[:4]}: ")
    assert re.findall(r"^## (.*)$", text, flags=re.MULTILINE) == ["Context", "Decision", "Alternatives", "Consequences"]
    assert len(text.splitlines()) <= 70, "one page"


def test_decisions_are_numbered_without_a_gap() -> None:
    assert len(ADRS) >= 9
    assert [int(adr.name[:4]) for adr in ADRS] == list(range(1, len(ADRS) + 1))


def test_a_word_has_one_entry_in_the_glossary() -> None:
    rows = re.findall(r"^\| ([^|]+?) \| [^|]+ \|$", (ROOT / "docs" / "glossary.md").read_text(), flags=re.MULTILINE)
    words = [word for row in rows for word in row.split(", ") if row not in {"word", "---"}]
    assert len(words) > 60
    assert len(words) == len(set(words)), sorted({word for word in words if words.count(word) > 1})
