"""What no installation may start with: settings that are each well formed and together open a door."""

import os
import re
import stat
from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import parse_qs, unquote, urlsplit

import structlog

from eucora.secret_settings import PROVIDER_SECRETS, SECRETS, SettingsInvalid

if TYPE_CHECKING:
    from eucora.settings import Settings
    from eucora.store.database import ChangingUrl

Tls = Literal["off", "require", "verify-ca", "verify-full"]
# libpq's words for what a client demands, weakest first; what is not named here falls back to plain text when asked to.
# Source: PostgreSQL 18 documentation, section 32.19.3, table 32.1; asyncpg 0.32 follows it; both read 2026-11-23.
MODES: Final[tuple[Tls, ...]] = ("off", "require", "verify-ca", "verify-full")
# What examples and images of others ship with. A secret that is also the name of its user is caught beside these.
WELL_KNOWN: Final = frozenset({
    "admin", "changeme", "change-me", "default", "demo", "eucora", "eucora_app", "example", "lab", "letmein", "pass",
    "password", "postgres", "secret", "test", "topsecret", "your-secret",
})  # fmt: skip
DOCUMENTED: Final = "00000000-0000-0000-0000-000000000000"  # the id that our papers print
MOUNTED: Final = Path("/run/secrets")  # what an orchestrator mounts is readable inside its container alone

_log = structlog.get_logger(__name__)


def elsewhere(host: str) -> bool:
    """Whether an address to listen on, or a host to go to, is more than this machine's loopback."""
    try:
        return not ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() != "localhost"


def check_database(name: str, url: str, least: Tls) -> None:
    """The way to a database on another machine is encrypted, and ends where the certificate says.

    ``least``: the weakest mode that will do. Raises ValueError: one line that names the setting and the way out.
    """
    far = [host for host in _database_hosts(url) if not host.startswith("/") and elsewhere(host)]
    asked = _last(url, "sslmode") or os.environ.get("PGSSLMODE") or "prefer"
    strength: dict[str, int] = {mode: number for number, mode in enumerate(MODES)}
    if far and strength.get(asked, 0) < strength[least]:
        raise ValueError(
            f"{name}: {far[0]} is another machine and sslmode={asked} would do without a proven TLS connection: add "
            f"sslmode={least}&sslrootcert=<file with its CA> to the address, or name a weaker EUCORA_DATABASE_TLS"
        )


def hosts_of(url: str) -> str:
    """``host:port`` of a database's address, several separated by commas, without user and password.

    Cut by hand: ``urlsplit`` takes several hosts with brackets among them for one that is wrong.
    """
    return re.split("[/?#]", url.partition("://")[2], maxsplit=1)[0].rpartition("@")[2]


def _database_hosts(url: str) -> list[str]:
    """Where asyncpg would connect to; a path is a Unix socket, and without any it is this machine's."""
    listed = hosts_of(url) or _last(url, "host") or os.environ.get("PGHOST") or ""
    if not listed and (_last(url, "service") or os.environ.get("PGSERVICE")):
        return ["what a service file names"]
    hosts = [unquote(one) for one in listed.split(",") if one]
    return [one if one.startswith("/") else urlsplit(f"//{one}").hostname or "" for one in hosts]


def _last(url: str, parameter: str) -> str | None:
    return parse_qs(urlsplit(url).query).get(parameter, [None])[-1]


class ProvenUrl:
    """The address of the database, which may change while we run, as long as it stays as safe as it had to be.

    One that does not is told in the log and not followed: who can write a secret cannot lead us elsewhere in the open.
    """

    def __init__(self, name: str, url: "ChangingUrl", least: Tls) -> None:
        self._name, self._url, self._least = name, url, least
        self._last = url.value

    @property
    def value(self) -> str:
        """The newest that may be followed."""
        now = self._url.value
        if now != self._last:
            try:
                check_database(self._name, now, self._least)
            except ValueError as error:
                _log.error("database_address_not_followed", setting=self._name, reason=str(error))
            else:
                self._last = now
        return self._last

    async def another_than(self, refused: str) -> bool:
        """Read it anew; whether there is another one that may be followed."""
        await self._url.another_than(refused)
        return self.value != refused


