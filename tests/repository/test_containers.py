"""The image and the compose file give a process no more than it needs."""

import asyncio
import importlib.metadata
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import yaml
from repository_files import ROOT

from eucora.settings import SECRETS, Settings, SettingsInvalid, read_settings
from eucora.store import migrate
from eucora.store.embedded import EmbeddedPostgres, find_binaries
from eucora.unsafe_settings import elsewhere, refuse_unsafe

DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = [name for name in SERVICES if name != "postgres"]
SCRIPT = ROOT / "scripts" / "compose-secrets"


def lock(name: str) -> str:
    return (ROOT / "requirements" / f"{name}.txt").read_text()


def instructions() -> list[tuple[str, str]]:
    """(instruction, arguments) of the Dockerfile, continued lines joined and comments left out."""
    lines = [line for line in DOCKERFILE.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [
        (word.upper(), rest.strip()) for word, _, rest in (line.partition(" ") for line in joined.splitlines()) if word
    ]


def final_stage() -> list[tuple[str, str]]:
    every = instructions()
    return every[max(index for index, (word, _) in enumerate(every) if word == "FROM") :]


def last(word: str) -> str:
    return [rest for one, rest in final_stage() if one == word][-1]


def test_the_image_runs_as_a_numbered_ordinary_user() -> None:
    user, group = last("USER").split(":")
    assert int(user) >= 1000
    assert int(group) >= 1000
    words = [word for word, _ in final_stage()]
    assert not {"RUN", "COPY", "ADD"} & set(words[words.index("USER") :]), "nothing is written as the user who runs"


def test_every_stage_stands_on_the_base_that_a_release_pins() -> None:
    assert [rest.split()[0] for word, rest in instructions() if word == "FROM"] == ["${PYTHON_IMAGE}"] * 2
    assert [rest.split("=")[0] for word, rest in instructions() if word == "ARG"] == ["PYTHON_IMAGE"]
    assert "@sha256:" in DOCKERFILE


def test_dependencies_are_installed_by_hash_from_the_image_lock() -> None:
    installs = re.findall(r"install (?:(?! && ).)*-r requirements/(\S+)", " ".join(rest for _, rest in instructions()))
    assert installs == ["build.txt", "image.txt"]
    assert DOCKERFILE.count("--require-hashes --only-binary :all: -r requirements/") == 2
    assert "ADD" not in {word for word, _ in instructions()}


def test_the_final_stage_installs_nothing() -> None:
    runs = [rest for word, rest in final_stage() if word == "RUN"]
    assert runs == ["python -m pip uninstall --yes --quiet --root-user-action ignore pip setuptools wheel"]


def test_the_image_says_how_it_is_asked_for_its_health_and_is_started() -> None:
    assert "/livez" in last("HEALTHCHECK")
    assert last("ENTRYPOINT") == '["eucora"]'
    port = re.search(r"EUCORA_PORT=(\d+)", last("ENV"))
    assert port
    assert last("EXPOSE") == port[1]


def test_the_migrations_are_where_an_installed_eucora_looks_for_them() -> None:
    environment = re.search(r"^ENV PATH=(\S+)/bin:", DOCKERFILE, flags=re.MULTILINE)
    assert environment
    assert (
        f"COPY migrations {environment[1]}/{migrate.INSTALLED.relative_to(migrate.INSTALLED.parents[2])}" in DOCKERFILE
    )


def test_the_build_sees_only_what_it_copies() -> None:
    ignore = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    assert ignore[0] == "*"
    copied = [rest.split()[:-1] for word, rest in instructions() if word == "COPY" and "--from" not in rest]
    assert {name for names in copied for name in names} == {line[1:] for line in ignore if line[0] == "!"}


def test_the_commands_load_without_what_the_image_leaves_out() -> None:
    left_out = {
        match
        for match in re.findall(r"^([a-z0-9.-]+)==", lock("runtime"), flags=re.M)
        if f"{match}==" not in lock("image")
    }
    modules = {
        module
        for module, distributions in importlib.metadata.packages_distributions().items()
        if {re.sub(r"[._-]+", "-", name).lower() for name in distributions} <= left_out
    }
    assert {"cyclonedx", "packageurl", "setuptools"} <= modules
    program = f"import sys; sys.modules.update(dict.fromkeys({sorted(modules)!r})); import eucora.cli.main"
    ran = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr[-2000:]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_hardened(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert "privileged" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    user, group = service["user"].split(":")
    assert int(user) > 0
    assert int(group) > 0
    assert 0 < service["pids_limit"] <= 1024
    assert re.fullmatch(r"\d+[mg]", service["mem_limit"])
    assert all("noexec" in mount and "nosuid" in mount for mount in service["tmpfs"])


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_says_whether_it_is_well(name: str) -> None:
    if SERVICES[name]["restart"] == "no":
        assert SERVICES[name]["healthcheck"] == {"disable": True}
        return
    assert SERVICES[name]["healthcheck"]["test"][0] == "CMD", "no shell is needed to ask"


def test_each_role_waits_for_the_one_before() -> None:
    assert SERVICES["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    for name in ("api", "worker"):
        assert SERVICES[name]["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}


def test_no_secret_is_in_the_environment() -> None:
    for name, service in SERVICES.items():
        for key, value in service["environment"].items():
            if re.search(r"PASSWORD|SECRET|TOKEN|DATABASE_URL", key):
                assert key.endswith("_FILE"), f"{name}: {key}"
                assert str(value).startswith("/run/secrets/"), f"{name}: {key}"
                assert Path(value).name in service["secrets"], f"{name}: {key} names a file that is not mounted"


def test_only_the_migration_sees_the_owners_way_in() -> None:
    sees = {name for name, service in SERVICES.items() if "migration_database_url" in service["secrets"]}
    assert sees == {"migrate"}


def test_what_compose_sets_is_what_eucora_reads() -> None:
    known = {str(field.validation_alias) for field in Settings.model_fields.values()} | {
        f"{name}_FILE" for name in SECRETS
    }
    given = {key for name in OURS for key in SERVICES[name]["environment"]}
    assert given
    assert given <= known


def test_nothing_is_published_beyond_this_host() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert set(published) == {"api"}
    assert all(port.startswith("127.0.0.1:") for port in published["api"])
    assert COMPOSE["networks"]["database"] == {"internal": True}
    assert SERVICES["postgres"]["networks"] == ["database"]


def test_the_secrets_that_compose_mounts_are_written_once_and_fit_together(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    subprocess.run([SCRIPT, folder], check=True, capture_output=True)
    written = {path.name: path.read_text() for path in folder.iterdir()}
    assert (
        set(written) == {Path(secret["file"]).name for secret in COMPOSE["secrets"].values()} == set(COMPOSE["secrets"])
    )
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o444}
    owner, app = written["postgres_password"], written["app_password"]
    assert re.fullmatch(r"[0-9a-f]{64}", owner)
    assert re.fullmatch(r"[0-9a-f]{64}", app)
    assert owner != app
    place = "@postgres:5432/eucora"
    assert written["migration_database_url"] == f"postgresql://eucora:{owner}{place}"
    assert written["database_url"] == f"postgresql://eucora_app:{app}{place}"

    again = subprocess.run([SCRIPT, folder], check=False, capture_output=True, text=True)
    assert again.returncode == 1
    assert "remove it by hand" in again.stderr
    assert {path.name: path.read_text() for path in folder.iterdir()} == written


def test_what_compose_sets_up_may_listen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The passwords go over a bridge inside the host, which compose says; without saying so it does not start."""
    for name in [name for name in os.environ if name.startswith(("EUCORA_", "PG"))]:
        monkeypatch.delenv(name)
    subprocess.run([SCRIPT, tmp_path / "secrets"], check=True, capture_output=True)
    environment = SERVICES["api"]["environment"] | {"EUCORA_HOST": re.findall(r"EUCORA_HOST=(\S+)", last("ENV"))[0]}
    given = {name: re.sub(r"\$\{\w+:-(.*)\}", r"\1", value) for name, value in environment.items()}
    given["EUCORA_DATABASE_URL"] = (tmp_path / "secrets" / Path(given.pop("EUCORA_DATABASE_URL_FILE")).name).read_text()
    given = {name: value for name, value in given.items() if value}
    assert elsewhere(given["EUCORA_HOST"])
    refuse_unsafe(read_settings(**given))
    assert given.pop("EUCORA_DATABASE_TLS") == "off"
    assert COMPOSE["networks"]["database"] == {"internal": True}
    with pytest.raises(SettingsInvalid, match=r"^EUCORA_DATABASE_URL: postgres is another machine"):
        read_settings(**given)


def test_the_apps_login_has_its_password_before_the_first_migration(tmp_path: Path) -> None:
    secret = tmp_path / "app_password"
    secret.write_text("a'quoted\\password")
    # What the container's shell gets: compose turns $$ into $.
    script = (
        COMPOSE["configs"]["app_role"]["content"].replace("$$", "$").replace("/run/secrets/app_password", str(secret))
    )
    with EmbeddedPostgres(tmp_path / "pg") as server:
        environment = {
            "PATH": f"{find_binaries()}{os.pathsep}{os.environ['PATH']}",
            "PGHOST": str(server.socket_dir),
            "POSTGRES_USER": "eucora",
            "POSTGRES_DB": "postgres",
        }
        subprocess.run(["bash", "-euc", script], check=True, env=environment, capture_output=True)
        migrate.upgrade(server.dsn("postgres"))
        kept, may_write, may_remove = asyncio.run(_app_role(server.dsn("postgres")))
    assert kept.startswith("SCRAM-SHA-256$")
    assert may_write
    assert not may_remove


async def _app_role(url: str) -> tuple[str, bool, bool]:
    connection = await asyncpg.connect(url)
    row = await connection.fetchrow(
        "select rolpassword, has_table_privilege(rolname, 'event', 'insert'),"
        " has_table_privilege(rolname, 'event', 'delete') from pg_authid where rolname = 'eucora_app'"
    )
    await connection.close()
    return tuple(row)
