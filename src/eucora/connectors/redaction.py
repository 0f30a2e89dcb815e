"""What vendors and libraries say, without what nobody may read."""

import base64
import re
from typing import Final
from urllib.parse import quote, quote_plus, unquote, urlsplit

DETAIL_MAX: Final = 500  # characters
_KNOWN_MAX: Final = 64  # secrets remembered; tokens come and go, and the oldest are of no use any more
_KNOWN_CHARS: Final = 8  # shorter ones are words that stand in every text

_SECRETS: Final = (
    (
        re.compile(r"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY-----.*?(-----END [A-Z0-9 ]{0,30}PRIVATE KEY-----|\Z)", re.S),
        "[redacted]",
    ),
    (re.compile(r"(?i)\b((?:set-)?cookie)(\\?[\"']?\s*[=:]\s*\\?[\"']?)[^\r\n\"'<>]+"), r"\1\2[redacted]"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}"), r"\1 [redacted]"),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]*)?"), "[redacted]"),
    (re.compile(r"\beucora_[A-Za-z0-9_-]{16,}"), "[redacted]"),
    (re.compile(r"(?i)\b([a-z][a-z0-9+.-]{0,20}://)[^/\s:@\"'<>]*:[^/\s@\"'<>]+@"), r"\1[redacted]@"),
    (
        re.compile(
            # not what follows "no token: ", a refusal's word ("invalid_client") or its status
            r"(?i)\b(?!token: (?:[a-z]+_[a-z_]+|[0-9]{3})(?:[\s,;.)]|$))(sig|signature|client_secret"
            r"|client_assertion|(?:access_|refresh_|id_|client_)?token|password|passwd|passphrase|secret(?:_id)?"
            r"|x-vault-token|x-amz-(?:signature|security-token|credential)|code_verifier"
            r"|api[_-]?key|encryptionkey|mackey)(\\?[\"']?\s*[=:]\s*\\?[\"']?)[^&\s\"'\\,;<>]+"
        ),
        r"\1\2[redacted]",
    ),
)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
# In order of use, all their spellings; one process has one set, as it has one standard error.
_known: dict[str, tuple[str, ...]] = {}


def known_secret(value: str) -> str:
    """``value``, remembered as one that no text of this process may show, however it is spelled."""
    _known.pop(value, None)
    if len(value) >= _KNOWN_CHARS:
        if len(_known) >= _KNOWN_MAX:
            _known.pop(next(iter(_known)))
        _known[value] = _spellings(value)
    return value


def _spellings(value: str) -> tuple[str, ...]:
    words = [value]
    if "://" in value:  # an address with a password in it: that alone is the secret
        try:
            password = urlsplit(value).password
        except ValueError:
            password = None
        words += [password, unquote(password)] if password else []
    forms = [
        form
        for word in words
        for form in (
            word,
            quote(word, safe=""),
            quote_plus(word),
            base64.b64encode(word.encode()).decode().rstrip("="),
            repr(word)[1:-1],
        )
        if len(word) >= _KNOWN_CHARS
    ]
    return tuple(sorted(set(forms), key=len, reverse=True))


def redact(text: str) -> str:
    """``text`` without tokens, SAS signatures, passwords and control characters, at most 500 characters."""
    return without_secrets(_CONTROL.sub(" ", text[: 8 * DETAIL_MAX]))[:DETAIL_MAX]


def without_secrets(text: str) -> str:
    """``text`` without the secrets that this process knows, and what looks like another, at its full length."""
    text = without_known(text)
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


def without_known(text: str) -> str:
    """``text`` without the secrets that this process knows; for what we say ourselves."""
    for spellings in tuple(_known.values()):
        for spelling in spellings:
            if spelling in text:
                text = text.replace(spelling, "[redacted]")
    return text


def without_query(url: str) -> str:
    """The address up to its query."""
    head, mark, _ = url.partition("?")
    return f"{head}?[redacted]" if mark else head
