"""The other way into Jamf Pro: name and password once, a token kept alive, and ended when we leave."""

from dataclasses import replace

import httpx
import pytest
from http_fakes import Answer
from jamf_rig import ACCOUNT, CORRELATION, Distorting, Rig, plane_over

from eucora.application.planes import PlaneError, PlaneForbidden, PlaneRejected, PlaneUnavailable
from eucora.connectors.jamf.plane import JamfPlane
from eucora.connectors.jamf.sign_in import Account, ApiClient
from eucora.lab.jamf.tokens import LabAccount

SIGN_IN, KEEP_ALIVE, SIGN_OUT = (f"POST /api/v1/auth/{what}" for what in ("token", "keep-alive", "invalidate-token"))


async def ask(plane: JamfPlane, rig: Rig) -> None:
    await plane.resolve(rig.groups[5].id, correlation_id=CORRELATION)  # the empty ring: one request


def signings(calls: list[str]) -> list[str]:
    return [call for call in calls if call.startswith("POST")]


async def test_name_and_password_go_out_once_and_the_token_serves_both_apis() -> None:
    rig = Rig(macs=60)
    wire = rig.wire()
    plane = plane_over(wire, rig.clock, account=ACCOUNT)
    group = await plane.resolve(rig.groups[0].id, correlation_id=CORRELATION)
    assert len(group.devices) == 6
    assert signings(wire.calls) == [SIGN_IN]
    schemes = [request.headers["authorization"].partition(" ")[0] for request in wire.requests]
    assert schemes == ["Basic", *["Bearer"] * (len(schemes) - 1)]


async def test_a_token_near_its_end_is_kept_alive_and_one_that_ended_is_not() -> None:
    """Half an hour, of which the last five minutes are for keeping it alive."""
    rig = Rig(macs=60)
    wire = rig.wire()
    plane = plane_over(wire, rig.clock, account=ACCOUNT)
    for wait_s in (0, 24 * 60, 2 * 60, 26 * 60, 31 * 60):
        rig.clock.advance(wait_s)
        await ask(plane, rig)
    assert signings(wire.calls) == [SIGN_IN, KEEP_ALIVE, KEEP_ALIVE, SIGN_IN]


async def test_a_token_that_jamf_does_not_keep_is_replaced_by_a_new_one() -> None:
    rig = Rig(macs=60)

    def lost(request: httpx.Request, _: int) -> httpx.Response | None:
        return httpx.Response(401) if request.url.path.endswith("/keep-alive") else None

    network = Distorting(rig, lost)
    plane = plane_over(network, rig.clock, account=ACCOUNT)
    await ask(plane, rig)
    rig.clock.advance(26 * 60)
    await ask(plane, rig)
    assert signings(network.calls) == [SIGN_IN, KEEP_ALIVE, SIGN_IN]


