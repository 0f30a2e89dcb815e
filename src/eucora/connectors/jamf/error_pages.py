"""The words on the HTML page with which the Classic API, or a proxy in front of it, refuses.

Nothing is decided by them: the status does that. They are for the person who has to act, and pass the redaction that
every detail passes.
"""

import html
import re
from typing import Final

import httpx

_READ_MAX: Final = 16_384  # characters of a page; what it says comes first
_UNSEEN: Final = re.compile(r"(?is)<(script|style|head)\b.*?(?:</\1\s*>|\Z)|<!--.*?(?:-->|\Z)")
_TAG: Final = re.compile(r"(?s)<[^>]*(?:>|\Z)")
_KEPT_HEADERS: Final = ("retry-after", "date", "request-id")


def page_words(answer: httpx.Response) -> str:
    """What a person would read on the page; empty when the answer is no HTML."""
    if "html" not in answer.headers.get("content-type", "").lower():
        return ""
    page = answer.text[:_READ_MAX]
    seen = html.unescape(_TAG.sub(" ", _UNSEEN.sub(" ", page)))
    return " ".join(seen.replace("<", " ").replace(">", " ").split())


def readable(answer: httpx.Response) -> httpx.Response:
    """``answer``; in place of a page, its words in the form in which errors are read (RFC 6749's, without a code)."""
    if not (words := page_words(answer)):
        return answer
    headers = {name: answer.headers[name] for name in _KEPT_HEADERS if name in answer.headers}
    return httpx.Response(answer.status_code, headers=headers, json={"error": words}, request=answer.request)
