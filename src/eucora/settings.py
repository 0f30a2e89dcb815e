"""Settings, from the environment. Read in bootstrap and cli only. Where secrets come from: ``secret_settings``."""

import os
import re
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import Field, PrivateAttr, SecretStr, ValidationError, field_validator, model_validator

from eucora.connectors.outbound import OWN, Network
from eucora.domain.role_rules import CLAIM_NAME
from eucora.domain.workload_trust_issuers import IssuerList, problem_of
from eucora.secret_settings import (
    LOOPBACK,
    PROVIDER_SECRETS,
    SECRETS,
    Origin,
    SecretSettings,
    SettingsInvalid,
    followed,
    one_line,
    origins,
    remember,
    web_address,
)
from eucora.setting_names import is_link, slip_in
from eucora.unsafe_settings import Tls, check_database, hosts_of

__all__ = ["SECRETS", "Settings", "SettingsInvalid", "read_settings"]

INTUNE_CREDENTIALS: Final = (
    "one of INTUNE_CLIENT_SECRET, INTUNE_CLIENT_CERTIFICATE_FILE and INTUNE_FEDERATED_TOKEN_FILE"
)
# Source: Amazon S3 User Guide, "Bucket naming rules"; read 2026-11-22. A prefix is folders of unreserved characters.
BUCKET_URL: Final = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9][A-Za-z0-9._-]*)*/?")
# Source: Microsoft Entra, "OpenID Connect on the Microsoft identity platform"; read 2026-11-23.
ENTRA_FOR_ALL: Final = re.compile(r"(?i)https://login\.microsoftonline\.com/(common|organizations|consumers)(/.*)?")
# As browsers write an origin (RFC 6454, section 6.2): it is compared as it stands.
ORIGIN: Final = re.compile(r"(?P<scheme>https?)://(?P<host>[a-z0-9.-]+)(:[0-9]{1,5})?")
# What a number must be, in words for whoever runs this; the limits are those of the fields below.
NUMBERS: Final[Mapping[str, str]] = {
    "EUCORA_PORT": "must be a whole number from 0 to 65535",
    "EUCORA_JOB_LEASE_S": "must be a number of seconds from 1 to 3600",
    "EUCORA_DRAIN_S": "must be a number of seconds from 0 to 15",
    "EUCORA_REQUEST_TIMEOUT_S": "must be a number of seconds from 1 to 600",
    "EUCORA_UPLOAD_TIMEOUT_S": "must be a number of seconds from 1 to 86400",
    "EUCORA_REQUESTS_WORKING": "must be a whole number from 1 to 1024",
    "EUCORA_REQUESTS_WAITING": "must be a whole number from 0 to 10000",
    "EUCORA_RATE_LIMIT": "must be a whole number of requests a minute, from 60 to 1000000",
    "EUCORA_SIGN_IN_LIMIT": "must be a whole number of refused sign-ins a minute, from 1 to 1000000",
    "EUCORA_STREAMS_MAX": "must be a whole number from 1 to 1000",
    "EUCORA_STREAMS_IN_ALL": "must be a whole number from 1 to 10000",
    "EUCORA_CONNECTIONS_MAX": "must be a whole number from 16 to 65536",
    "EUCORA_SECRETS_REFRESH_S": "must be a number of seconds from 1 to 86400",
    "EUCORA_DATABASE_TLS": "must be verify-full, verify-ca, require or off",
}


def _listed(value: str) -> list[str]:
    return [one.strip() for one in value.split(",") if one.strip()]


def _inside(one: Network, other: Network) -> bool:
    if isinstance(one, IPv4Network):
        return isinstance(other, IPv4Network) and one.subnet_of(other)
    return isinstance(other, IPv6Network) and one.subnet_of(other)