def refuse_unsafe(settings: "Settings", *, lab: bool = False) -> None:
    """For whoever is about to listen. ``lab``: the simulated vendors come with it.

    Raises:
        SettingsInvalid: the first thing that must not be, in one line with the way out.
    """
    wide = [one for one in settings.proxies if ip_network(one).prefixlen == 0]
    if wide:
        raise SettingsInvalid(
            f"EUCORA_TRUSTED_PROXIES: {wide[0]} is everybody, who could then claim any address: name your proxies' own"
        )
    if not elsewhere(settings.host):
        return
    problem = _exposed(settings, lab=lab) or _guessable(settings)
    if problem:
        raise SettingsInvalid(f"{problem} (EUCORA_HOST={settings.host} is reached from other machines)")


def _exposed(settings: "Settings", *, lab: bool) -> str | None:
    if settings.log_level == "debug":
        return "EUCORA_LOG_LEVEL: debug is for a machine of one's own: use info, or listen on 127.0.0.1"
    if lab:
        return "--lab: its people have passwords that anybody can work out: listen on 127.0.0.1, or leave it out"
    # Only this machine's own may be plain http: a simulator, or a provider that somebody tries things with.
    tried: Mapping[str, str | None] = {
        "EUCORA_OIDC_ISSUER": settings.oidc_issuer,
        "INTUNE_LOGIN_URL": settings.intune_login_url,
        "INTUNE_GRAPH_URL": settings.intune_graph_url,
        "JAMF_SERVER_URL": settings.jamf_server_url,
        "KANDJI_API_URL": settings.kandji_api_url,
    }
    for name, address in tried.items():
        if address is not None and address.startswith("http://"):
            return f"{name}: {address} is for trying things out: name the real one by https, or listen on 127.0.0.1"
    for address in settings.issuers_of_workloads.entries:
        if address.startswith("http://"):
            return f"EUCORA_WORKLOAD_ISSUERS: {address} is for trying things out: leave it out, or listen on 127.0.0.1"
    if DOCUMENTED in (settings.intune_tenant_id, settings.intune_client_id):
        return "INTUNE_TENANT_ID, INTUNE_CLIENT_ID: are still those of the documentation: put in your own"
    return None


def _guessable(settings: "Settings") -> str | None:
    for name, (user, secret) in _secrets(settings).items():
        if secret.lower() in WELL_KNOWN or secret == user:
            return f"{name}: holds a secret that comes with examples, or its user's name: make one of your own"
    return None


def _secrets(settings: "Settings") -> dict[str, tuple[str | None, str]]:
    """The secrets that are set, by the name of the setting, each with the user whose it is where there is one."""
    users = {"JAMF_PASSWORD": settings.jamf_username, "JAMF_CLIENT_SECRET": settings.jamf_client_id}
    found: dict[str, tuple[str | None, str]] = {}
    for field, info in type(settings).model_fields.items():
        name, value = str(info.validation_alias), getattr(settings, field)
        if name not in (*SECRETS, *PROVIDER_SECRETS) or value is None:
            continue
        secret = value.get_secret_value()
        if name.endswith("DATABASE_URL"):
            parts = urlsplit(secret)
            if parts.password:
                found[name] = (unquote(parts.username or ""), unquote(parts.password))
        else:
            found[name] = (users.get(name), secret)
    return found


def tell_open_files(settings: "Settings") -> list[Path]:
    """Log every file with a secret that anybody on this machine may read; the files."""
    named = {name: os.environ.get(f"{name}_FILE") for name in (*SECRETS, *PROVIDER_SECRETS)}
    certificate = settings.intune_client_certificate_file
    named["INTUNE_CLIENT_CERTIFICATE"] = None if certificate is None else str(certificate)
    opened = []
    for name, path in named.items():
        if not path or Path(path).is_relative_to(MOUNTED):
            continue
        try:
            mode = Path(path).stat().st_mode
        except OSError:
            continue  # who reads it says so
        if mode & stat.S_IROTH:
            opened.append(Path(path))
            _log.warning("secret_file_readable_by_all", setting=f"{name}_FILE", path=path)
    return opened
