"""No tracked file names the machine that it was written on, a package registry, or a secret."""

import re

import pytest
from repository_files import texts

# Spelled so that this file does not match itself.
MACHINE = re.compile(r"(?<![\w.-])/(?:root|work)/[\w.]|/home/(?!user\b|runner\b)\w+/")
REGISTRY = re.compile(r"(?:pypi|pythonhosted|npmjs|crates)\.(?:org|com|io)\b|\bdeb\.debian\b|\bregistry\.npmjs", re.I)
SECRET = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/=]{32}"  # a key, not only the words that frame one
    r"|\bAKIA[0-9A-Z]{16}\b"  # AWS access key
    r"|\bgh[pousr]_[A-Za-z0-9]{36}\b"  # GitHub token
    r"|\bxox[abprs]-[0-9A-Za-z-]{20}"  # Slack token
    r"|\beyJ[\w-]{20,}\.eyJ[\w-]{20,}\.[\w-]{20,}"  # JSON web token
    r"|\bpostgres(?:ql)?://\w+:[^@\s$%{<…]{8,}@"  # a database's password
)

PLANTED = [
    (MACHINE, "see /" + "root/.cache"),
    (MACHINE, "open('/" + "work/main/x')"),
    (MACHINE, "/home/" + "alice/eucora"),
    (REGISTRY, "https://files.python" + "hosted.org/x"),
    (REGISTRY, "https://py" + "pi.org/simple"),
    (REGISTRY, "https://registry.np" + "mjs.org/"),
    (SECRET, "-----BEGIN " + "PRIVATE KEY-----\n" + "M" * 40),
    (SECRET, "AKIA" + "A1B2C3D4E5F6G7H8"),
    (SECRET, "gh" + "p_" + "a" * 36),
    (SECRET, "eyJ" + "a" * 24 + ".eyJ" + "b" * 24 + "." + "c" * 24),
    (SECRET, "postgresql://eucora:" + "correct-horse@db/eucora"),
]


@pytest.mark.parametrize(("pattern", "text"), PLANTED)
def test_the_patterns_find_what_they_are_for(pattern: re.Pattern[str], text: str) -> None:
    assert pattern.search(text)


@pytest.mark.parametrize("pattern", [MACHINE, REGISTRY, SECRET], ids=["machine", "registry", "secret"])
def test_no_file_holds_any(pattern: re.Pattern[str]) -> None:
    read, found = 0, []
    for name, text in texts():
        read += 1
        found += [f"{name}: {match.group()[:40]!r}" for match in pattern.finditer(text)]
    assert read > 100
    assert not found
