"""Settings, from the environment; every secret also from a file named by ``…_FILE``. Read in bootstrap and cli only."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

SECRETS = (
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
FILE_MAX = 64 * 1024  # bytes a secret file may have
INTUNE_CREDENTIALS: Final = (
    "one of INTUNE_CLIENT_SECRET, INTUNE_CLIENT_CERTIFICATE_FILE and INTUNE_FEDERATED_TOKEN_FILE"
)
LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
# Source: Amazon S3 User Guide, "Bucket naming rules"; read 2026-11-22. A prefix is folders of unreserved characters.
BUCKET_URL: Final = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9][A-Za-z0-9._-]*)*/?")
# What a number must be, in words for whoever runs this; the limits are those of the fields below.
NUMBERS: Final[Mapping[str, str]] = {
    "EUCORA_PORT": "must be a whole number from 0 to 65535",
    "EUCORA_JOB_LEASE_S": "must be a number of seconds from 1 to 3600",
}


class SettingsInvalid(Exception):
    """A setting is wrong or missing. The message is one line that names it."""


class _FromFiles(PydanticBaseSettingsSource):
    """``NAME_FILE``: the secret is the content of that file, without the line end that editors leave."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        return None, field_name, False  # asked for by the base class; __call__ answers for all fields at once

    def __call__(self) -> dict[str, Any]:
        values = {}
        for name in SECRETS:
            if path := os.environ.get(f"{name}_FILE"):
                values[name] = _content(f"{name}_FILE", Path(path))
        return values


