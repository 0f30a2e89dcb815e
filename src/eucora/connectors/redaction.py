"""What vendors and libraries say, without what nobody may read."""

import base64
import re
from typing import Final
from urllib.parse import quote, quote_plus, unquote, urlsplit

DETAIL_MAX: Final = 500  # characters
_LOOKED_AT: Final = 8 * DETAIL_MAX
_WORD_MAX: Final = 256  # of those that are known by their end alone
_RENEWED_MAX: Final = 64  # tokens come and go, and the oldest open nothing any more
_VALUES_MAX: Final = 3  # of one setting: what was rotated away may still be in somebody's answer
_KNOWN_CHARS: Final = 8  # shorter ones are words that stand in every text

_SECRETS: Final = (
    (
        re.compile(r"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY-----.*?(-----END [A-Z0-9 ]{0,30}PRIVATE KEY-----|\Z)", re.S),
        "[redacted]",
    ),
    (re.compile(r"(?i)\b((?:set-)?cookie)(\\?[\"']?\s*[=:]\s*\\?[\"']?)[^\r\n\"'<>]+"), r"\1\2[redacted]"),
    # Plain words behind it are those of a sentence ("Basic authentication is needed") or of a group's name.
    (re.compile(r"\b((?i:bearer|basic))\s+(?![a-z]{8,19}\b(?![._~+/=-]))[A-Za-z0-9._~+/=-]{8,}"), r"\1 [redacted]"),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]*)?"), "[redacted]"),
    (re.compile(r"\beucora_(?![a-z_]+(?![A-Za-z0-9_-]))[A-Za-z0-9_-]{16,}"), "[redacted]"),
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
# Value to all its spellings, in order of use; one process has one set, as it has one standard error. What settings hold
# is apart from what is renewed all day, so that no number of renewals makes us forget it.
_renewed: dict[str, tuple[str, ...]] = {}
_kept: dict[str, dict[str, tuple[str, ...]]] = {}


def known_secret(value: str, setting: str | None = None) -> str:
    """``value``, remembered as one that no text of this process may show, however it is spelled.

    ``setting``: whose value it is, for as long as the process lives; None: a token that is renewed before it ends.
    """
    if len(value) < _KNOWN_CHARS:
        return value
    known, most = (_renewed, _RENEWED_MAX) if setting is None else (_kept.setdefault(setting, {}), _VALUES_MAX)
    known[value] = known.pop(value, ()) or _spellings(value)
    while len(known) > most:
        known.pop(next(iter(known)))
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
    return without_secrets(_CONTROL.sub(" ", _beginning(text)))[:DETAIL_MAX]


def _beginning(text: str) -> str:
    """As much of a text as is looked at. A word that the bound cuts goes, too: half a secret looks like none."""
    if len(text) <= _LOOKED_AT:
        return text
    kept = text[:_LOOKED_AT]
    return kept[: len(kept) - len(re.split(r"\s", kept[-_WORD_MAX:])[-1])]


def said(error: BaseException) -> str:
    """What an exception says, redacted.

    Of a database's, the first line alone, as ``DETAIL`` shows rows; and of a fault in a value (SQLSTATE class 22)
    nothing but that, as the value is in the line. Source: PostgreSQL, "Error Message Style Guide" and its appendix A.
    """
    try:
        text = str(error)
    except Exception:  # an exception's own __str__ may raise, and a log record must not fail of it
        return "[unreadable]"
    state = getattr(error, "sqlstate", None)
    if isinstance(state, str):
        line = "" if state.startswith("22") else text.partition("\n")[0]
        text = f"{line} (SQLSTATE {state})".strip()
    return redact(text)


def without_secrets(text: str) -> str:
    """``text`` without the secrets that this process knows, and what looks like another, at its full length."""
    text = without_known(text)
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


def without_known(text: str) -> str:
    """``text`` without the secrets that this process knows; for what we say ourselves."""
    for known in (*tuple(_kept.values()), _renewed):
        for spellings in tuple(known.values()):
            for spelling in spellings:
                if spelling in text:
                    text = text.replace(spelling, "[redacted]")
    return text


def without_query(url: str) -> str:
    """The address up to its query."""
    head, mark, _ = url.partition("?")
    return f"{head}?[redacted]" if mark else head
