"""No tracked file names the machine that it was written on, a package registry, or a secret."""

import re
from typing import Final

import pytest
from repository_files import texts

# Spelled so that this file does not match itself.
MACHINE = re.compile(r"(?<![\w.-])/(?:root|work)/[\w.]|/home/(?!user\b|runner\b)\w+/")
REGISTRY = re.compile(r"(?:pypi|pythonhosted|npmjs|crates)\.(?:org|com|io)\b|\bdeb\.debian\b|\bregistry\.npmjs", re.I)
SECRET = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/=]{32}"  # a key, not only the words that frame one
    r"|\beucora_[A-Za-z0-9_=-]{40}"  # a service token of ours
    r"|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"  # AWS access key, lasting or of a session
    r"|(?i:\baws_?secret\w*)[\"']?\s*[=:]\s*[\"']?[A-Za-z0-9/+=]{40}\b"  # and what belongs to it
    r"|\bgh[pousr]_[A-Za-z0-9]{36}\b|\bgithub_pat_\w{40}"  # GitHub token
    r"|\bglpat-[\w-]{20}"  # GitLab token
    r"|\bxox[abprs]-[0-9A-Za-z-]{20}"  # Slack token
    r"|\bhv[sbr]\.[A-Za-z0-9_-]{20,}"  # Vault token
    r"|\b[A-Za-z0-9_.~-]{3}8Q~[A-Za-z0-9_.~-]{31,34}"  # client secret of Entra
    r"|[?&]sig=[A-Za-z0-9%+/]{40}"  # signed address of Azure
    r"|\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"  # JSON web token
    r"|\bpostgres(?:ql)?://\w+:[^@\s$%{<…]{8,}@"  # a database's password
)
# A password that is written down is one that says itself that it was made up.
WRITTEN: Final = re.compile(
    r"(?i)(?:password|passphrase|passwd|client_?secret|api_?key|api_token|secret(?:_access)?(?:_key|_id)?)"
    r"[\"']?\]?\s*[=:]\s*f?[\"']([^\"'\s{}<>$…/]{12,})[\"']"
)
MADE_UP: Final = re.compile(r"(?i)canary|s[e3]cr[e3]t|hunter2|example|changeme")
# What tests need in a form that is refused here, and why it opens nothing.
ALLOWED: Final = {
    "eyJhbGciOiJub25lIn0.SECRETSECRET.SECRETSECRET": "a token in form only, to be redacted",
    "c2VjcmV0LXNlY3JldC1zZWNyZXQ": "secret-secret-secret, as base64 writes it",
}

PLANTED = [
    (MACHINE, "see /" + "root/.cache"),
    (MACHINE, "open('/" + "work/main/x')"),
    (MACHINE, "/home/" + "alice/eucora"),
    (REGISTRY, "https://files.python" + "hosted.org/x"),
    (REGISTRY, "https://py" + "pi.org/simple"),
    (REGISTRY, "https://registry.np" + "mjs.org/"),
    (SECRET, "eucora_" + "aB3-" * 16 + "_1a2b3c"),
    (SECRET, "ASIA" + "A1B2C3D4E5F6G7H8"),
    (SECRET, "aws_secret" + '_access_key = "' + "wJalrXUtnFEMI/K7MDENG+" + "b" * 18 + '"'),
    (SECRET, "hvs" + "." + "CAESI" * 5),
    (SECRET, "abc" + "8Q~" + "x" * 34),
    (SECRET, "https://x.blob.core.windows.net/c/f?se=1&" + "sig=" + "aB3%2F" * 8),
    (SECRET, "-----BEGIN " + "PRIVATE KEY-----\n" + "M" * 40),
    (SECRET, "AKIA" + "A1B2C3D4E5F6G7H8"),
    (SECRET, "gh" + "p_" + "a" * 36),
    (SECRET, "eyJ" + "a" * 24 + ".eyJ" + "b" * 24 + "." + "c" * 24),
    (SECRET, "postgresql://eucora:" + "correct-horse@db/eucora"),
]


@pytest.mark.parametrize(("pattern", "text"), PLANTED)
def test_the_patterns_find_what_they_are_for(pattern: re.Pattern[str], text: str) -> None:
    assert pattern.search(text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("client_secret" + '="Tr0ub4dor&3-horse"', ["Tr0ub4dor&3-horse"]),
        ('{"pass' + 'word": "correct-horse-battery"}', ["correct-horse-battery"]),
        ('PASSWORD: "canary-of-a-test"', []),
        ('password="short"', []),
        ('secret: "${FROM_THE_ENVIRONMENT}"', []),
    ],
)
def test_a_password_that_is_written_down_is_seen_unless_it_is_made_up(text: str, found: list[str]) -> None:
    assert written_down(text) == found


def written_down(text: str) -> list[str]:
    return [match[1] for match in WRITTEN.finditer(text) if not MADE_UP.search(match[1]) and match[1] not in ALLOWED]


def test_no_file_holds_a_password_that_might_be_one() -> None:
    assert [f"{name}: {one[:4]}…" for name, text in texts() for one in written_down(text)] == []


def test_every_allowance_is_needed() -> None:
    others = [text for name, text in texts() if name != "tests/repository/test_nothing_private.py"]
    assert [one for one in ALLOWED if not any(one in text for text in others)] == []


@pytest.mark.parametrize("pattern", [MACHINE, REGISTRY, SECRET], ids=["machine", "registry", "secret"])
def test_no_file_holds_any(pattern: re.Pattern[str]) -> None:
    read, found = 0, []
    for name, text in texts():
        read += 1
        matches = [match.group() for match in pattern.finditer(text)]
        found += [f"{name}: {match[:40]!r}" for match in matches if match not in ALLOWED]
    assert read > 100
    assert not found
