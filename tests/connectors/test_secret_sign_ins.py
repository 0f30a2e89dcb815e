"""At the keepers of secrets we are whoever the platform says that we are: nothing that lasts has to be kept for it."""

import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from aws_machine import POD_TOKEN, ROLE, WEB_TOKEN, AwsMachine, aws_machine
from secret_rig import BASE, Keys, answering, reference

from eucora.connectors.redaction import without_secrets
from eucora.connectors.secrets.azure_identity import METADATA_PATH, Machine
from eucora.connectors.secrets.key_vault import KeyVault, KeyVaultAccess
from eucora.connectors.secrets.references import SecretUnavailable
from eucora.connectors.secrets.secrets_manager import secrets_manager
from eucora.connectors.secrets.vault import Vault, VaultAccess, kubernetes
from eucora.lab.app import WORKLOAD
from eucora.lab.client_assertions import EXCHANGE_AUDIENCE
from eucora.lab.clock import SystemClock
from eucora.lab.machine_identity import MachineIdentities
from eucora.lab.oidc import client_secret_for
from eucora.lab.server import LabAddresses, serve_lab
from eucora.lab.vault import KUBERNETES_ROLE, LEASE, Keepers
from eucora.settings import SettingsInvalid, read_settings

SEED = 7
SECRET = "canary-kept-81d3aa"
PLACE = "vault://secret/eucora/jamf#password"
IN_AZURE = "azure-kv://contoso/kandji"
ASSIGNED = "0d9c7d4e-5c1c-4c55-8a34-2f1f6f0c1b11"


# HashiCorp Vault: a Kubernetes service account


async def test_vault_takes_the_service_account_of_our_pod_and_its_token_as_it_is_then(tmp_path: Path) -> None:
    keys, file = Keys(), tmp_path / "token"
    keys.keepers.put("secret/eucora/jamf", password=SECRET)
    file.write_text(keys.keepers.service_account_token())
    vault = keys.vault_by(kubernetes(KUBERNETES_ROLE, file))
    assert [await vault.read(reference(PLACE)) for _ in range(2)] == [SECRET] * 2
    assert keys.keepers.logins == 1
    keys.clock.advance(LEASE.total_seconds())
    with pytest.raises(SecretUnavailable, match=r"refuses our sign-in at auth/kubernetes: .*KUBERNETES_ROLE is bound"):
        await vault.read(reference(PLACE))
    file.write_text(keys.keepers.service_account_token())  # as the kubelet does
    assert await vault.read(reference(PLACE)) == SECRET


@pytest.mark.parametrize(("role", "account"), [("another", "eucora"), (KUBERNETES_ROLE, "default")])
async def test_another_role_or_service_account_is_refused(tmp_path: Path, role: str, account: str) -> None:
    keys, file = Keys(), tmp_path / "token"
    file.write_text(keys.keepers.service_account_token(account))
    with pytest.raises(SecretUnavailable, match="EUCORA_VAULT_KUBERNETES_ROLE") as refusal:
        await keys.vault_by(kubernetes(role, file)).read(reference(PLACE))
    assert file.read_text() not in str(refusal.value)


async def test_a_pod_without_a_token_is_told_which_setting_names_its_file(tmp_path: Path) -> None:
    with pytest.raises(SecretUnavailable, match=r"^EUCORA_VAULT_KUBERNETES_TOKEN_FILE: .*cannot be read"):
        await Keys().vault_by(kubernetes(KUBERNETES_ROLE, tmp_path / "gone")).read(reference(PLACE))


