"""The words of Intune's Multi Admin Approval: what it guards, how it says that it queued a write, how we explain one.

Sources disagree on status codes, so answers are known by what they say: the vendor's article on Multi Admin Approval
with the Graph API (June 2026: 412, header required 400), its announcement and users' reports (403 ``ApprovalRequired``,
the code in the header or only in the message, 409 while another request for the object is active).
"""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import httpx

from eucora.application.held_requests import AskedRequest, Purpose
from eucora.connectors.errors import redact
from eucora.connectors.transports import READS
from eucora.domain.brevity import cut

JUSTIFICATION_HEADER: Final = "x-msft-approval-justification"
CODE_HEADER: Final = "x-msft-approval-code"
JUSTIFICATION_MAX: Final = 1024  # characters, before base64

_WRITES: Final = frozenset({"POST", "PATCH", "PUT", "DELETE"})
_ROOT: Final = re.compile(r"^(?P<root>.*?)/(?:v1\.0|beta)(?P<path>/.*)$")
_GUARDED: Final = re.compile(r"^/(deviceAppManagement|deviceManagement)/", re.IGNORECASE)
_OUTSIDE: Final = re.compile(r"^/deviceManagement/(operationApprovalRequests|reports)\b", re.IGNORECASE)
_ENTITY: Final = re.compile(r"^/[^/?]+/[^/?]+/[^/?]+")
_GUID: Final = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_CODE_SAID: Final = re.compile(rf"{CODE_HEADER}\W{{1,8}}({_GUID})", re.IGNORECASE)
_IS_CODE: Final = re.compile(_GUID)
_QUEUED: Final = frozenset({403, 412})


def path_of(url: httpx.URL) -> tuple[str, str]:
    """The vendor's root, and path and query below its version; two empty texts for an address of another shape."""
    found = _ROOT.match(url.raw_path.decode("ascii"))
    if found is None:
        return "", ""
    root = f"{url.scheme}://{url.netloc.decode('ascii')}{found['root']}"
    return root, found["path"]


def guarded(request: httpx.Request) -> bool:
    """Whether the request may be held back: a write to Intune, and no question in the shape of a POST."""
    path = path_of(request.url)[1]
    if request.method not in _WRITES or request.extensions.get(READS):
        return False
    return bool(_GUARDED.match(path)) and not _OUTSIDE.match(path)


def asked(request: httpx.Request, tenant: str) -> AskedRequest:
    """The request to be kept; its body has been read. The keys to uploaded content are not kept, only their digest."""
    path, body = path_of(request.url)[1], request.content
    parts = (tenant, request.method, str(request.url), hashlib.sha256(body).hexdigest())
    key = hashlib.sha256("\0".join(parts).encode()).hexdigest()
    object_path = _ENTITY.match(path)
    secret = path.partition("?")[0].rstrip("/").endswith("/commit")
    return AskedRequest(
        key=key,
        tenant=tenant,
        entity=object_path[0] if object_path else f"{path}#{key}",  # a new object: nothing else can be about it
        method=request.method,
        path=path,
        content_type=request.headers.get("content-type", ""),
        body=None if secret else body,
    )


def same_wish(one: AskedRequest, other: AskedRequest) -> bool:
    """Whether two requests ask for the same, though not with the same bytes: assignments come back in any order."""
    if (one.method, one.path) != (other.method, other.path) or one.body is None or other.body is None:
        return False
    return bool(_meaning(one.body) == _meaning(other.body))


def _meaning(body: bytes) -> Any:
    try:
        said = json.loads(body)
    except ValueError:
        return body
    if isinstance(said, dict) and isinstance(rows := said.get("mobileAppAssignments"), list):
        return said | {"mobileAppAssignments": sorted(json.dumps(row, sort_keys=True) for row in rows)}
    return said


def marker(key: str) -> str:
    """What tells a request of ours in Intune's list, should the answer that named its code be lost."""
    return f"[eucora {key[:32]}]"


def justification(request: AskedRequest, purpose: Purpose | None, correlation_id: str | None) -> str:
    """The header's value: why the change is asked for, base64 of UTF-8."""
    if purpose is None:
        why = f"EUCORA (correlation {correlation_id or 'none'})"
    else:
        why = f"EUCORA deployment intent {purpose.intent_id}: {purpose.operation} for {purpose.ring}"
    sign = marker(request.key)
    text = f"{cut(f'{why}. {request.method} {request.path}', JUSTIFICATION_MAX - len(sign) - 1)} {sign}"
    return base64.b64encode(text.encode()).decode()


def code_in(answer: httpx.Response) -> str:
    """The approval code in an answer that means "queued", from its header or its message; empty: it means no such."""
    if answer.status_code not in _QUEUED:
        return ""
    header = str(answer.headers.get(CODE_HEADER, "")).strip()
    if _IS_CODE.fullmatch(header):
        return header.lower()
    said = _CODE_SAID.search(answer.text)
    return said[1].lower() if said else ""


def is_taken(answer: httpx.Response) -> bool:
    """Whether a request is active that the answer does not name: another one for the object, or even this one."""
    told = answer.text.lower().replace(" ", "")
    if answer.status_code == 409:
        return "approvalrequestalreadyexists" in told
    return answer.status_code in _QUEUED and "approvalrequired" in told and not code_in(answer)


def is_unjustified(answer: httpx.Response) -> bool:
    """Whether Intune says that it lacks, or cannot read, the justification."""
    return answer.status_code in {400, 403} and JUSTIFICATION_HEADER in answer.text.lower()


def said(answer: httpx.Response) -> str:
    """The vendor's own words, redacted."""
    try:
        error = answer.json()["error"]
        return redact(f"{answer.status_code} {error.get('code', '')}: {error.get('message', '')}")
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return redact(f"{answer.status_code} {answer.reason_phrase}")


def who(identities: Any) -> str:
    """A person or application of an ``identitySet``: name and id, as far as they are told."""
    if not isinstance(identities, Mapping):
        return ""
    for kind in ("user", "application"):
        found = identities.get(kind)
        if isinstance(found, Mapping) and (found.get("id") or found.get("displayName")):
            name, id = str(found.get("displayName") or ""), str(found.get("id") or "")
            return cut(redact(f"{name} ({id})" if name and id else name or id), 200)
    return ""


def until(at: datetime | None) -> str:
    """ " by 2026-03-05 08:00 UTC", or nothing."""
    return f" by {at:%Y-%m-%d %H:%M} UTC" if at else ""
