"""What vendors and libraries say, without what nobody may read."""

import re
from typing import Final

DETAIL_MAX: Final = 500  # characters

_SECRETS: Final = (
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}"), r"\1 [redacted]"),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]*)?"), "[redacted]"),
    (
        re.compile(
            r"(?i)\b(sig|signature|client_secret|client_assertion|(?:access_|refresh_|id_)?token|password|passwd|secret"
            r"|api[_-]?key|encryptionkey|mackey)(\\?[\"']?\s*[=:]\s*\\?[\"']?)[^&\s\"'\\,;<>]+"
        ),
        r"\1\2[redacted]",
    ),
)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def redact(text: str) -> str:
    """``text`` without tokens, SAS signatures, passwords and control characters, at most 500 characters."""
    text = _CONTROL.sub(" ", text[: 8 * DETAIL_MAX])
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text[:DETAIL_MAX]


def without_query(url: str) -> str:
    """The address up to its query."""
    head, mark, _ = url.partition("?")
    return f"{head}?[redacted]" if mark else head
