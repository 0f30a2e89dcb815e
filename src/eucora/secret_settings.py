"""Secrets among the settings: in the environment, in a file named by ``…_FILE``, or where a reference leads.

A reference (``vault://…``, ``aws-sm://…``, ``azure-kv://…``) is followed once at the start, and again while we run.
"""

import asyncio
import os
import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from eucora.connectors.entra.credentials import ClientSecret, FederatedFile
from eucora.connectors.redaction import known_secret
from eucora.connectors.secrets.azure_identity import LOGIN_URL, METADATA_PATH, METADATA_URL, Application, Machine
from eucora.connectors.secrets.kept import KeptSecret
from eucora.connectors.secrets.key_vault import KeyVault, KeyVaultAccess
from eucora.connectors.secrets.references import (
    Reference,
    Scheme,
    SecretProvider,
    SecretUnavailable,
    reference_in,
    usable,
)
from eucora.connectors.secrets.secrets_manager import secrets_manager
from eucora.connectors.secrets.vault import Login, Vault, VaultAccess, app_role, kubernetes

SECRETS: Final = (
    "INTUNE_CLIENT_SECRET",
    "INTUNE_CLIENT_CERTIFICATE_PASSPHRASE",
    "JAMF_CLIENT_SECRET",
    "JAMF_PASSWORD",
    "KANDJI_API_TOKEN",
    "EUCORA_DATABASE_URL",
    "EUCORA_MIGRATION_DATABASE_URL",
    "EUCORA_S3_ACCESS_KEY_ID",
    "EUCORA_S3_SECRET_ACCESS_KEY",
)
# What opens a provider cannot be kept by one.
PROVIDER_SECRETS: Final = ("EUCORA_VAULT_TOKEN", "EUCORA_VAULT_SECRET_ID", "EUCORA_KEY_VAULT_CLIENT_SECRET")
FILE_MAX: Final = 64 * 1024  # bytes a secret file may have
# Where the kubelet projects the token of a pod's service account (Kubernetes, "Configure Service Accounts for Pods").
SERVICE_ACCOUNT_TOKEN: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
MOUNT: Final = re.compile(r"[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*")
LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


class SettingsInvalid(Exception):
    """A setting is wrong or missing. The message is one line that names it."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the value of a setting is read from: a file, or a reference."""

    file: Path | None = None
    reference: Reference | None = None


class FromFiles(PydanticBaseSettingsSource):
    """``NAME_FILE``: the secret is the content of that file, without the line end that editors leave."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        return None, field_name, False  # asked for by the base class; __call__ answers for all fields at once

    def __call__(self) -> dict[str, Any]:
        known = {str(field.validation_alias) for field in self.settings_cls.model_fields.values()}
        values: dict[str, Any] = {}
        for name in (*SECRETS, *PROVIDER_SECRETS):
            if name in known and (path := os.environ.get(f"{name}_FILE")):
                values[name] = secret_in_file(name, Path(path))
        return values


def secret_in_file(name: str, path: Path) -> str:
    """The secret in the file that ``NAME_FILE`` names. Raises SettingsInvalid."""
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(FILE_MAX + 1)
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text in UTF-8"
        raise SettingsInvalid(
            f"{name}_FILE={path}: cannot be read: {why}; name a file that this user may read"
        ) from error
    if not 0 < len(text.strip()) <= FILE_MAX:
        raise SettingsInvalid(f"{name}_FILE={path}: is empty, or larger than {FILE_MAX} bytes")
    return text.strip()


def web_address(value: str | None) -> str | None:
    """The address without a slash at its end. Raises ValueError for one that is neither https nor this machine's."""
    if value is None:
        return None
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port  # asking for the port is what checks it
    except ValueError:
        raise ValueError("is not a web address") from None
    # The host as a whole: http://localhost.example.org begins like this machine and is another one.
    if not host or not (parts.scheme == "https" or (parts.scheme == "http" and host in LOOPBACK)):
        raise ValueError("must be an https:// address (plain http only to this machine)")
    return value.rstrip("/")


