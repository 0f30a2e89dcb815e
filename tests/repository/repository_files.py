"""What is in the repository: the files that are tracked, or would be."""

import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@cache
def tracked() -> tuple[Path, ...]:
    """Files that git tracks, and new ones that it does not ignore, as absolute paths."""
    # safe.directory: the tests may run as another user than the one who cloned.
    listing = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(
        ["git", "-c", "safe.directory=*", *listing], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    return tuple(path for name in sorted(set(names.split("\0"))) if name and (path := ROOT / name).is_file())


def texts() -> Iterator[tuple[str, str]]:
    """(path from the root, content) of every file that is text."""
    for path in tracked():
        try:
            yield str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


def papers() -> tuple[Path, ...]:
    """The Markdown files."""
    return tuple(path for path in tracked() if path.suffix == ".md")


def code_spans(markdown: str) -> Iterator[str]:
    """What a paper prints as code: each line of a shell block, and each inline span."""
    for language, block in re.findall(r"^```(\w*)\n(.*?)^```$", markdown, flags=re.MULTILINE | re.DOTALL):
        if language == "sh":
            yield from (line.split("  #")[0].strip() for line in block.splitlines() if line.strip())
    prose = re.sub(r"^```.*?^```$", "", markdown, flags=re.MULTILINE | re.DOTALL)
    yield from (" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose))