class Settings(SecretSettings):
    """What an installation is told. A plane is connected when all of its settings are there."""

    _origins: Mapping[str, Origin] = PrivateAttr(default_factory=dict)

    database_url: SecretStr | None = Field(None, validation_alias="EUCORA_DATABASE_URL")
    migration_database_url: SecretStr | None = Field(None, validation_alias="EUCORA_MIGRATION_DATABASE_URL")
    # The least that the way to a database on another machine must have.
    database_tls: Tls = Field("verify-full", validation_alias="EUCORA_DATABASE_TLS")
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
    # Comma-separated; the properties below have them as sets.
    trusted_proxies: str = Field("", validation_alias="EUCORA_TRUSTED_PROXIES")
    cors_origins: str = Field("", validation_alias="EUCORA_CORS_ORIGINS")
    # How long the server still answers after it said that it is not ready: balancers look every few seconds.
    drain_s: Annotated[float, Field(ge=0, le=15)] = Field(5.0, validation_alias="EUCORA_DRAIN_S")
    request_timeout_s: Annotated[float, Field(ge=1, le=600)] = Field(30.0, validation_alias="EUCORA_REQUEST_TIMEOUT_S")
    upload_timeout_s: Annotated[float, Field(ge=1, le=86400)] = Field(900.0, validation_alias="EUCORA_UPLOAD_TIMEOUT_S")
    requests_working: Annotated[int, Field(ge=1, le=1024)] = Field(32, validation_alias="EUCORA_REQUESTS_WORKING")
    requests_waiting: Annotated[int, Field(ge=0, le=10_000)] = Field(256, validation_alias="EUCORA_REQUESTS_WAITING")
    rate_limit: Annotated[int, Field(ge=60, le=1_000_000)] = Field(6_000, validation_alias="EUCORA_RATE_LIMIT")
    sign_in_limit: Annotated[int, Field(ge=1, le=1_000_000)] = Field(60, validation_alias="EUCORA_SIGN_IN_LIMIT")
    streams_max: Annotated[int, Field(ge=1, le=1_000)] = Field(8, validation_alias="EUCORA_STREAMS_MAX")
    streams_in_all: Annotated[int, Field(ge=1, le=10_000)] = Field(256, validation_alias="EUCORA_STREAMS_IN_ALL")
    connections_max: Annotated[int, Field(ge=16, le=65_536)] = Field(1_280, validation_alias="EUCORA_CONNECTIONS_MAX")
    log_level: str = Field("info", validation_alias="EUCORA_LOG_LEVEL")

    # How long a worker may be silent before its jobs go to another one. Shorter heals sooner after a kill.
    job_lease_s: Annotated[float, Field(ge=1, le=3600)] = Field(30.0, validation_alias="EUCORA_JOB_LEASE_S")

    oidc_issuer: str | None = Field(None, validation_alias="EUCORA_OIDC_ISSUER")
    oidc_audience: str = Field("eucora", validation_alias="EUCORA_OIDC_AUDIENCE")
    oidc_groups_claim: str = Field("groups", validation_alias="EUCORA_OIDC_GROUPS_CLAIM")
    # What a browser signs in as: a public client, so no secret goes with it.
    oidc_console_client_id: str | None = Field(None, validation_alias="EUCORA_OIDC_CONSOLE_CLIENT_ID")
    oidc_console_scopes: str = Field("openid profile", validation_alias="EUCORA_OIDC_CONSOLE_SCOPES")

    # Comma-separated: whose tokens CI jobs may show, and where those issuers may be beside the internet.
    workload_issuers: str = Field("", validation_alias="EUCORA_WORKLOAD_ISSUERS")
    workload_networks: str = Field("", validation_alias="EUCORA_WORKLOAD_NETWORKS")

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

    @field_validator(
        "oidc_issuer", "intune_graph_url", "intune_login_url", "jamf_server_url", "kandji_api_url", "s3_endpoint_url"
    )
    @classmethod
    def _web_address(cls, value: str | None) -> str | None:
        return web_address(value)

    @field_validator("oidc_issuer")
    @classmethod
    def _of_one_tenant(cls, value: str | None) -> str | None:
        # Tokens name their own tenant as issuer, so nobody could sign in by one of these.
        if value is not None and ENTRA_FOR_ALL.fullmatch(value):
            raise ValueError("names no tenant: put the tenant's id where common or organizations stands")
        return value

    @field_validator("database_url", "migration_database_url")
    @classmethod
    def _postgres(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        if not value.get_secret_value().startswith(("postgresql://", "postgres://")):
            raise ValueError("must begin with postgresql://")
        try:
            for host in hosts_of(value.get_secret_value()).split(","):  # several may stand there, each with its port
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
            raise ValueError("must be s3://bucket or s3://bucket/prefix, the bucket 3 to 63 letters, digits, . and -")
        return None if value is None else value.rstrip("/")

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: str) -> str:
        for one in _listed(value):
            try:
                ip_network(one)
            except ValueError:
                # Also "*": whoever may name his own address is never counted twice.
                raise ValueError(f"{one} is neither an address nor a network such as 10.0.0.0/8") from None
        return value

    @field_validator("workload_issuers")
    @classmethod
    def _issuers(cls, value: str) -> str:
        for one in _listed(value):
            if problem := problem_of(one):
                raise ValueError(f"{one} {problem}")
        return value

    @field_validator("workload_networks")
    @classmethod
    def _own_networks(cls, value: str) -> str:
        for one in _listed(value):
            try:
                known = any(_inside(ip_network(one), own) for own in OWN)
            except ValueError:
                known = False
            if not known:
                raise ValueError(f"{one} is no network of your own such as 10.20.0.0/16 or fd12:3456::/32")
        return value

    @field_validator("cors_origins")
    @classmethod
    def _web_origins(cls, value: str) -> str:
        for one in _listed(value):
            found = ORIGIN.fullmatch(one)
            if found is None or (found["scheme"] == "http" and found["host"] not in LOOPBACK):
                raise ValueError(f"{one} is no origin: write https://host or https://host:port, in lower case")
        return value

    @field_validator("oidc_groups_claim")
    @classmethod
    def _claim(cls, value: str) -> str:
        if CLAIM_NAME.fullmatch(value) is None:
            raise ValueError("is no claim's name: up to 100 letters, digits and _.:/#-")
        return value

    @field_validator("log_level")
    @classmethod
    def _known_level(cls, value: str) -> str:
        if value.lower() not in ("debug", "info", "warning", "error"):
            raise ValueError("must be debug, info, warning or error")
        return value.lower()

    @model_validator(mode="after")
    def _proven_database(self) -> "Settings":
        ways = {"EUCORA_DATABASE_URL": self.database_url, "EUCORA_MIGRATION_DATABASE_URL": self.migration_database_url}
        for name, url in ways.items():
            if url is not None:
                check_database(name, url.get_secret_value(), self.database_tls)
        return self

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
        """The name of the one credential that is set; None without one. Raises ValueError when there are several.

        The token of Azure's workload identity counts where the application is named and nothing else proves it.
        """
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
        if not given and self.intune_client_id is not None and self.azure_federated_token_file is not None:
            return "AZURE_FEDERATED_TOKEN_FILE"
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
    def origins_of_secrets(self) -> Mapping[str, Origin]:
        """Where to read a secret again, by setting; one that is not there stays as it is."""
        return self._origins

    @property
    def proxies(self) -> list[str]:
        return _listed(self.trusted_proxies)

    @property
    def origins(self) -> frozenset[str]:
        return frozenset(_listed(self.cors_origins))

    @property
    def issuers_of_workloads(self) -> IssuerList:
        return IssuerList(tuple(_listed(self.workload_issuers)))

    @property
    def networks_of_workloads(self) -> list[Network]:
        return [ip_network(one) for one in _listed(self.workload_networks)]

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
    names = {str(field.validation_alias) for field in Settings.model_fields.values()}
    if slip := slip_in(os.environ, names, (*SECRETS, *PROVIDER_SECRETS)):
        raise SettingsInvalid(slip)
    found = origins(overrides)
    read = followed(found)
    beside = {}
    if is_link("EUCORA_PORT", os.environ.get("EUCORA_PORT", "")):
        beside = {"EUCORA_PORT": Settings.model_fields["port"].default}
    try:
        settings = Settings(**{**beside, **read, **overrides})
    except ValidationError as error:
        raise one_line(error, NUMBERS) from None  # its text shows values
    settings._origins = found
    remember(settings)
    return settings