class SecretSettings(BaseSettings):
    """Where secrets are kept that the other settings refer to, and how often they are read again."""

    model_config = SettingsConfigDict(env_ignore_empty=True, extra="ignore", frozen=True)

    vault_url: str | None = Field(None, validation_alias="EUCORA_VAULT_URL")
    vault_namespace: str | None = Field(None, validation_alias="EUCORA_VAULT_NAMESPACE")
    vault_token: SecretStr | None = Field(None, validation_alias="EUCORA_VAULT_TOKEN")
    vault_role_id: str | None = Field(None, validation_alias="EUCORA_VAULT_ROLE_ID")
    vault_secret_id: SecretStr | None = Field(None, validation_alias="EUCORA_VAULT_SECRET_ID")
    vault_kubernetes_role: str | None = Field(None, validation_alias="EUCORA_VAULT_KUBERNETES_ROLE")
    vault_kubernetes_token_file: Path = Field(
        SERVICE_ACCOUNT_TOKEN, validation_alias="EUCORA_VAULT_KUBERNETES_TOKEN_FILE"
    )
    vault_auth_mount: str | None = Field(None, validation_alias="EUCORA_VAULT_AUTH_MOUNT")

    key_vault_tenant_id: str | None = Field(None, validation_alias="EUCORA_KEY_VAULT_TENANT_ID")
    key_vault_client_id: str | None = Field(None, validation_alias="EUCORA_KEY_VAULT_CLIENT_ID")
    key_vault_client_secret: SecretStr | None = Field(None, validation_alias="EUCORA_KEY_VAULT_CLIENT_SECRET")
    key_vault_federated_token_file: Path | None = Field(None, validation_alias="EUCORA_KEY_VAULT_FEDERATED_TOKEN_FILE")
    key_vault_login_url: str | None = Field(None, validation_alias="EUCORA_KEY_VAULT_LOGIN_URL")
    key_vault_url: str | None = Field(None, validation_alias="EUCORA_KEY_VAULT_URL")

    # Microsoft's own names: what a workload identity, App Service or Container Apps put into our environment.
    azure_tenant_id: str | None = Field(None, validation_alias="AZURE_TENANT_ID")
    azure_client_id: str | None = Field(None, validation_alias="AZURE_CLIENT_ID")
    azure_federated_token_file: Path | None = Field(None, validation_alias="AZURE_FEDERATED_TOKEN_FILE")
    azure_authority_host: str | None = Field(None, validation_alias="AZURE_AUTHORITY_HOST")
    azure_metadata_url: str | None = Field(None, validation_alias="AZURE_POD_IDENTITY_AUTHORITY_HOST")
    azure_identity_endpoint: str | None = Field(None, validation_alias="IDENTITY_ENDPOINT")
    azure_identity_header: SecretStr | None = Field(None, validation_alias="IDENTITY_HEADER")

    secrets_refresh_s: float = Field(300.0, ge=1, le=86400, validation_alias="EUCORA_SECRETS_REFRESH_S")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, FromFiles(settings_cls)

    @field_validator("vault_url", "key_vault_login_url", "key_vault_url")
    @classmethod
    def _provider_address(cls, value: str | None) -> str | None:
        return web_address(value)

    @field_validator("vault_auth_mount")
    @classmethod
    def _mount(cls, value: str | None) -> str | None:
        if value is not None and (MOUNT.fullmatch(value) is None or ".." in value):
            raise ValueError("is where an auth method is mounted, without auth/: kubernetes, or teams/approle")
        return value

    @field_validator("vault_token", "vault_secret_id", "key_vault_client_secret")
    @classmethod
    def _no_reference(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        text = "" if value is None else value.get_secret_value()
        if text.startswith(tuple(f"{scheme}://" for scheme in Scheme)):
            raise ValueError("opens a keeper of secrets, so no such keeper can hold it: put it in a file")
        if any(not one.isprintable() for one in text):
            raise ValueError("holds control characters")
        return value


class Providers:
    """The keepers of secrets that the settings name, each made when the first reference leads to it."""

    def __init__(self, settings: SecretSettings) -> None:
        self._settings, self._made = settings, dict[Scheme, SecretProvider]()

    async def read(self, reference: Reference) -> str:
        """The secret as it stands there now. Raises SecretUnavailable."""
        provider = self._made.get(reference.scheme)
        if provider is None:
            provider = self._made[reference.scheme] = self._provider(reference.scheme)
        return await provider.read(reference)

    async def aclose(self) -> None:
        for provider in self._made.values():
            await provider.aclose()

    def _provider(self, scheme: Scheme) -> SecretProvider:
        match scheme:
            case Scheme.VAULT:
                return Vault(self._vault())
            case Scheme.AWS:
                return secrets_manager()
            case Scheme.AZURE:
                return KeyVault(self._key_vault(), now=lambda: datetime.now(UTC))

    def _vault(self) -> VaultAccess:
        found = self._settings
        if found.vault_url is None:
            raise SecretUnavailable("leads to Vault: set EUCORA_VAULT_URL")
        login, token = self._vault_login(), found.vault_token
        if (token is None) == (login is None):
            raise SecretUnavailable(
                "leads to Vault: set one of EUCORA_VAULT_TOKEN, or EUCORA_VAULT_ROLE_ID and EUCORA_VAULT_SECRET_ID, or "
                "EUCORA_VAULT_KUBERNETES_ROLE"
            )
        reading = None if token is None else lambda: _current("EUCORA_VAULT_TOKEN", token)
        return VaultAccess(found.vault_url, token=reading, login=login, namespace=found.vault_namespace)

    def _vault_login(self) -> Login | None:
        found = self._settings
        role, secret_id, mount = found.vault_role_id, found.vault_secret_id, found.vault_auth_mount
        if role is not None and secret_id is not None:
            if found.vault_kubernetes_role is not None:
                raise SecretUnavailable(
                    "leads to Vault: EUCORA_VAULT_ROLE_ID and EUCORA_VAULT_KUBERNETES_ROLE are set: keep one of them"
                )
            return app_role(role, lambda: _current("EUCORA_VAULT_SECRET_ID", secret_id), mount)
        if found.vault_kubernetes_role is not None:
            return kubernetes(found.vault_kubernetes_role, found.vault_kubernetes_token_file, mount)
        return None

    def _key_vault(self) -> KeyVaultAccess:
        """What is set for Key Vault; else what a workload identity brings; else the machine's own identity."""
        found = self._settings
        secret, file = found.key_vault_client_secret, found.key_vault_federated_token_file
        tenant, client_id = found.key_vault_tenant_id, found.key_vault_client_id
        if secret is None and file is None and found.azure_federated_token_file is not None:
            file = found.azure_federated_token_file
            tenant, client_id = tenant or found.azure_tenant_id, client_id or found.azure_client_id
        if secret is None and file is None and tenant is None:
            return KeyVaultAccess(self._machine(), found.key_vault_url)
        if not (tenant and client_id) or (secret is None) == (file is None):
            raise SecretUnavailable(
                "leads to Azure Key Vault: set EUCORA_KEY_VAULT_TENANT_ID, EUCORA_KEY_VAULT_CLIENT_ID and one of "
                "EUCORA_KEY_VAULT_CLIENT_SECRET and EUCORA_KEY_VAULT_FEDERATED_TOKEN_FILE; or none of them, for this "
                "machine's own identity"
            )

        def credential() -> ClientSecret | FederatedFile:
            if file is not None:
                return FederatedFile(file)
            return ClientSecret(_current("EUCORA_KEY_VAULT_CLIENT_SECRET", secret))

        login_url = found.key_vault_login_url or self._authority() or LOGIN_URL
        return KeyVaultAccess(Application(tenant, client_id, credential, login_url), found.key_vault_url)

    def _authority(self) -> str | None:
        try:
            return web_address(self._settings.azure_authority_host)
        except ValueError as error:
            raise SecretUnavailable(f"AZURE_AUTHORITY_HOST {error}") from None

    def _machine(self) -> Machine:
        found = self._settings
        header = found.azure_identity_header
        if found.azure_identity_endpoint is not None and header is not None:
            endpoint = _near("IDENTITY_ENDPOINT", found.azure_identity_endpoint)
            return Machine(endpoint, header.get_secret_value(), found.key_vault_client_id)
        host = _near("AZURE_POD_IDENTITY_AUTHORITY_HOST", found.azure_metadata_url or METADATA_URL)
        return Machine(host.rstrip("/") + METADATA_PATH, client_id=found.key_vault_client_id)


def _near(name: str, url: str) -> str:
    """The address of an identity service, which the platform keeps beside us. Raises SecretUnavailable."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port  # asking for the port is what checks it
    except ValueError:
        raise SecretUnavailable(f"{name} is not a web address") from None
    if not (parts.scheme == "https" or host in LOOPBACK or _is_private(host)):
        raise SecretUnavailable(f"{name} is neither an https:// address nor one of this machine's own network")
    return url


def _is_private(host: str) -> bool:
    try:
        return ip_address(host).is_private  # 169.254.0.0/16, too
    except ValueError:
        return False


def _current(name: str, at_start: SecretStr | None) -> str:
    """A provider's own secret: of its file as that is now, else as it was at the start. Raises SecretUnavailable."""
    if not os.environ.get(name) and (path := os.environ.get(f"{name}_FILE")):
        try:
            return secret_in_file(name, Path(path))
        except SettingsInvalid as error:
            raise SecretUnavailable(str(error)) from None
    return "" if at_start is None else at_start.get_secret_value()


def origins(given: Mapping[str, object]) -> dict[str, Origin]:
    """Where each secret comes from that is neither ``given`` nor stands in the environment. Raises SettingsInvalid."""
    found = {}
    for name in SECRETS:
        if name in given:
            continue
        if value := os.environ.get(name):
            try:
                reference = reference_in(value)
            except SecretUnavailable as error:
                raise SettingsInvalid(f"{name}: {error}") from None
            if reference is not None:
                found[name] = Origin(reference=reference)
        elif path := os.environ.get(f"{name}_FILE"):
            found[name] = Origin(file=Path(path))
    return found


def followed(found: Mapping[str, Origin]) -> dict[str, str]:
    """What the references among ``found`` lead to, by setting. Outside of an event loop only.

    Raises:
        SettingsInvalid: a keeper does not answer or refuses us; one line that names the setting and the way out.
    """
    references = {name: origin.reference for name, origin in found.items() if origin.reference is not None}
    return asyncio.run(_read_all(references)) if references else {}


async def _read_all(references: Mapping[str, Reference]) -> dict[str, str]:
    try:
        settings = SecretSettings()
    except ValidationError as error:
        raise one_line(error) from None
    remember(settings)
    async with AsyncExitStack() as stack:
        providers = Providers(settings)
        stack.push_async_callback(providers.aclose)
        values = {}
        for name, reference in references.items():
            try:
                values[name] = await providers.read(reference)
            except SecretUnavailable as error:
                raise SettingsInvalid(f"{name}: {error}") from None
        return values


def kept_secrets(settings: SecretSettings, found: Mapping[str, Origin], providers: Providers) -> dict[str, KeptSecret]:
    """The secrets that are read again, by setting, each with its value at the start."""

    def reader(name: str, origin: Origin) -> Callable[[], Awaitable[str]]:
        async def read() -> str:
            if origin.reference is not None:
                return await providers.read(origin.reference)
            try:
                text = await asyncio.to_thread(secret_in_file, name, origin.file or Path())
            except SettingsInvalid as error:
                raise SecretUnavailable(str(error)) from None
            return usable(text, f"{name}_FILE={origin.file}")

        return read

    fields = {str(field.validation_alias): name for name, field in type(settings).model_fields.items()}
    values = {name: getattr(settings, fields[name]) for name in found}
    return {
        name: KeptSecret(name, value.get_secret_value(), reader(name, found[name]))
        for name, value in values.items()
        if isinstance(value, SecretStr)
    }


def remember(settings: SecretSettings) -> None:
    """From now on no text of this process shows a secret of the settings."""
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, SecretStr):
            known_secret(value.get_secret_value(), name)


def one_line(error: ValidationError, words: Mapping[str, str] | None = None) -> SettingsInvalid:
    """The first problem in one line, never with the value; ``words``: better ones for a setting."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    name = ".".join(str(part) for part in first["loc"])
    message = (words or {}).get(name, first["msg"].removeprefix("Value error, "))
    return SettingsInvalid(f"{name}: {message}" if name else message)
