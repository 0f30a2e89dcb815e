"""Every credential end to end: the simulated Entra gives a token over real sockets, and Graph takes it."""

import json
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from entra_rig import SignIn, certificate_of, client_certificate, pem, rsa_key
from http_fakes import NOON

from eucora.application.planes import PlaneForbidden, PlaneRejected
from eucora.connectors.entra.credentials import ClientSecret, FederatedFile
from eucora.lab.app import WORKLOAD
from eucora.lab.client_assertions import EXCHANGE_AUDIENCE
from eucora.lab.clock import ManualClock
from eucora.lab.oidc.people import client_secret_for
from eucora.lab.server import LabAddresses, serve_lab

SEED = 7


@pytest.fixture(scope="module")
def lab() -> Iterator[LabAddresses]:
    with serve_lab(seed=SEED, pace=60, clock=ManualClock(NOON), windows=8, macs=0) as addresses:
        yield addresses


@pytest.fixture
async def admin(lab: LabAddresses) -> AsyncIterator[httpx.AsyncClient]:
    """The lab's switches for Entra, set back to where they were."""
    async with httpx.AsyncClient(base_url=f"{lab.admin_url}/entra") as client:
        yield client
        await client.delete("/certificates")
        await client.delete("/expired-secret")


async def assertion(lab: LabAddresses, resource: str = EXCHANGE_AUDIENCE) -> str:
    """A token of the lab's own issuer for its workload, as a platform would project it."""
    async with httpx.AsyncClient() as client:
        form = {"grant_type": "client_credentials", "resource": resource}
        auth = (WORKLOAD, client_secret_for(WORKLOAD, SEED))
        answer = await client.post(f"{lab.oidc_issuer}/token", data=form, auth=auth)
    return str(answer.json()["access_token"])


async def test_a_secret_opens_graph(lab: LabAddresses) -> None:
    async with SignIn(lab, ClientSecret(lab.client_secret)) as replica:
        assert (await replica.apps()).status_code == 200


async def test_a_registered_certificate_opens_graph(lab: LabAddresses, admin: httpx.AsyncClient) -> None:
    credential = client_certificate()
    registered = await admin.post("/certificates", content=pem(credential.certificate))
    assert registered.json() == {"thumbprint": credential.thumbprint}
    async with SignIn(lab, credential) as replica:
        assert (await replica.apps()).status_code == 200


async def test_a_federated_assertion_opens_graph(lab: LabAddresses, tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(f"{await assertion(lab)}\n")
    async with SignIn(lab, FederatedFile(path)) as replica:
        assert (await replica.apps()).status_code == 200


async def test_a_rotated_file_is_read_afresh(lab: LabAddresses, admin: httpx.AsyncClient, tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(await assertion(lab))
    async with SignIn(lab, FederatedFile(path)) as replica:
        assert (await replica.apps()).status_code == 200
        path.write_text(await assertion(lab, "api://somebody-else"))
        await admin.post("/token-revocations")
        with pytest.raises(PlaneForbidden, match="700212"):
            await replica.apps()
        path.write_text(await assertion(lab))
        assert (await replica.apps()).status_code == 200


async def test_tokens_that_were_revoked_early_are_replaced_within_the_call(
    lab: LabAddresses, admin: httpx.AsyncClient
) -> None:
    async with SignIn(lab, ClientSecret(lab.client_secret)) as replica:
        assert (await replica.apps()).status_code == 200
        before = await replica.tokens.token()
        assert (await admin.post("/token-revocations")).status_code == 204
        assert (await replica.apps()).status_code == 200
        assert await replica.tokens.token() != before


async def test_a_wrong_secret_names_the_setting_and_not_itself(lab: LabAddresses) -> None:
    async with SignIn(lab, ClientSecret("canary-7")) as replica:
        with pytest.raises(PlaneForbidden, match=r"INTUNE_CLIENT_SECRET: AADSTS7000215") as told:
            await replica.apps()
    assert "canary-7" not in str(told.value)


async def test_an_expired_secret_says_so(lab: LabAddresses, admin: httpx.AsyncClient) -> None:
    await admin.put("/expired-secret")
    async with SignIn(lab, ClientSecret(lab.client_secret)) as replica:
        with pytest.raises(PlaneForbidden, match="secret has expired; create a new one"):
            await replica.apps()


async def test_an_application_that_the_tenant_does_not_know_is_a_persons_task(lab: LabAddresses) -> None:
    async with SignIn(lab, ClientSecret(lab.client_secret), client_id="nobody") as replica:
        with pytest.raises(PlaneForbidden, match="INTUNE_CLIENT_ID"):
            await replica.apps()


async def test_a_tenant_that_there_is_not_is_named(lab: LabAddresses) -> None:
    async with SignIn(lab, ClientSecret(lab.client_secret), tenant="elsewhere") as replica:
        with pytest.raises(PlaneRejected, match="INTUNE_TENANT_ID"):
            await replica.apps()


async def test_a_certificate_that_is_not_registered_is_a_persons_task(lab: LabAddresses) -> None:
    async with SignIn(lab, client_certificate(1)) as replica:
        with pytest.raises(PlaneForbidden, match="INTUNE_CLIENT_CERTIFICATE_FILE to the app registration"):
            await replica.apps()


async def test_an_expired_certificate_is_told_before_anything_is_sent(
    lab: LabAddresses, admin: httpx.AsyncClient
) -> None:
    begins = NOON - timedelta(days=10)
    await admin.post("/certificates", content=pem(certificate_of(rsa_key(0), begins=begins, days=9)))
    async with SignIn(lab, client_certificate(begins=begins, days=9)) as replica:
        asked = (await _requests(lab))["asked"]
        with pytest.raises(PlaneForbidden, match="expired on 2026-03-01: add a new one"):
            await replica.apps()
        assert (await _requests(lab))["asked"] == asked


async def test_a_federated_token_of_a_strange_audience_names_the_file(lab: LabAddresses, tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(await assertion(lab, "api://somebody-else"))
    async with SignIn(lab, FederatedFile(path)) as replica:
        with pytest.raises(PlaneForbidden, match="INTUNE_FEDERATED_TOKEN_FILE"):
            await replica.apps()


async def test_a_cut_connection_is_survived_with_a_certificate_too(lab: LabAddresses, admin: httpx.AsyncClient) -> None:
    credential = client_certificate()
    await admin.post("/certificates", content=pem(credential.certificate))
    fault = {"upstream": "entra", "status": 0, "count": 1}
    async with SignIn(lab, credential) as replica, httpx.AsyncClient() as faults:
        await faults.post(f"{lab.admin_url}/faults", content=json.dumps(fault))
        assert (await replica.apps()).status_code == 200


async def _requests(lab: LabAddresses) -> dict[str, int]:
    async with httpx.AsyncClient() as client:
        counted: dict[str, int] = (await client.get(f"{lab.admin_url}/requests")).json()["upstreams"]["entra"]
    return counted
