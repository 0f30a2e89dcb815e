"""Settings that are each well formed and together open a door stop the start, in one line that names the way out."""

import os
from pathlib import Path

import pytest
import structlog
from typer.testing import CliRunner

from eucora.cli.main import app
from eucora.settings import Settings, SettingsInvalid, read_settings
from eucora.unsafe_settings import MODES, ProvenUrl, elsewhere, refuse_unsafe, tell_open_files

PUBLIC = {"EUCORA_HOST": "0.0.0.0"}
APP = "eucora_app"
FAR = "postgresql://app:s3cret@db.example/eucora"


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("EUCORA_", "INTUNE_", "JAMF_", "KANDJI_", "PG")):
            monkeypatch.delenv(name)


def refused(given: dict[str, str], *, lab: bool = False) -> str:
    """What is said to whoever wants to listen with these settings; empty when nothing is."""
    said = ""
    try:
        # Not read_settings, which has the process hide these well-known words from every later text.
        refuse_unsafe(Settings(**given), lab=lab)  # type: ignore[arg-type]  # aliases, as the environment spells them
    except SettingsInvalid as error:
        said = str(error)
    assert "\n" not in said
    assert "s3cret" not in said
    return said


# The database.


@pytest.mark.parametrize("name", ["EUCORA_DATABASE_URL", "EUCORA_MIGRATION_DATABASE_URL"])
@pytest.mark.parametrize(
    "query",
    [
        "",
        "?sslmode=disable",
        "?sslmode=prefer",
        "?sslmode=require",
        "?sslmode=verify-ca",
        "?sslmode=VERIFY-FULL",
        "?sslmode=verify-full&sslmode=prefer",
        "?ssl=verify-full",
    ],
)
def test_a_database_on_another_machine_needs_a_proven_connection(name: str, query: str) -> None:
    with pytest.raises(SettingsInvalid) as refusal:
        read_settings(**{name: f"{FAR}{query}"})
    told = str(refusal.value)
    assert told.startswith(f"{name}: db.example is another machine")
    assert "sslmode=verify-full&sslrootcert=" in told
    assert "EUCORA_DATABASE_TLS" in told
    assert "s3cret" not in told


@pytest.mark.parametrize("least", MODES)
def test_a_weaker_mode_has_to_be_asked_for_by_name(least: str) -> None:
    taken = []
    for mode in ("disable", "allow", "prefer", *MODES[1:]):
        try:
            read_settings(EUCORA_DATABASE_URL=f"{FAR}?sslmode={mode}", EUCORA_DATABASE_TLS=least)
        except SettingsInvalid:
            continue
        taken.append(mode)
    stronger = MODES[1:][max(0, MODES.index(least) - 1) :]  # type: ignore[arg-type]  # one of them
    assert taken == [*(["disable", "allow", "prefer"] if least == "off" else []), *stronger]


@pytest.mark.parametrize(
    "url",
    [
        "postgresql:///eucora",
        "postgresql://app@/eucora?host=/run/postgresql",
        "postgresql://app@%2Frun%2Fpostgresql/eucora",
        "postgresql://app@localhost/eucora",
        "postgresql://app@127.0.0.7:5432/eucora",
        "postgresql://app@[::1]:5432/eucora",
        "postgresql://app@127.0.0.1:5432,[::1]:5433/eucora",
    ],
)
def test_the_way_to_a_database_on_this_machine_needs_none(url: str) -> None:
    assert read_settings(EUCORA_DATABASE_URL=url).database == url


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://app@/eucora?host=db.example",
        "postgresql://app@localhost,db.example/eucora",
        "postgresql://app@localhost.example/eucora",
        "postgresql://app@[2001:db8::1]:5432/eucora",
        "postgresql://app@10.0.0.9/eucora",
        "postgresql:///eucora?service=elsewhere",
    ],
)
def test_no_way_of_writing_a_host_hides_that_it_is_another_machine(url: str) -> None:
    with pytest.raises(SettingsInvalid, match="is another machine"):
        read_settings(EUCORA_DATABASE_URL=url)


