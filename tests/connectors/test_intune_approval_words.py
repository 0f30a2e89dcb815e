"""What Intune guards, how it says that it queued a write, and what we say when asking."""

import base64
import json

import httpx
import pytest

from eucora.application.held_requests import Purpose
from eucora.connectors.intune.approval_words import JUSTIFICATION_MAX, asked, code_in, guarded, justification
from eucora.connectors.transports import READS

ROOT = "https://graph.test/v1.0/deviceAppManagement/mobileApps"


def test_a_justification_is_cut_to_what_intune_takes_and_still_tells_the_request() -> None:
    request = httpx.Request("PATCH", f"{ROOT}/{'x' * 3000}", content=b"{}")
    wish = asked(request, "tenant")
    text = base64.b64decode(justification(wish, Purpose("ä" * 2000, "publish", "ring 0"), None)).decode()
    assert len(text) == JUSTIFICATION_MAX
    assert text.endswith(f"[eucora {wish.key[:32]}]")


@pytest.mark.parametrize(
    ("method", "path", "held"),
    [
        ("POST", "/deviceAppManagement/mobileApps", True),
        ("DELETE", "/deviceManagement/managedDevices/1", True),
        ("GET", "/deviceAppManagement/mobileApps", False),
        ("POST", "/groups", False),
        ("POST", "/$batch", False),
        ("POST", "/deviceManagement/reports/exportJobs", False),
    ],
)
def test_only_writes_to_intune_are_guarded(method: str, path: str, held: bool) -> None:
    assert guarded(httpx.Request(method, f"https://graph.test/v1.0{path}")) is held
    asking = httpx.Request(method, f"https://graph.test/v1.0{path}", extensions={READS: True})
    assert not guarded(asking)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (httpx.Response(412, headers={"x-msft-approval-code": "0" * 8 + "-0000-0000-0000-" + "0" * 12}), True),
        (httpx.Response(403, text=f'"x-msft-approval-code: {"A" * 8}-0000-0000-0000-{"0" * 12}"'), True),
        (httpx.Response(412, text="etag does not match"), False),
        (httpx.Response(403, text="Authorization_RequestDenied"), False),
        (httpx.Response(412, headers={"x-msft-approval-code": "soon"}), False),
        (httpx.Response(400, headers={"x-msft-approval-code": "0" * 8 + "-0000-0000-0000-" + "0" * 12}), False),
    ],
)
def test_queued_is_told_by_the_code_and_not_by_the_status(answer: httpx.Response, code: bool) -> None:
    assert bool(code_in(answer)) is code


def test_the_keys_of_uploaded_content_are_never_kept() -> None:
    body = json.dumps({"fileEncryptionInfo": {"encryptionKey": "c2VjcmV0"}}).encode()
    commit = f"{ROOT}/1/graph.win32LobApp/contentVersions/1/files/2/commit"
    kept = asked(httpx.Request("POST", commit, content=body), "t")
    other = asked(httpx.Request("POST", commit, content=b"{}"), "t")
    assert kept.body is None
    assert kept.key != other.key  # so that another body never passes for the one that was approved