async def test_after_a_cut_renewal_nobody_relies_on_the_old_token() -> None:
    """The answer is lost, and with it the only token that stands."""
    rig = Rig(macs=60)
    app = httpx.ASGITransport(rig.app)
    calls: list[str] = []

    class Cutting(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            calls.append(f"{request.method} {request.url.path}")
            answer = await app.handle_async_request(request)
            if request.url.path.endswith("/keep-alive"):
                raise httpx.ReadError("cut")
            return answer

    plane = plane_over(Cutting(), rig.clock, account=ACCOUNT)
    await ask(plane, rig)
    rig.clock.advance(26 * 60)
    with pytest.raises(PlaneUnavailable):
        await ask(plane, rig)
    await ask(plane, rig)
    assert signings(calls) == [SIGN_IN, KEEP_ALIVE, SIGN_IN]


async def test_a_refused_token_is_replaced_once_by_signing_in_again() -> None:
    rig = Rig(macs=60)
    refused: list[str] = []

    def revoked(request: httpx.Request, _: int) -> httpx.Response | None:
        if request.method == "GET" and not refused:
            refused.append(request.url.path)
            return httpx.Response(401, text="<html></html>")
        return None

    network = Distorting(rig, revoked)
    await ask(plane_over(network, rig.clock, account=ACCOUNT), rig)
    assert refused
    assert signings(network.calls) == [SIGN_IN, SIGN_IN]


async def test_leaving_ends_an_accounts_token_and_no_other() -> None:
    rig = Rig(macs=60)
    wire = rig.wire()
    for credentials, standing in ((ACCOUNT, 0), (None, 1)):
        plane = plane_over(wire, rig.clock, account=credentials)
        await ask(plane, rig)
        await plane.aclose()
        assert rig.store.tokens.standing() == standing
    assert signings(wire.calls) == [SIGN_IN, SIGN_OUT, "POST /api/v1/oauth/token"]


async def test_leaving_without_a_token_or_without_a_server_is_no_trouble() -> None:
    rig = Rig(macs=60)
    wire = rig.wire()
    await plane_over(wire, rig.clock, account=ACCOUNT).aclose()
    assert wire.calls == []

    def away(request: httpx.Request, _: int) -> httpx.Response | None:
        return httpx.Response(503) if request.url.path.endswith("/invalidate-token") else None

    plane = plane_over(Distorting(rig, away), rig.clock, account=ACCOUNT)
    await ask(plane, rig)
    await plane.aclose()


async def test_a_wrong_clock_of_the_server_does_not_shorten_a_token() -> None:
    """Its end is told by a clock ten hours behind ours, and so is the date of the answer."""
    rig = Rig(macs=60)

    def behind(request: httpx.Request, _: int) -> httpx.Response | None:
        if not request.url.path.endswith("/auth/token"):
            return None
        token = rig.store.tokens.issue(of_account=True)
        body = {"token": token, "expires": "2026-03-02T02:30:00.000Z"}
        return httpx.Response(200, json=body, headers={"Date": "Mon, 02 Mar 2026 02:00:00 GMT"})

    network = Distorting(rig, behind)
    plane = plane_over(network, rig.clock, account=ACCOUNT)
    await ask(plane, rig)
    rig.clock.advance(24 * 60)
    await ask(plane, rig)
    assert signings(network.calls) == [SIGN_IN]


@pytest.mark.parametrize(
    ("account", "word"),
    [
        (replace(ACCOUNT, password="wrong"), "INVALID_CREDENTIALS"),
        (replace(ACCOUNT, username="nobody"), "INVALID_CREDENTIALS"),
    ],
)
async def test_a_wrong_name_or_password_is_for_a_person(account: Account, word: str) -> None:
    rig = Rig(macs=60)
    with pytest.raises(PlaneForbidden, match=word) as refused:
        await ask(plane_over(rig.wire(), rig.clock, account=account), rig)
    assert account.password not in str(refused.value)


async def test_a_password_that_has_to_be_changed_is_said() -> None:
    rig = Rig(macs=60)
    rig.store.tokens.account = LabAccount(ACCOUNT.username, ACCOUNT.password, expired=True)
    with pytest.raises(PlaneForbidden, match="USER_EXPIRED_PASSWORD"):
        await ask(plane_over(rig.wire(), rig.clock, account=ACCOUNT), rig)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (httpx.Response(200, json={"token": "s3cr3t-words"}), PlaneRejected),
        (httpx.Response(200, json={"token": "s3cr3t-words", "expires": "soon"}), PlaneRejected),
        (httpx.Response(200, json={"expires": "2026-03-02T13:00:00Z"}), PlaneRejected),
        (httpx.Response(200, text="<html>s3cr3t-words</html>"), PlaneRejected),
        (httpx.Response(302, headers={"Location": "https://elsewhere.test/sso"}), PlaneRejected),
        (httpx.Response(401, json={"errors": [{"code": "s3cr3t-words"}]}), PlaneForbidden),
        (httpx.Response(503), PlaneUnavailable),
    ],
)
async def test_a_token_that_is_not_given_fails_in_its_own_class(answer: Answer, error: type[PlaneError]) -> None:
    rig = Rig(macs=60)
    network = Distorting(rig, lambda request, _: answer if request.url.path.endswith("/auth/token") else None)
    with pytest.raises(error) as failed:
        await ask(plane_over(network, rig.clock, account=ACCOUNT), rig)
    assert "s3cr3t-words" not in str(failed.value)


def test_a_secret_never_shows() -> None:
    assert "s3cr3t-words" not in repr([Account("robot", "s3cr3t-words"), ApiClient("id", "s3cr3t-words")])