async def test_an_auth_method_is_asked_where_it_is_mounted(tmp_path: Path) -> None:
    asked = list[str]()

    def refuses(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return httpx.Response(403, json={"errors": ["permission denied"]})

    (tmp_path / "token").write_text("aa.bb.cc")
    login = kubernetes("eucora", tmp_path / "token", "clusters/blue")
    with pytest.raises(SecretUnavailable, match="auth/clusters/blue"):
        await Vault(VaultAccess(f"{BASE}/vault", login=login), inner=httpx.MockTransport(refuses)).read(
            reference(PLACE)
        )
    assert asked == ["/vault/v1/auth/clusters/blue/login"]


# Azure Key Vault: the identity of the machine


class OnAzure(Keys):
    """A machine whose pauses are counted, and not waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.keepers.named["kandji"] = SECRET
        self.waited: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.waited.append(seconds)

    def key_vault(self, machine: Machine) -> KeyVault:
        access = KeyVaultAccess(machine, f"{BASE}/keyvault")
        return KeyVault(access, now=self.clock.now, inner=self.wire, sleep=self.sleep)

    def virtual_machine(self, client_id: str | None = None) -> Machine:
        return Machine(f"{BASE}/machine{METADATA_PATH}", client_id=client_id)

    def app(self, header: str | None = None) -> Machine:
        return Machine(f"{BASE}/machine/msi/token", header or self.lab.machine.header)


async def test_a_virtual_machine_and_an_app_are_who_the_platform_says_and_again_when_the_token_ends() -> None:
    for named in ("virtual_machine", "app"):
        azure = OnAzure()
        vault = azure.key_vault(getattr(azure, named)())
        for hours in (0, 2, 0):
            azure.clock.advance(hours * 3600)
            assert await vault.read(reference(IN_AZURE)) == SECRET
        azure.lab.directory.revoke_tokens()
        assert await vault.read(reference(IN_AZURE)) == SECRET
        assert azure.waited == []


async def test_one_of_several_identities_is_named_and_one_that_is_not_ours_is_refused() -> None:
    azure = OnAzure()
    azure.lab.machine.own = False
    with pytest.raises(SecretUnavailable, match=r"has no identity of its own .*400.*EUCORA_KEY_VAULT_CLIENT_ID"):
        await azure.key_vault(azure.virtual_machine()).read(reference(IN_AZURE))
    with pytest.raises(SecretUnavailable, match=f"has no identity {ASSIGNED}"):
        await azure.key_vault(azure.virtual_machine(ASSIGNED)).read(reference(IN_AZURE))
    azure.lab.machine.assigned.add(ASSIGNED)
    assert await azure.key_vault(azure.virtual_machine(ASSIGNED)).read(reference(IN_AZURE)) == SECRET


async def test_a_metadata_service_that_is_updated_is_asked_again_after_growing_pauses() -> None:
    azure = OnAzure()
    azure.lab.machine.updating = 2
    assert await azure.key_vault(azure.virtual_machine()).read(reference(IN_AZURE)) == SECRET
    assert azure.waited == [1.0, 2.0]
    azure.lab.machine.updating = 9
    with pytest.raises(SecretUnavailable, match=r"answers 410 and no token: start again later"):
        await azure.key_vault(azure.virtual_machine()).read(reference(IN_AZURE))
    assert azure.lab.machine.updating == 5  # four questions, and no fifth


async def test_what_an_app_must_show_is_not_said_when_it_is_wrong() -> None:
    azure = OnAzure()
    with pytest.raises(SecretUnavailable, match="401") as refusal:
        await azure.key_vault(azure.app(SECRET)).read(reference(IN_AZURE))
    assert SECRET not in str(refusal.value)
    assert SECRET not in repr(azure.app(SECRET))


@pytest.mark.parametrize(
    "body",
    [
        {"access_token": ""},
        {"access_token": "a\r\nX-Other: 1", "expires_in": 60},
        {"access_token": ["a"]},
        {"error": SECRET, "error_description": SECRET},
        [],
    ],
)
async def test_an_answer_without_a_token_is_none(body: object) -> None:
    azure = OnAzure()
    azure.wire = answering(httpx.Response(200, json=body))  # type: ignore[assignment]  # a wire is any transport here
    with pytest.raises(SecretUnavailable, match="200 and no token") as refusal:
        await azure.key_vault(azure.virtual_machine()).read(reference(IN_AZURE))
    assert SECRET not in str(refusal.value)


@pytest.mark.parametrize(
    ("url", "resource"),
    [
        (None, "https://vault.azure.net"),
        ("https://contoso.vault.azure.cn", "https://vault.azure.cn"),
        ("https://contoso.vault.usgovcloudapi.net", "https://vault.usgovcloudapi.net"),
        ("https://evil-vault.azure.cn.example.org", "https://vault.azure.net"),
    ],
)
async def test_a_national_cloud_has_tokens_of_its_own(url: str | None, resource: str) -> None:
    asked = list[str]()

    def answers(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.params["resource"])
        return httpx.Response(400)

    keys = Keys()
    vault = KeyVault(KeyVaultAccess(Machine(), url), now=keys.clock.now, inner=httpx.MockTransport(answers))
    with pytest.raises(SecretUnavailable):
        await vault.read(reference(IN_AZURE))
    assert asked == [resource]


# The whole way in, as a process takes it: over sockets, from the environment


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    ours = ("EUCORA_", "INTUNE_", "JAMF_", "KANDJI_", "AZURE_", "IDENTITY_", "AWS_")
    for name in [name for name in os.environ if name.startswith(ours)]:
        monkeypatch.delenv(name)
    return monkeypatch


@pytest.fixture(scope="module")
def lab() -> Iterator[LabAddresses]:
    with serve_lab(seed=SEED, pace=60, windows=0, macs=8) as addresses:
        kept = httpx.put(f"{addresses.admin_url}/vault/secrets/kandji", json={"value": SECRET})
        assert kept.status_code == 204
        yield addresses


def told_by(bare: pytest.MonkeyPatch, lab: LabAddresses, **given: object) -> str:
    """What a start gets for ``IN_AZURE``."""
    bare.setenv("KANDJI_API_URL", "https://example.api.kandji.io")
    bare.setenv("KANDJI_API_TOKEN", IN_AZURE)
    bare.setenv("EUCORA_KEY_VAULT_URL", f"{lab.base_url}/keyvault")
    for name, value in given.items():
        bare.setenv(name, str(value))
    found = read_settings().kandji_api_token
    assert found is not None
    return found.get_secret_value()


def workload_token(lab: LabAddresses) -> str:
    form = {"grant_type": "client_credentials", "resource": EXCHANGE_AUDIENCE}
    answer = httpx.post(f"{lab.oidc_issuer}/token", data=form, auth=(WORKLOAD, client_secret_for(WORKLOAD, SEED)))
    return str(answer.json()["access_token"])


def test_a_start_on_a_virtual_machine(bare: pytest.MonkeyPatch, lab: LabAddresses) -> None:
    assert told_by(bare, lab, AZURE_POD_IDENTITY_AUTHORITY_HOST=f"{lab.base_url}/machine") == SECRET
    assert SECRET not in without_secrets(f"signed in with {SECRET}")


def test_a_start_in_an_app(bare: pytest.MonkeyPatch, lab: LabAddresses) -> None:
    endpoint, header = f"{lab.base_url}/machine/msi/token", MachineIdentities(SEED).header
    assert told_by(bare, lab, IDENTITY_ENDPOINT=endpoint, IDENTITY_HEADER=header) == SECRET


def test_a_start_with_a_workload_identity(bare: pytest.MonkeyPatch, lab: LabAddresses, tmp_path: Path) -> None:
    """As Azure's webhook sets up a pod: four variables and a file, and nothing of ours."""
    (tmp_path / "token").write_text(workload_token(lab))
    given = {
        "AZURE_TENANT_ID": lab.tenant,
        "AZURE_CLIENT_ID": lab.client_id,
        "AZURE_FEDERATED_TOKEN_FILE": tmp_path / "token",
        "AZURE_AUTHORITY_HOST": f"{lab.entra_authority}/",
        "AZURE_POD_IDENTITY_AUTHORITY_HOST": "http://127.0.0.1:9",  # which nobody asks then
    }
    assert told_by(bare, lab, **given) == SECRET


def test_a_start_nowhere_says_what_to_set(bare: pytest.MonkeyPatch, lab: LabAddresses) -> None:
    with pytest.raises(SettingsInvalid, match=r"^KANDJI_API_TOKEN: no identity service answers .*set EUCORA_KEY_VAULT"):
        told_by(bare, lab, AZURE_POD_IDENTITY_AUTHORITY_HOST="http://127.0.0.1:9")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"EUCORA_KEY_VAULT_TENANT_ID": "t"}, "or none of them, for this machine's own identity"),
        ({"EUCORA_KEY_VAULT_CLIENT_SECRET": "s"}, "EUCORA_KEY_VAULT_TENANT_ID, EUCORA_KEY_VAULT_CLIENT_ID and one"),
        ({"AZURE_FEDERATED_TOKEN_FILE": "token"}, "EUCORA_KEY_VAULT_TENANT_ID, EUCORA_KEY_VAULT_CLIENT_ID and one"),
        (
            {"IDENTITY_ENDPOINT": "http://evil.example.org/msi", "IDENTITY_HEADER": "h"},
            "IDENTITY_ENDPOINT is neither an https:// address nor one of this machine's own network",
        ),
        ({"IDENTITY_ENDPOINT": "https://[::1", "IDENTITY_HEADER": "h"}, "IDENTITY_ENDPOINT is not a web address"),
        ({"AZURE_POD_IDENTITY_AUTHORITY_HOST": "https://machine:port"}, "AZURE_POD_IDENTITY_AUTHORITY_HOST is not a"),
        (
            {"AZURE_POD_IDENTITY_AUTHORITY_HOST": "http://93.184.216.34"},
            "AZURE_POD_IDENTITY_AUTHORITY_HOST is neither",
        ),
        (
            {
                "AZURE_TENANT_ID": "t",
                "AZURE_CLIENT_ID": "c",
                "AZURE_FEDERATED_TOKEN_FILE": "token",
                "AZURE_AUTHORITY_HOST": "http://evil.example.org",
            },
            "AZURE_AUTHORITY_HOST must be an https:// address",
        ),
    ],
)
def test_half_a_sign_in_is_none(bare: pytest.MonkeyPatch, lab: LabAddresses, given: dict[str, str], told: str) -> None:
    with pytest.raises(SettingsInvalid, match=rf"^KANDJI_API_TOKEN: .*{told}"):
        told_by(bare, lab, **given)


