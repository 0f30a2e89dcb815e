"""A setting may say where its secret is kept; a keeper that refuses is told in one line, without a secret."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from botocore.session import get_session  # type: ignore[import-untyped]  # the package carries no types
from moto import mock_aws
from secret_rig import BASE, START, Keys, answering, reference

from eucora.connectors.entra.credentials import ClientSecret
from eucora.connectors.redaction import without_secrets
from eucora.connectors.secrets.azure_identity import Application
from eucora.connectors.secrets.key_vault import KeyVault, KeyVaultAccess
from eucora.connectors.secrets.references import SecretUnavailable, reference_in
from eucora.connectors.secrets.secrets_manager import SecretsManager, secrets_manager
from eucora.connectors.secrets.vault import Vault, VaultAccess, app_role
from eucora.lab.clock import ManualClock
from eucora.lab.server import LabAddresses, serve_lab
from eucora.lab.vault import LEASE, Keepers
from eucora.settings import SettingsInvalid, read_settings

SECRET = "canary-kept-1f6b0c"
PLACE = "vault://secret/eucora/jamf#password"


@pytest.mark.parametrize(
    ("text", "place", "field"),
    [
        (PLACE, "secret/eucora/jamf", "password"),
        ("vault://kv/a#b", "kv/a", "b"),
        ("aws-sm://prod/eucora/jamf", "prod/eucora/jamf", ""),
        ("aws-sm://arn:aws:secretsmanager:eu-west-1:123456789012:secret:jamf-AbCdEf#password", None, "password"),
        ("azure-kv://contoso-prod/jamf-password", "contoso-prod/jamf-password", ""),
    ],
)
def test_a_reference_says_who_keeps_what(text: str, place: str | None, field: str) -> None:
    found = reference(text)
    assert str(found) == text
    assert found.field == field
    assert place is None or found.place == place


@pytest.mark.parametrize("text", ["s3cret", "postgresql://app:pw@db/eucora", "vault:/secret", "https://vault/x#y", ""])
def test_everything_else_is_the_secret_itself(text: str) -> None:
    assert reference_in(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "vault://secret/eucora/jamf",  # no field
        "vault://secret#password",  # no path
        "vault://secret/../sys/seal#x",
        "vault://secret/a b#x",
        "vault://",
        "aws-sm://",
        "azure-kv://contoso",
        "azure-kv://evil.example.org/name",
        "azure-kv://contoso/name#field",
    ],
)
def test_a_reference_that_leads_nowhere_says_how_to_write_one(text: str) -> None:
    with pytest.raises(SecretUnavailable, match=r"^is no reference to a secret: write (vault|aws-sm|azure-kv)://"):
        reference_in(text)


async def test_vault_gives_the_newest_version_to_our_role_for_one_sign_in() -> None:
    keys = Keys()
    keys.keepers.put("secret/eucora/jamf", password="older", other="x")
    keys.keepers.put("secret/eucora/jamf", password=f" {SECRET}\n")
    vault = keys.vault()
    assert [await vault.read(reference(PLACE)) for _ in range(3)] == [SECRET] * 3
    assert keys.keepers.logins == 1
    keys.clock.advance(LEASE.total_seconds())
    assert await vault.read(reference(PLACE)) == SECRET
    assert keys.keepers.logins == 2


async def test_a_token_that_vault_forgot_is_asked_for_once_more() -> None:
    keys = Keys()
    keys.keepers.put("secret/eucora/jamf", password=SECRET)
    vault = keys.vault()
    await vault.read(reference(PLACE))
    keys.keepers.revoke()
    assert await vault.read(reference(PLACE)) == SECRET
    assert keys.keepers.logins == 2


async def test_a_token_in_place_of_a_role_is_read_for_every_request() -> None:
    keys = Keys()
    keys.keepers.put("secret/eucora/jamf", password=SECRET)
    tokens = iter([keys.keepers.issue(), "hvs.unknown"])
    vault = Vault(VaultAccess(f"{BASE}/vault", token=lambda: next(tokens)), inner=keys.wire)
    assert await vault.read(reference(PLACE)) == SECRET
    with pytest.raises(SecretUnavailable, match=r"does not let us read .* policy with read on secret/data/eucora/jamf"):
        await vault.read(reference(PLACE))


def sealed(keepers: Keepers) -> None:
    keepers.sealed = True


def denied(keepers: Keepers) -> None:
    keepers.denied.add("secret/eucora/jamf")


def without_field(keepers: Keepers) -> None:
    keepers.put("secret/eucora/jamf", username="robot")


def empty(keepers: Keepers) -> None:
    keepers.put("secret/eucora/jamf", password=" ")


def two_lines(keepers: Keepers) -> None:
    keepers.put("secret/eucora/jamf", password=f"{SECRET}\r\nX-Other: 1")


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (sealed, "sealed or down: unseal it"),
        (denied, "give our token or role a policy with read on secret/data/eucora/jamf"),
        (without_field, "has no such field: name one that is there"),
        (empty, "holds no text"),
        (two_lines, "holds control characters"),
        (lambda keepers: keepers.fields.clear(), "has nothing at vault://secret/eucora/jamf#password"),
    ],
)
async def test_a_vault_that_refuses_is_told_with_the_way_out(spoil: object, told: str) -> None:
    keys = Keys()
    keys.keepers.put("secret/eucora/jamf", password=SECRET)
    assert callable(spoil)
    spoil(keys.keepers)
    with pytest.raises(SecretUnavailable) as refusal:
        await keys.vault().read(reference(PLACE))
    assert told in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert SECRET not in str(refusal.value)


async def test_a_role_that_vault_does_not_know_names_both_settings() -> None:
    with pytest.raises(SecretUnavailable, match=r"EUCORA_VAULT_ROLE_ID.*EUCORA_VAULT_SECRET_ID"):
        await Keys().vault(secret_id="another-secret-id").read(reference(PLACE))


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json={"auth": {"client_token": "", "lease_duration": 5}}),
        httpx.Response(200, json=[]),
        httpx.Response(307, headers={"location": "https://elsewhere.example"}),
        httpx.Response(500, json={"errors": [SECRET]}),
        httpx.Response(200, content=b"{" * (2 << 20)),
    ],
)
async def test_an_answer_that_is_none_of_vaults_is_never_believed(answer: httpx.Response) -> None:
    access = VaultAccess(f"{BASE}/vault", login=app_role("role", lambda: SECRET))
    with pytest.raises(SecretUnavailable) as refusal:
        await Vault(access, inner=answering(answer)).read(reference(PLACE))
    assert "EUCORA_VAULT_URL" in str(refusal.value)
    assert SECRET not in str(refusal.value)


def key_vault(keys: Keys, secret: str | None = None) -> KeyVault:
    own = keys.lab.directory.credentials
    application = Application(
        own.tenant, own.client_id, lambda: ClientSecret(secret or own.client_secret), f"{BASE}/entra"
    )
    return KeyVault(KeyVaultAccess(application, f"{BASE}/keyvault"), now=keys.clock.now, inner=keys.wire)


async def test_key_vault_gives_a_secret_for_a_token_of_entra_which_is_renewed() -> None:
    keys = Keys()
    keys.keepers.named["jamf-password"] = SECRET
    vault = key_vault(keys)
    where = reference("azure-kv://contoso/jamf-password")
    assert await vault.read(where) == SECRET
    keys.clock.advance(2 * 3600)
    assert await vault.read(where) == SECRET
    keys.lab.directory.revoke_tokens()
    assert await vault.read(where) == SECRET


async def test_key_vault_that_refuses_is_told_with_the_way_out() -> None:
    keys = Keys()
    keys.keepers.named["denied"] = SECRET
    keys.keepers.denied.add("denied")
    for name, told in (("missing", "there is no such secret"), ("denied", "the role Key Vault Secrets User")):
        with pytest.raises(SecretUnavailable, match=told):
            await key_vault(keys).read(reference(f"azure-kv://contoso/{name}"))
    with pytest.raises(SecretUnavailable, match=r"AADSTS7000215.*EUCORA_KEY_VAULT_CLIENT_ID") as refusal:
        await key_vault(keys, SECRET).read(reference("azure-kv://contoso/missing"))
    assert SECRET not in str(refusal.value)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[SecretsManager]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    with mock_aws():
        client = get_session().create_client("secretsmanager")
        client.create_secret(Name="prod/jamf", SecretString=f'{{"password": "{SECRET}", "port": 5}}')
        client.create_secret(Name="prod/plain", SecretString=SECRET)
        client.create_secret(Name="prod/bytes", SecretBinary=b"\x00")
        yield secrets_manager()


async def test_secrets_manager_gives_a_secret_whole_or_by_field(aws: SecretsManager) -> None:
    assert await aws.read(reference("aws-sm://prod/plain")) == SECRET
    assert await aws.read(reference("aws-sm://prod/jamf#password")) == SECRET


@pytest.mark.parametrize(
    ("where", "told"),
    [
        ("aws-sm://prod/none", "there is no such secret in this account and region"),
        ("aws-sm://prod/bytes", "store the secret as text"),
        ("aws-sm://prod/plain#password", "leave out #password"),
        ("aws-sm://prod/jamf#username", "name one that is there"),
        ("aws-sm://prod/jamf#port", "holds no text"),
    ],
)
async def test_secrets_manager_that_has_no_such_thing_says_so(aws: SecretsManager, where: str, told: str) -> None:
    with pytest.raises(SecretUnavailable, match=told) as refusal:
        await aws.read(reference(where))
    assert SECRET not in str(refusal.value)


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch) -> Iterator[LabAddresses]:
    import os

    for name in list(os.environ):
        if name.startswith(("EUCORA_", "INTUNE_", "JAMF_", "KANDJI_")):
            monkeypatch.delenv(name)
    with serve_lab(seed=7, pace=60, windows=0, macs=8) as addresses:
        yield addresses


def test_a_start_follows_references_and_stops_where_one_leads_nowhere(
    lab: LabAddresses, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The whole way in, as a process takes it: over sockets, from the environment."""
    keepers = Keepers(7, ManualClock(START))
    admin = httpx.Client(base_url=f"{lab.admin_url}/vault")
    put = admin.put("/secrets/secret/eucora/database", json={"url": f"postgresql://app:{SECRET}@127.0.0.1/eucora"})
    assert put.status_code == 204
    (tmp_path / "secret-id").write_text(keepers.secret_id)
    monkeypatch.setenv("EUCORA_DATABASE_URL", "vault://secret/eucora/database#url")
    with pytest.raises(SettingsInvalid, match=r"^EUCORA_DATABASE_URL: leads to Vault: set EUCORA_VAULT_URL$"):
        read_settings()
    monkeypatch.setenv("EUCORA_VAULT_URL", f"{lab.base_url}/vault")
    with pytest.raises(SettingsInvalid, match=r"^EUCORA_DATABASE_URL: .*EUCORA_VAULT_TOKEN, or EUCORA_VAULT_ROLE_ID"):
        read_settings()
    monkeypatch.setenv("EUCORA_VAULT_ROLE_ID", keepers.role_id)
    monkeypatch.setenv("EUCORA_VAULT_SECRET_ID_FILE", str(tmp_path / "secret-id"))

    settings = read_settings()
    assert settings.database == f"postgresql://app:{SECRET}@127.0.0.1/eucora"
    assert SECRET not in repr(settings)
    assert SECRET not in without_secrets(f"no connection with {SECRET}")
    assert list(settings.origins_of_secrets) == ["EUCORA_DATABASE_URL"]

    admin.put("/seal")
    with pytest.raises(SettingsInvalid, match=r"^EUCORA_DATABASE_URL: Vault at .* is sealed or down: unseal it"):
        read_settings()
    monkeypatch.setenv("EUCORA_VAULT_URL", "http://127.0.0.1:9")
    with pytest.raises(SettingsInvalid, match=r"^EUCORA_DATABASE_URL: Vault at .* does not answer") as refusal:
        read_settings()
    assert "\n" not in str(refusal.value)
    admin.close()


def test_what_opens_a_keeper_is_kept_by_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KANDJI_API_TOKEN", "vault://secret/kandji#token")
    monkeypatch.setenv("EUCORA_VAULT_TOKEN", "vault://secret/vault#token")
    with pytest.raises(SettingsInvalid, match=r"^EUCORA_VAULT_TOKEN: opens a keeper of secrets"):
        read_settings()