def test_what_the_drivers_own_variables_add_counts_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOST", "db.example")
    with pytest.raises(SettingsInvalid, match=r"db\.example is another machine"):
        read_settings(EUCORA_DATABASE_URL="postgresql:///eucora")
    monkeypatch.setenv("PGSSLMODE", "verify-full")
    assert read_settings(EUCORA_DATABASE_URL="postgresql:///eucora").database
    with pytest.raises(SettingsInvalid, match="sslmode=prefer"):
        read_settings(EUCORA_DATABASE_URL="postgresql:///eucora?sslmode=prefer")


class Keeper:
    """Where the address is kept: somebody may put another one there."""

    def __init__(self, value: str) -> None:
        self.value = self.there = value

    async def another_than(self, refused: str) -> bool:
        self.value = self.there
        return self.value != refused


async def test_an_address_that_changes_while_we_run_is_followed_to_nowhere_less_safe() -> None:
    first = f"{FAR}?sslmode=verify-full"
    keeper = Keeper(first)
    url = ProvenUrl("EUCORA_DATABASE_URL", keeper, "verify-full")
    keeper.there = "postgresql://app:s3cret@evil.example/eucora"
    with structlog.testing.capture_logs() as records:
        assert not await url.another_than(first)
    assert url.value == first
    assert [one["event"] for one in records] == ["database_address_not_followed"]
    assert "s3cret" not in str(records)
    keeper.there = first.replace("s3cret", "n3wer")
    assert await url.another_than(first)
    assert url.value == keeper.there


def test_a_mode_that_there_is_not_is_told_in_plain_words() -> None:
    with pytest.raises(SettingsInvalid, match=r"^EUCORA_DATABASE_TLS: must be verify-full, verify-ca, require or off$"):
        read_settings(EUCORA_DATABASE_TLS="sometimes")


# The door.

INTUNE = {"INTUNE_TENANT_ID": "t", "INTUNE_CLIENT_ID": "c", "INTUNE_CLIENT_SECRET": "A9~s3cret-of-length"}
JAMF = {"JAMF_SERVER_URL": "https://jamf.example", "JAMF_USERNAME": "api", "JAMF_PASSWORD": "correct-s3cret"}
UNSAFE = {
    "EUCORA_LOG_LEVEL: debug": {"EUCORA_LOG_LEVEL": "DEBUG"},
    "EUCORA_OIDC_ISSUER: http://127.0.0.1": {"EUCORA_OIDC_ISSUER": "http://127.0.0.1:9090/oidc"},
    "INTUNE_GRAPH_URL: http://127.0.0.1": INTUNE | {"INTUNE_GRAPH_URL": "http://127.0.0.1:9090/graph"},
    "INTUNE_LOGIN_URL: http://[::1]": INTUNE | {"INTUNE_LOGIN_URL": "http://[::1]:9090/login"},
    "JAMF_SERVER_URL: http://localhost": JAMF | {"JAMF_SERVER_URL": "http://localhost:9090"},
    "EUCORA_WORKLOAD_ISSUERS: http://127.0.0.1": {"EUCORA_WORKLOAD_ISSUERS": "*.ghe.com,http://127.0.0.1:9100/oidc"},
    "KANDJI_API_URL: http://localhost": {"KANDJI_API_URL": "http://localhost:9090", "KANDJI_API_TOKEN": "a.b-c"},
    "INTUNE_TENANT_ID, INTUNE_CLIENT_ID: ": INTUNE | {"INTUNE_TENANT_ID": "00000000-0000-0000-0000-000000000000"},
    "INTUNE_CLIENT_SECRET: holds": INTUNE | {"INTUNE_CLIENT_SECRET": "ChangeMe"},
    "JAMF_PASSWORD: holds": JAMF | {"JAMF_PASSWORD": "api"},
    "KANDJI_API_TOKEN: holds": {"KANDJI_API_URL": "https://k.example", "KANDJI_API_TOKEN": "test"},
    "EUCORA_DATABASE_URL: holds": {"EUCORA_DATABASE_URL": f"postgresql://{APP}:{APP}@localhost/eucora"},
    "EUCORA_MIGRATION_DATABASE_URL: holds": {
        "EUCORA_MIGRATION_DATABASE_URL": "postgresql://ada:p%6fstgres@localhost/eucora"
    },
    "EUCORA_VAULT_TOKEN: holds": {"EUCORA_VAULT_URL": "https://vault.example", "EUCORA_VAULT_TOKEN": "demo"},
}  # fmt: skip