def test_a_start_in_a_pod_with_vault(bare: pytest.MonkeyPatch, lab: LabAddresses, tmp_path: Path) -> None:
    admin = f"{lab.admin_url}/vault"
    httpx.put(f"{admin}/secrets/secret/kandji", json={"token": SECRET}).raise_for_status()
    (tmp_path / "token").write_text(httpx.post(f"{admin}/service-account-tokens").json()["token"])
    given = {
        "KANDJI_API_TOKEN": "vault://secret/kandji#token",
        "KANDJI_API_URL": "https://example.api.kandji.io",
        "EUCORA_VAULT_URL": f"{lab.base_url}/vault",
        "EUCORA_VAULT_KUBERNETES_ROLE": KUBERNETES_ROLE,
        "EUCORA_VAULT_KUBERNETES_TOKEN_FILE": str(tmp_path / "token"),
    }
    for name, value in given.items():
        bare.setenv(name, value)
    found = read_settings().kandji_api_token
    assert found is not None
    assert found.get_secret_value() == SECRET
    bare.setenv("EUCORA_VAULT_ROLE_ID", Keepers(SEED, SystemClock()).role_id)
    bare.setenv("EUCORA_VAULT_SECRET_ID", "s")
    with pytest.raises(
        SettingsInvalid, match="EUCORA_VAULT_ROLE_ID and EUCORA_VAULT_KUBERNETES_ROLE are set: keep one"
    ):
        read_settings()
    bare.setenv("EUCORA_VAULT_AUTH_MOUNT", "../sys")
    with pytest.raises(SettingsInvalid, match=r"^EUCORA_VAULT_AUTH_MOUNT: is where an auth method is mounted"):
        read_settings()


