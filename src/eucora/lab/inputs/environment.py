"""The Python distributions that are really installed here: what the story's SBOMs list."""

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Distribution:
    """An installed distribution. ``name`` is normalised (PEP 503); ``needs`` are the installed ones it asks for."""

    name: str
    version: str
    needs: tuple[str, ...]


def installed() -> Sequence[Distribution]:
    """Every distribution of the running environment, sorted by name."""
    found: dict[str, metadata.Distribution] = {}
    # Whoever imported setuptools before us has its private copies on the path; they are not installed.
    path = [folder for folder in sys.path if Path(folder).name != "_vendor"]
    for distribution in metadata.distributions(path=path):
        name = distribution.metadata["Name"]
        if name:  # a broken leftover of an interrupted install has none
            found.setdefault(_normalised(name), distribution)
    return [
        Distribution(name, found[name].version, tuple(sorted(_needs(found[name].requires or ()) & found.keys())))
        for name in sorted(found)
    ]


def closure(roots: Iterable[str], of: Sequence[Distribution]) -> Sequence[Distribution]:
    """The named distributions and all they need, sorted by name; names that are not installed are left out."""
    by_name: Mapping[str, Distribution] = {distribution.name: distribution for distribution in of}
    wanted: set[str] = set()
    pending = [name for name in roots if name in by_name]
    while pending:
        name = pending.pop()
        if name not in wanted:
            wanted.add(name)
            pending.extend(by_name[name].needs)
    return [by_name[name] for name in sorted(wanted)]


def _normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _needs(requirements: Iterable[str]) -> set[str]:
    # Extras are what somebody might ask for; without evaluating markers, the rest is what is asked for if installed.
    names = (re.match(r"[A-Za-z0-9._-]+", text) for text in requirements if "extra ==" not in text)
    return {_normalised(match.group()) for match in names if match}