@pytest.mark.parametrize("told", UNSAFE)
def test_what_is_good_on_ones_own_machine_does_not_go_on_a_public_door(told: str) -> None:
    said = refused(PUBLIC | UNSAFE[told])
    assert said.startswith(told)
    assert "EUCORA_HOST=0.0.0.0 is reached from other machines" in said
    assert refused(UNSAFE[told]) == "", "on loopback it is nobody else's business"


def test_the_lab_stays_on_this_machine() -> None:
    assert refused(PUBLIC, lab=True).startswith("--lab: its people have passwords")
    assert refused({}, lab=True) == ""


@pytest.mark.parametrize("networks", ["0.0.0.0/0", "10.0.0.0/8, ::/0"])
def test_not_everybody_is_a_proxy(networks: str) -> None:
    assert refused({"EUCORA_TRUSTED_PROXIES": networks}).startswith("EUCORA_TRUSTED_PROXIES: ")
    assert refused(PUBLIC | {"EUCORA_TRUSTED_PROXIES": "10.0.0.0/8"}) == ""


def test_a_whole_installation_may_listen() -> None:
    given = PUBLIC | INTUNE | JAMF | {"EUCORA_OIDC_ISSUER": "https://idp.example"}
    assert refused(given | {"EUCORA_DATABASE_URL": f"{FAR}?sslmode=verify-full"}) == ""


@pytest.mark.parametrize(
    ("host", "public"),
    [
        ("127.0.0.1", False),
        ("127.9.9.9", False),
        ("::1", False),
        ("localhost", False),
        ("0.0.0.0", True),
        ("::", True),
        ("", True),
        ("10.0.0.1", True),
        ("localhost.example", True),
        ("127.0.0.1.example", True),
    ],
)
def test_what_is_this_machine_alone(host: str, public: bool) -> None:
    assert elsewhere(host) is public


@pytest.mark.parametrize("command", [["serve"], ["up"], ["up", "--lab"]])
def test_the_commands_that_listen_refuse_before_anything_starts(
    command: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("EUCORA_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("EUCORA_LOG_LEVEL", "debug")
    ended = CliRunner().invoke(app, [*command, "--host", "0.0.0.0", "--port", "0"])
    assert ended.exit_code == 2
    assert ended.stderr.startswith("eucora: EUCORA_LOG_LEVEL: debug")
    assert len(ended.stderr.splitlines()) == 1
    assert not (tmp_path / "data").exists()


def test_no_setting_turns_the_sign_in_off() -> None:
    """Without an issuer only service tokens open the API; there is nothing that opens it to all."""
    names = {str(field.validation_alias) for field in Settings.model_fields.values()}
    assert not [name for name in names if any(word in name for word in ("INSECURE", "NO_AUTH", "ANONYMOUS", "DISABLE"))]


# Files.


def test_a_secret_file_that_all_may_read_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shut, opened = tmp_path / "shut", tmp_path / "opened"
    for path, mode in ((shut, 0o640), (opened, 0o644)):
        path.write_text("a-b-c")
        path.chmod(mode)
    monkeypatch.setenv("JAMF_CLIENT_SECRET_FILE", str(opened))
    monkeypatch.setenv("INTUNE_CLIENT_SECRET_FILE", str(shut))
    monkeypatch.setenv("KANDJI_API_TOKEN_FILE", "/run/secrets/not-there")
    with structlog.testing.capture_logs() as records:
        assert tell_open_files(Settings.model_construct()) == [opened]
    assert [(one["event"], one["setting"]) for one in records] == [
        ("secret_file_readable_by_all", "JAMF_CLIENT_SECRET_FILE")
    ]
    assert "a-b-c" not in str(records)
