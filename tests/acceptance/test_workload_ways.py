"""A service as it is really put together exchanges tokens of an issuer on this machine, if its settings name it."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx

from databases import Database
from eucora import bootstrap
from eucora.application.service_tokens import COMMAND_LINE, issue_token_as
from eucora.application.world import Caller
from eucora.domain.people import Grant, Person, Role
from eucora.lab.oidc.people import client_secret_for
from eucora.lab.server import serve_lab
from eucora.settings import Settings

SEED = 7
JOB = "eucora-automation"


async def admin_of(service: bootstrap.Runtime) -> dict[str, str]:
    operator, admin = Caller(Person(COMMAND_LINE, "", ()), "ways"), (Grant(Role.PLATFORM_ADMIN),)
    ends = service.world.clock.now() + timedelta(days=1)
    issued = await issue_token_as(service.world, operator, name="ways", grants=admin, expires_at=ends, held=admin)
    return {"Authorization": f"Bearer {issued.secret}"}


async def exchanged(database: Database, folder: Path, issuer: str, token: str, listed: str) -> tuple[int, Any]:
    """What becomes of the token of a job, where the settings list an issuer; its own stands under a trust before."""
    given = {"EUCORA_DATA_DIR": folder, "EUCORA_WORKLOAD_ISSUERS": listed}
    settings = Settings(**given)
    async with bootstrap.runtime(settings, database.url) as service:
        transport = httpx.ASGITransport(bootstrap.api(service))
        async with httpx.AsyncClient(transport=transport, base_url="http://eucora.test/api/v1") as http:
            terms = {
                "name": "lab",
                "issuer": issuer,
                "audience": "eucora",
                "conditions": [{"claim": "sub", "value": JOB}],
                "grants": [{"role": "platform_admin"}],
            }
            headers = await admin_of(service) | {"Idempotency-Key": "trust"}
            made = await http.post("/workload-trusts", json=terms, headers=headers)
            if made.status_code != 201:
                return made.status_code, made.json()["type"]
            asked = {
                "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
                "subject_token": token,
                "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
                "trust_id": made.json()["id"],
            }
            answer = await http.post("/token-exchanges", json=asked)
            assert answer.status_code == 200, answer.text
            bearer = {"Authorization": f"Bearer {answer.json()['access_token']}"}
            me = await http.get("/people/me", headers=bearer)
            return me.status_code, me.json()["id"]


async def test_an_issuer_on_this_machine_is_asked_for_its_keys_if_it_is_listed(
    database: Database, tmp_path: Path
) -> None:
    with serve_lab(seed=SEED, pace=3_600, windows=1, macs=1) as lab:
        form = {"grant_type": "client_credentials", "client_id": JOB, "client_secret": client_secret_for(JOB, SEED)}
        async with httpx.AsyncClient() as http:
            token = (await http.post(f"{lab.oidc_issuer}/token", data=form)).json()["access_token"]
        unlisted = await exchanged(database, tmp_path / "one", lab.oidc_issuer, token, "https://gitlab.com")
        assert unlisted == (422, "urn:eucora:problem:workload-issuer-not-allowed")
        listed = await exchanged(database, tmp_path / "two", lab.oidc_issuer, token, lab.oidc_issuer)
        assert listed == (200, COMMAND_LINE)
