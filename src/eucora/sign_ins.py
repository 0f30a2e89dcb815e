"""What proves who we are to those we work with, from the settings; as it is now, where it is read again."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final

from eucora.connectors.entra.certificate import CertificateFile
from eucora.connectors.entra.credentials import ClientSecret, Credential, CredentialUnusable, FederatedFile
from eucora.connectors.jamf.sign_in import Account, ApiClient, Credentials
from eucora.connectors.secrets.kept import KeptSecret
from eucora.settings import Settings, SettingsInvalid

NOTHING_KEPT: Final[Mapping[str, KeptSecret]] = {}  # every secret stays as it was at the start


def _utc() -> datetime:
    return datetime.now(UTC)


def intune_credential(
    settings: Settings, kept: Mapping[str, KeptSecret] = NOTHING_KEPT, *, now: Callable[[], datetime] = _utc
) -> Credential | None:
    """The one proof to Entra that is set, tried as far as this machine can. Raises SettingsInvalid."""
    name = "INTUNE_CLIENT_CERTIFICATE_FILE"
    passphrase = settings.intune_client_certificate_passphrase
    try:
        if settings.intune_client_certificate_file is not None:
            words = None if passphrase is None else passphrase.get_secret_value()
            anew = kept.get("INTUNE_CLIENT_CERTIFICATE_PASSPHRASE")
            certificate = CertificateFile(
                settings.intune_client_certificate_file, lambda: words if anew is None else anew.value
            )
            certificate.certificate.tell_end(now())
            return certificate
        file = settings.intune_federated_token_file
        name = "INTUNE_FEDERATED_TOKEN_FILE"
        if file is None and settings.intune_client_id is not None and settings.intune_client_secret is None:
            file, name = settings.azure_federated_token_file, "AZURE_FEDERATED_TOKEN_FILE"
        if file is not None:
            federated = FederatedFile(file)
            federated.read()
            return federated
    except CredentialUnusable as error:
        raise SettingsInvalid(f"{name}: {error}") from error
    secret = settings.intune_client_secret
    return None if secret is None else ClientSecret(secret.get_secret_value(), kept.get("INTUNE_CLIENT_SECRET"))


def jamf_credentials(settings: Settings, kept: Mapping[str, KeptSecret]) -> Credentials | None:
    """The one way into Jamf Pro that is set; the settings have made sure that there are not two."""
    if settings.jamf_client_id and settings.jamf_client_secret:
        secret = settings.jamf_client_secret.get_secret_value()
        return ApiClient(settings.jamf_client_id, secret, kept.get("JAMF_CLIENT_SECRET"))
    if settings.jamf_username and settings.jamf_password:
        password = settings.jamf_password.get_secret_value()
        return Account(settings.jamf_username, password, kept.get("JAMF_PASSWORD"))
    return None


def bucket_keys(settings: Settings, kept: Mapping[str, KeptSecret]) -> Callable[[], tuple[str, str]] | None:
    """The key as it is now, where one half of it or both are read again."""
    names = ("EUCORA_S3_ACCESS_KEY_ID", "EUCORA_S3_SECRET_ACCESS_KEY")
    values = (settings.s3_access_key_id, settings.s3_secret_access_key)
    if not any(name in kept for name in names) or None in values:
        return None
    first, second = (
        kept.get(name) or KeptSecret(name, value.get_secret_value())
        for name, value in zip(names, values, strict=True)
        if value is not None
    )
    return lambda: (first.value, second.value)
