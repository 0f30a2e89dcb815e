"""A wrong or missing setting is said in one line that names it, and never shows a secret."""

from pathlib import Path

import pytest

from eucora.settings import SettingsInvalid, read_settings

NAMES = ("EUCORA_", "INTUNE_", "JAMF_", "KANDJI_")


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in list(os.environ):
        if name.startswith(NAMES):
            monkeypatch.delenv(name)


def test_nothing_set_is_a_machine_of_its_own() -> None:
    settings = read_settings()
    assert (settings.database, settings.data_dir, settings.port) == (None, Path("var"), 8080)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("EUCORA_DATABASE_URL", "mysql://somebody:s3cret@db/eucora"),
        ("EUCORA_MIGRATION_DATABASE_URL", "db/eucora"),
        ("EUCORA_DATABASE_URL", "postgresql://somebody:s3cret@[::1/eucora"),
        ("EUCORA_DATABASE_URL", "postgresql://somebody:s3cret@db:five/eucora"),
        ("EUCORA_DATABASE_URL", "postgresql://somebody:s3cret/@db/eucora"),
        ("EUCORA_PORT", "abc"),
        ("EUCORA_PORT", "70000"),
        ("EUCORA_LOG_LEVEL", "loud"),
        ("EUCORA_OIDC_ISSUER", "http://idp.example.org"),
        ("EUCORA_OIDC_ISSUER", "http://localhost.evil.example"),
        ("EUCORA_OIDC_ISSUER", "http://localhost@evil.example/oidc"),
        ("EUCORA_OIDC_GROUPS_CLAIM", 'gro"ups'),
        ("INTUNE_LOGIN_URL", "http://127.0.0.1.evil.example"),
        ("INTUNE_LOGIN_URL", "http://[::1"),
        ("INTUNE_LOGIN_URL", "https://"),
        ("INTUNE_GRAPH_URL", "ftp://graph"),
        ("INTUNE_GRAPH_URL", "https://graph.example:port"),
        ("JAMF_SERVER_URL", "http://jamf.example.org"),
        ("KANDJI_API_URL", "http://example.api.kandji.io"),
        ("KANDJI_API_TOKEN", '"s3cret"'),
        ("KANDJI_API_TOKEN", "s3cret\nX-Other: 1"),
        ("EUCORA_JOB_LEASE_S", "0"),
        ("EUCORA_WORKLOAD_ISSUERS", "*"),
        ("EUCORA_WORKLOAD_ISSUERS", "https://gitlab.com, http://gitlab.example.org"),
        ("EUCORA_WORKLOAD_NETWORKS", "0.0.0.0/0"),
        ("EUCORA_WORKLOAD_NETWORKS", "10.0.0.0/8,127.0.0.0/8"),
        ("EUCORA_WORKLOAD_NETWORKS", "169.254.0.0/16"),
        ("EUCORA_WORKLOAD_NETWORKS", "fe80::/10"),
    ],
)
def test_a_wrong_value_names_its_setting(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsInvalid) as refusal:
        read_settings()
    told = str(refusal.value)
    assert told.startswith(f"{name}: ")
    assert "\n" not in told
    assert "s3cret" not in told


@pytest.mark.parametrize(
    "address",
    [
        "https://idp.example.org",
        "https://localhost.example.org",
        "http://127.0.0.1:9090/oidc",
        "http://localhost:9090",
        "http://LOCALHOST",
        "http://[::1]:9090/oidc",
    ],
)
def test_plain_http_goes_to_this_machine_only(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("EUCORA_OIDC_ISSUER", f"{address}/")
    assert read_settings().oidc_issuer == address


@pytest.mark.parametrize(
    "url",
    [
        "postgresql:///eucora?host=/run/postgresql",
        "postgresql://eucora_app@/eucora?host=/run/postgresql",
        "postgresql://app:p%2Fw%5B@db:5432/eucora?sslmode=verify-full",
        "postgres://app@[::1]:5432/eucora",
        "postgresql://app@one:5432,two:5433/eucora?sslmode=verify-full&sslrootcert=/etc/ssl/db.pem",
    ],
)
def test_what_names_a_database_is_taken_as_it_is(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("EUCORA_DATABASE_URL", url)
    assert read_settings().database == url


@pytest.mark.parametrize("value", ["abc", "-1", "70000", "80.5"])
def test_a_port_that_is_none_is_told_in_plain_words(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("EUCORA_PORT", value)
    with pytest.raises(SettingsInvalid, match=r"^EUCORA_PORT: must be a whole number from 0 to 65535$"):
        read_settings()


@pytest.mark.parametrize("value", ["soon", "0", "3601", "nan"])
def test_a_lease_that_is_none_is_told_in_plain_words(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("EUCORA_JOB_LEASE_S", value)
    with pytest.raises(SettingsInvalid, match=r"^EUCORA_JOB_LEASE_S: must be a number of seconds from 1 to 3600$"):
        read_settings()


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        (
            {"INTUNE_TENANT_ID": "t", "INTUNE_CLIENT_ID": "c"},
            "one of INTUNE_CLIENT_SECRET, INTUNE_CLIENT_CERTIFICATE_FILE and INTUNE_FEDERATED_TOKEN_FILE",
        ),
        ({"JAMF_CLIENT_SECRET": "s3cret"}, "JAMF_SERVER_URL, JAMF_CLIENT_ID"),
    ],
)
def test_half_a_plane_names_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], missing: str
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsInvalid, match=f"{missing} missing") as refusal:
        read_settings()
    assert "s3cret" not in str(refusal.value)


def test_a_secret_may_come_from_a_file_without_its_line_end(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "url").write_text("postgresql://app@localhost/eucora\n")
    monkeypatch.setenv("EUCORA_DATABASE_URL_FILE", str(tmp_path / "url"))
    assert read_settings().database == "postgresql://app@localhost/eucora"


@pytest.mark.parametrize("content", [None, "", " \n", "x" * 70_000])
def test_a_secret_file_that_holds_no_secret_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str | None
) -> None:
    path = tmp_path / "secret"
    if content is not None:
        path.write_text(content)
    monkeypatch.setenv("INTUNE_CLIENT_SECRET_FILE", str(path))
    with pytest.raises(SettingsInvalid, match=r"^INTUNE_CLIENT_SECRET_FILE="):
        read_settings()


def test_a_secret_never_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EUCORA_DATABASE_URL", "postgresql://app:s3cret@localhost/eucora")
    assert "s3cret" not in repr(read_settings())


def test_migrations_may_have_a_way_in_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EUCORA_DATABASE_URL", "postgresql://app@localhost/eucora")
    assert read_settings().migration_database == "postgresql://app@localhost/eucora"
    monkeypatch.setenv("EUCORA_MIGRATION_DATABASE_URL", "postgresql://owner@localhost/eucora")
    assert read_settings().migration_database == "postgresql://owner@localhost/eucora"


def test_nobodys_workloads_are_trusted_until_an_issuer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_settings().issuers_of_workloads.entries == ()
    monkeypatch.setenv("EUCORA_WORKLOAD_ISSUERS", "https://gitlab.example.org, *.ghe.com,http://127.0.0.1:9100/oidc")
    monkeypatch.setenv("EUCORA_WORKLOAD_NETWORKS", "10.20.0.0/16, fd12:3456::/32")
    settings = read_settings()
    assert len(settings.issuers_of_workloads.entries) == 3
    assert settings.issuers_of_workloads.allows("https://gitlab.example.org/")
    assert [str(network) for network in settings.networks_of_workloads] == ["10.20.0.0/16", "fd12:3456::/32"]
