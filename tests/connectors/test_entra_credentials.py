"""Credentials as files: what is taken, what is refused in words that name the way out, and what is told in time."""

from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from entra_rig import certificate_of, client_certificate, pem, pem_file, pem_key, rsa_key
from http_fakes import NOON
from structlog.testing import capture_logs

from eucora.connectors.entra.certificate import ClientCertificate, load_certificate
from eucora.connectors.entra.credentials import ClientSecret, Credential, CredentialUnusable, FederatedFile
from eucora.connectors.intune.connect import IntuneAccess

URL = "https://login.test/t/oauth2/v2.0/token"
PASSPHRASE = "canary passphrase"


@pytest.mark.parametrize("passphrase", [None, PASSPHRASE])
@pytest.mark.parametrize("key_first", [False, True])
def test_a_pem_file_holds_certificate_and_key_in_any_order(
    tmp_path: Path, passphrase: str | None, key_first: bool
) -> None:
    certificate = certificate_of(rsa_key(0))
    parts = [pem(certificate), pem_key(rsa_key(0), passphrase)]
    loaded = load_certificate(pem_file(tmp_path, *reversed(parts) if key_first else parts), passphrase)
    assert loaded.certificate == certificate


def test_of_a_chain_the_certificate_of_the_key_is_taken(tmp_path: Path) -> None:
    issuer, own = certificate_of(rsa_key(1)), certificate_of(rsa_key(0))
    path = pem_file(tmp_path, pem(issuer), pem(own), pem_key(rsa_key(0)))
    assert load_certificate(path).certificate == own


def elliptic() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.mark.parametrize(
    ("parts", "passphrase", "told"),
    [
        (lambda: [pem_key(rsa_key(0))], None, "no certificate in PEM form beside the key"),
        (lambda: [pem(certificate_of(rsa_key(0)))], None, "no private key in PEM form"),
        (lambda: [b"MZ"], None, "no private key in PEM form"),
        (lambda: [b""], None, "no private key in PEM form"),
        (lambda: [pem(certificate_of(rsa_key(1))), pem_key(rsa_key(0))], None, "belongs to no certificate"),
        (lambda: [pem(certificate_of(rsa_key(0))), elliptic()], None, "must be RSA of 2048 bits or more"),
        (lambda: [pem(certificate_of(rsa_key(0, 1024))), pem_key(rsa_key(0, 1024))], None, "must be RSA of 2048 bits"),
        (lambda: [pem_key(rsa_key(0), PASSPHRASE)], None, "has a passphrase, which is not given"),
        (lambda: [pem_key(rsa_key(0), PASSPHRASE)], "canary wrong", "no private key that the passphrase opens"),
        (lambda: [pem_key(rsa_key(0))], PASSPHRASE, "has no passphrase, but one is given"),
        (lambda: [b"x" * 70_000], None, "larger than 65536 bytes"),
    ],
)
def test_a_file_that_will_not_do_is_refused_in_one_line(
    tmp_path: Path, parts: object, passphrase: str | None, told: str
) -> None:
    assert callable(parts)
    path = pem_file(tmp_path, *parts())
    with pytest.raises(CredentialUnusable, match=told) as refusal:
        load_certificate(path, passphrase)
    assert str(path) in str(refusal.value)
    assert "canary" not in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CredentialUnusable, match=r"client\.pem cannot be read: FileNotFoundError"):
        load_certificate(tmp_path / "client.pem")


@pytest.mark.parametrize(
    ("left", "event", "level"),
    [
        (timedelta(days=30, seconds=1), None, None),
        (timedelta(days=30), "entra.certificate_expires_soon", "warning"),
        (timedelta(seconds=1), "entra.certificate_expires_soon", "warning"),
        (timedelta(0), "entra.certificate_expired", "error"),
        (timedelta(days=-9), "entra.certificate_expired", "error"),
    ],
)
def test_the_end_of_a_certificate_is_told_in_time(left: timedelta, event: str | None, level: str | None) -> None:
    certificate = client_certificate(days=100)
    with capture_logs() as records:
        certificate.tell_end(certificate.ends_at - left)
    told = [(one["event"], one["log_level"]) for one in records]
    assert told == ([] if event is None else [(event, level)])


def test_a_certificate_warns_with_every_proof_in_its_last_days() -> None:
    certificate = client_certificate(days=20)
    with capture_logs() as records:
        certificate.proof("client-1", URL, NOON)
    assert [one["event"] for one in records] == ["entra.certificate_expires_soon"]


def test_a_certificate_past_its_end_proves_nothing() -> None:
    certificate = client_certificate(days=20)
    with pytest.raises(CredentialUnusable, match="expired on 2026-03-21: add a new one"):
        certificate.proof("client-1", URL, certificate.ends_at)


def test_a_certificate_before_its_time_points_at_the_clock() -> None:
    certificate = client_certificate(begins=NOON + timedelta(days=2))
    with pytest.raises(CredentialUnusable, match="not valid before 2026-03-04: check this machine's clock"):
        certificate.proof("client-1", URL, NOON)


def test_a_federated_file_is_read_for_every_proof(tmp_path: Path) -> None:
    path = tmp_path / "token"
    credential = FederatedFile(path)
    for token in ("aa.bb.cc", "dd.ee.ff"):
        path.write_text(f"{token}\n")
        assert credential.proof("client-1", URL, NOON)["client_assertion"] == token


@pytest.mark.parametrize("content", ["", "aa.bb", "aa.bb.cc.dd", "aa bb.cc.dd", "aa.bb.cc\nx: y", "á.b.c"])
def test_a_federated_file_without_a_token_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "token"
    path.write_text(content)
    with pytest.raises(CredentialUnusable, match="token holds no token: name the file"):
        FederatedFile(path).read()


def test_a_federated_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CredentialUnusable, match="gone cannot be read: FileNotFoundError"):
        FederatedFile(tmp_path / "gone").read()


def shared(credential: Credential) -> bytes | None:
    return credential.sealing_secret()


def test_replicas_have_a_secret_in_common_unless_each_has_a_token_of_its_own(tmp_path: Path) -> None:
    certificate = client_certificate()
    same = ClientCertificate(certificate.certificate, rsa_key(0), "elsewhere.pem")
    assert shared(ClientSecret("a")) == shared(ClientSecret("a")) != shared(ClientSecret("b"))
    assert shared(certificate) == shared(same) != shared(client_certificate(1))
    assert shared(FederatedFile(tmp_path)) is None


def test_a_credential_shows_in_no_repr() -> None:
    modulus = str(rsa_key(0).private_numbers().d)
    for credential in (ClientSecret("canary-1"), client_certificate()):
        for shown in (repr(credential), repr(IntuneAccess("t", "c", credential))):
            assert "canary" not in shown
            assert modulus not in shown
            assert "RSAPrivateKey" not in shown
