"""How we sign in to Entra is one setting of three; anything else stops the start with a line that names it."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from structlog.testing import capture_logs

from eucora.connectors.entra.certificate import CertificateFile
from eucora.connectors.entra.credentials import ClientSecret, FederatedFile
from eucora.settings import Settings, SettingsInvalid, read_settings
from eucora.sign_ins import intune_credential

APP = {"INTUNE_TENANT_ID": "t", "INTUNE_CLIENT_ID": "c"}
PASSPHRASE = "canary-passphrase"


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("EUCORA_", "INTUNE_", "JAMF_")):
            monkeypatch.delenv(name)


def settings(monkeypatch: pytest.MonkeyPatch, **given: object) -> Settings:
    for name, value in (APP | given).items():
        monkeypatch.setenv(name, str(value))
    return read_settings()


@pytest.fixture
def certificate_file(tmp_path: Path) -> Path:
    """A certificate that ended yesterday, with its key behind the passphrase."""
    key, now = rsa.generate_private_key(public_exponent=65537, key_size=2048), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "eucora")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1)
    builder = builder.not_valid_before(now - timedelta(days=9)).not_valid_after(now - timedelta(days=1))
    locked = BestAvailableEncryption(PASSPHRASE.encode())
    path = tmp_path / "client.pem"
    path.write_bytes(
        builder.sign(key, SHA256()).public_bytes(Encoding.PEM)
        + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked)
    )
    return path


def test_without_any_of_them_there_is_no_plane() -> None:
    assert intune_credential(read_settings()) is None


def test_a_secret_is_one_way(monkeypatch: pytest.MonkeyPatch) -> None:
    assert intune_credential(settings(monkeypatch, INTUNE_CLIENT_SECRET="s")) == ClientSecret("s")


def test_a_projected_token_is_another(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("aa.bb.cc")
    assert intune_credential(settings(monkeypatch, INTUNE_FEDERATED_TOKEN_FILE=path)) == FederatedFile(path)


def test_the_token_of_azures_workload_identity_counts_where_nothing_else_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "token"
    path.write_text("aa.bb.cc")
    monkeypatch.setenv("AZURE_FEDERATED_TOKEN_FILE", str(path))
    assert intune_credential(read_settings()) is None  # the pod is somebody, and nobody asked for Intune
    assert intune_credential(settings(monkeypatch)) == FederatedFile(path)
    assert intune_credential(settings(monkeypatch, INTUNE_CLIENT_SECRET="s")) == ClientSecret("s")
    monkeypatch.delenv("INTUNE_CLIENT_SECRET")
    path.unlink()
    with pytest.raises(SettingsInvalid, match=r"^AZURE_FEDERATED_TOKEN_FILE: .* cannot be read"):
        intune_credential(settings(monkeypatch))


def test_a_certificate_is_the_third_and_its_end_is_told_at_the_start(
    monkeypatch: pytest.MonkeyPatch, certificate_file: Path, tmp_path: Path
) -> None:
    passphrase = tmp_path / "passphrase"
    passphrase.write_text(f"{PASSPHRASE}\n")
    given = {
        "INTUNE_CLIENT_CERTIFICATE_FILE": certificate_file,
        "INTUNE_CLIENT_CERTIFICATE_PASSPHRASE_FILE": passphrase,
    }
    with capture_logs() as records:
        assert isinstance(intune_credential(settings(monkeypatch, **given)), CertificateFile)
    assert [(one["event"], one["log_level"]) for one in records] == [("entra.certificate_expired", "error")]
    assert "canary" not in str(records)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (
            {"INTUNE_CLIENT_SECRET": "canary", "INTUNE_CLIENT_CERTIFICATE_FILE": "a.pem"},
            "INTUNE_CLIENT_SECRET and INTUNE_CLIENT_CERTIFICATE_FILE are set: keep one of them",
        ),
        (
            {"INTUNE_CLIENT_SECRET": "canary", "INTUNE_FEDERATED_TOKEN_FILE": "token"},
            "INTUNE_CLIENT_SECRET and INTUNE_FEDERATED_TOKEN_FILE are set: keep one of them",
        ),
        (
            {
                "INTUNE_CLIENT_SECRET": "canary",
                "INTUNE_CLIENT_CERTIFICATE_FILE": "a.pem",
                "INTUNE_FEDERATED_TOKEN_FILE": "token",
            },
            "are set: keep one of them",
        ),
        (
            {"INTUNE_CLIENT_SECRET": "s", "INTUNE_CLIENT_CERTIFICATE_PASSPHRASE": "canary"},
            "INTUNE_CLIENT_CERTIFICATE_PASSPHRASE is set without INTUNE_CLIENT_CERTIFICATE_FILE",
        ),
        ({}, "one of INTUNE_CLIENT_SECRET, INTUNE_CLIENT_CERTIFICATE_FILE and INTUNE_FEDERATED_TOKEN_FILE missing"),
    ],
)
def test_none_or_several_are_told_apart(monkeypatch: pytest.MonkeyPatch, given: dict[str, str], told: str) -> None:
    with pytest.raises(SettingsInvalid, match=told) as refusal:
        settings(monkeypatch, **given)
    assert "canary" not in str(refusal.value)


def test_a_credential_without_an_application_is_half_a_plane(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTUNE_FEDERATED_TOKEN_FILE", "token")
    with pytest.raises(SettingsInvalid, match="INTUNE_TENANT_ID, INTUNE_CLIENT_ID missing"):
        read_settings()


@pytest.mark.parametrize("name", ["INTUNE_CLIENT_CERTIFICATE_FILE", "INTUNE_FEDERATED_TOKEN_FILE"])
def test_a_file_that_cannot_be_used_is_named_with_its_setting(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    with pytest.raises(SettingsInvalid, match=f"^{name}: .*gone cannot be read: FileNotFoundError"):
        intune_credential(settings(monkeypatch, **{name: tmp_path / "gone"}))


def test_a_wrong_passphrase_is_named_and_not_shown(monkeypatch: pytest.MonkeyPatch, certificate_file: Path) -> None:
    given = {
        "INTUNE_CLIENT_CERTIFICATE_FILE": certificate_file,
        "INTUNE_CLIENT_CERTIFICATE_PASSPHRASE": "canary-wrong",
    }
    with pytest.raises(SettingsInvalid, match=r"^INTUNE_CLIENT_CERTIFICATE_FILE: .* passphrase opens") as refusal:
        intune_credential(settings(monkeypatch, **given))
    assert "canary" not in str(refusal.value)