def _content(name: str, path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(FILE_MAX + 1)
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsInvalid(f"{name}={path}: cannot be read: {error.__class__.__name__}") from error
    if not 0 < len(text.strip()) <= FILE_MAX:
        raise SettingsInvalid(f"{name}={path}: is empty, or larger than {FILE_MAX} bytes")
    return text.strip()


class Settings(BaseSettings):
    """What an installation is told. A plane is connected when all of its settings are there."""

    model_config = SettingsConfigDict(env_ignore_empty=True, extra="ignore", frozen=True)

    database_url: SecretStr | None = Field(None, validation_alias="EUCORA_DATABASE_URL")
    migration_database_url: SecretStr | None = Field(None, validation_alias="EUCORA_MIGRATION_DATABASE_URL")
    pg_bin: Path | None = Field(None, validation_alias="EUCORA_PG_BIN")
    data_dir: Path = Field(Path("var"), validation_alias="EUCORA_DATA_DIR")

    # Empty: a folder below data_dir.
    artifact_store_url: str | None = Field(None, validation_alias="EUCORA_ARTIFACT_STORE_URL")
    s3_endpoint_url: str | None = Field(None, validation_alias="EUCORA_S3_ENDPOINT_URL")
    s3_region: str | None = Field(None, validation_alias="EUCORA_S3_REGION")
    s3_access_key_id: SecretStr | None = Field(None, validation_alias="EUCORA_S3_ACCESS_KEY_ID")
    s3_secret_access_key: SecretStr | None = Field(None, validation_alias="EUCORA_S3_SECRET_ACCESS_KEY")

    host: str = Field("127.0.0.1", validation_alias="EUCORA_HOST")
    port: Annotated[int, Field(ge=0, le=65535)] = Field(8080, validation_alias="EUCORA_PORT")
    log_level: str = Field("info", validation_alias="EUCORA_LOG_LEVEL")

    # How long a worker may be silent before its jobs go to another one. Shorter heals sooner after a kill.
    job_lease_s: Annotated[float, Field(ge=1, le=3600)] = Field(30.0, validation_alias="EUCORA_JOB_LEASE_S")

    oidc_issuer: str | None = Field(None, validation_alias="EUCORA_OIDC_ISSUER")
    oidc_audience: str = Field("eucora", validation_alias="EUCORA_OIDC_AUDIENCE")

    intune_tenant_id: str | None = Field(None, validation_alias="INTUNE_TENANT_ID")
    intune_client_id: str | None = Field(None, validation_alias="INTUNE_CLIENT_ID")
    # One of these three proves who we are.
    intune_client_secret: SecretStr | None = Field(None, validation_alias="INTUNE_CLIENT_SECRET")
    intune_client_certificate_file: Path | None = Field(None, validation_alias="INTUNE_CLIENT_CERTIFICATE_FILE")
    intune_federated_token_file: Path | None = Field(None, validation_alias="INTUNE_FEDERATED_TOKEN_FILE")
    intune_client_certificate_passphrase: SecretStr | None = Field(
        None, validation_alias="INTUNE_CLIENT_CERTIFICATE_PASSPHRASE"
    )
    intune_graph_url: str | None = Field(None, validation_alias="INTUNE_GRAPH_URL")
    intune_login_url: str | None = Field(None, validation_alias="INTUNE_LOGIN_URL")

    jamf_server_url: str | None = Field(None, validation_alias="JAMF_SERVER_URL")
    jamf_client_id: str | None = Field(None, validation_alias="JAMF_CLIENT_ID")
    jamf_client_secret: SecretStr | None = Field(None, validation_alias="JAMF_CLIENT_SECRET")
    # An account in place of an API client, for servers where none can be made.
    jamf_username: str | None = Field(None, validation_alias="JAMF_USERNAME")
    jamf_password: SecretStr | None = Field(None, validation_alias="JAMF_PASSWORD")

    kandji_api_url: str | None = Field(None, validation_alias="KANDJI_API_URL")
    kandji_api_token: SecretStr | None = Field(None, validation_alias="KANDJI_API_TOKEN")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, _FromFiles(settings_cls)

    @field_validator(
        "oidc_issuer", "intune_graph_url", "intune_login_url", "jamf_server_url", "kandji_api_url", "s3_endpoint_url"
    )
    @classmethod
    def _web_address(cls, value: str | None, info: ValidationInfo) -> str | None:
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

    @field_validator("database_url", "migration_database_url")
    @classmethod
    def _postgres(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        if not value.get_secret_value().startswith(("postgresql://", "postgres://")):
            raise ValueError("must begin with postgresql://")
        try:
            hosts = urlsplit(value.get_secret_value()).netloc.rpartition("@")[2]
            for host in hosts.split(","):  # there may be several, each with a port of its own
                _ = urlsplit(f"//{host}").port
        except ValueError:
            raise ValueError(
                "must be postgresql://user:<password>@host:port/database, with special characters as %XX"
            ) from None
        return value

    @field_validator("kandji_api_token")
    @classmethod
    def _sendable(cls, value: SecretStr | None) -> SecretStr | None:
        # It goes out in a header as it is: a line break or a pair of quotes would come back as a refusal, or worse.
        if value is not None and re.fullmatch(r"[A-Za-z0-9._~+/=-]+", value.get_secret_value()) is None:
            raise ValueError("is no API token: letters, digits and -._~+/= only, without spaces or quotes")
        return value

    @field_validator("artifact_store_url")
    @classmethod
    def _bucket(cls, value: str | None) -> str | None:
        if value is not None and BUCKET_URL.fullmatch(value) is None:
            raise ValueError("must be s3://bucket or s3://bucket/prefix")
        return None if value is None else value.rstrip("/")

    @field_validator("log_level")
    @classmethod
    def _known_level(cls, value: str) -> str:
        if value.lower() not in ("debug", "info", "warning", "error"):
            raise ValueError("must be debug, info, warning or error")
        return value.lower()

    @model_validator(mode="after")
    def _whole_groups(self) -> "Settings":
        groups: tuple[Mapping[str, object], ...] = (
            {
                "INTUNE_TENANT_ID": self.intune_tenant_id,
                "INTUNE_CLIENT_ID": self.intune_client_id,
                INTUNE_CREDENTIALS: self._intune_credential(),
            },
            self._jamf(),
            {"KANDJI_API_URL": self.kandji_api_url, "KANDJI_API_TOKEN": self.kandji_api_token},
            {
                "EUCORA_S3_ACCESS_KEY_ID": self.s3_access_key_id,
                "EUCORA_S3_SECRET_ACCESS_KEY": self.s3_secret_access_key,
            },
        )
        for group in groups:
            missing = [name for name, value in group.items() if value is None]
            if missing and len(missing) < len(group):
                raise ValueError(f"{', '.join(missing)} missing: set all of {', '.join(group)}, or none of them")
        return self

    def _intune_credential(self) -> str | None:
        """The name of the one credential that is set; None without one. Raises ValueError when there are several."""
        credentials: Mapping[str, object] = {
            "INTUNE_CLIENT_SECRET": self.intune_client_secret,
            "INTUNE_CLIENT_CERTIFICATE_FILE": self.intune_client_certificate_file,
            "INTUNE_FEDERATED_TOKEN_FILE": self.intune_federated_token_file,
        }
        given = [name for name, value in credentials.items() if value is not None]
        if len(given) > 1:
            raise ValueError(
                f"{' and '.join(given)} are set: keep one of them, it is how we sign in to Microsoft Entra"
            )
        if self.intune_client_certificate_passphrase is not None and self.intune_client_certificate_file is None:
            raise ValueError("INTUNE_CLIENT_CERTIFICATE_PASSPHRASE is set without INTUNE_CLIENT_CERTIFICATE_FILE")
        return given[0] if given else None

    def _jamf(self) -> Mapping[str, object]:
        """What the way into Jamf Pro that is used takes. Raises ValueError when both are set, or neither."""
        client = {"JAMF_CLIENT_ID": self.jamf_client_id, "JAMF_CLIENT_SECRET": self.jamf_client_secret}
        account = {"JAMF_USERNAME": self.jamf_username, "JAMF_PASSWORD": self.jamf_password}
        ways = f"either {' and '.join(client)}, an API client's, or {' and '.join(account)}, an account's"
        used = [way for way in (client, account) if any(value is not None for value in way.values())]
        if len(used) == 2:
            raise ValueError(f"Jamf Pro has two ways in: set {ways}, not both")
        if self.jamf_server_url is not None and not used:
            raise ValueError(f"JAMF_SERVER_URL is set without a way in: set {ways}")
        if self.jamf_username and ":" in self.jamf_username:  # it would end the name there (RFC 7617, section 2)
            raise ValueError("JAMF_USERNAME: a name with a colon cannot sign in")
        return {"JAMF_SERVER_URL": self.jamf_server_url, **(used[0] if used else client)}

    @property
    def database(self) -> str | None:
        return self.database_url.get_secret_value() if self.database_url else None

    @property
    def migration_database(self) -> str | None:
        """The way in for migrations; the app's own where none is named."""
        url = self.migration_database_url or self.database_url
        return url.get_secret_value() if url else None


def read_settings(**overrides: object) -> Settings:
    """The settings of this process.

    Raises:
        SettingsInvalid: the first problem, in one line; never with the value of a secret.
    """
    try:
        return Settings(**overrides)  # type: ignore[arg-type]  # aliases, as the environment spells them
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        name = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        message = NUMBERS.get(name, message)
        raise SettingsInvalid(f"{name}: {message}" if name else message) from error