# AWS: the chain of its own library


@pytest.fixture
def aws(bare: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[AwsMachine]:
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "BOTO_CONFIG"):
        bare.setenv(name, str(tmp_path / "none"))
    with aws_machine(SECRET) as machine:
        bare.setenv("AWS_REGION", "eu-west-1")
        bare.setenv("AWS_ENDPOINT_URL", machine.url)
        bare.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", machine.url)
        yield machine


async def read_from_aws() -> str:
    keeper = secrets_manager()
    try:
        return await keeper.read(reference("aws-sm://prod/kandji"))
    finally:
        await keeper.aclose()


async def test_an_instance_asks_by_a_session_of_its_metadata_service(aws: AwsMachine) -> None:
    assert await read_from_aws() == SECRET
    assert aws.asked[0] == "PUT /latest/api/token"
    assert aws.known_as == ("INSTANCEKEY", "instance-session")


async def test_a_container_asks_with_the_token_of_its_file(
    aws: AwsMachine, bare: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text(POD_TOKEN)
    bare.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{aws.url}/v1/credentials")
    bare.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(tmp_path / "token"))
    assert await read_from_aws() == SECRET
    assert aws.known_as == ("PODKEY", "pod-session")


async def test_a_service_account_takes_its_role_by_web_identity(
    aws: AwsMachine, bare: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text(WEB_TOKEN)
    bare.setenv("AWS_ROLE_ARN", ROLE)
    bare.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    assert await read_from_aws() == SECRET
    assert aws.asked == ["POST AssumeRoleWithWebIdentity", "POST secretsmanager.GetSecretValue"]
    assert aws.known_as == ("WEBKEY", "web-session")


async def test_a_machine_that_was_nobody_is_somebody_as_soon_as_it_has_a_role(aws: AwsMachine) -> None:
    keeper = secrets_manager()
    aws.ill = 1
    with pytest.raises(SecretUnavailable, match=r"nobody to AWS: give it a role.*\(NoCredentialsError\)"):
        await keeper.read(reference("aws-sm://prod/kandji"))
    assert await keeper.read(reference("aws-sm://prod/kandji")) == SECRET
    await keeper.aclose()
