"""Two ways into Jamf Pro, of which exactly one is set."""

import os
from pathlib import Path

import pytest

from eucora.settings import SettingsInvalid, read_settings

SERVER = {"JAMF_SERVER_URL": "https://jamf.example.org"}
CLIENT = {"JAMF_CLIENT_ID": "c", "JAMF_CLIENT_SECRET": "s3cret"}
ACCOUNT = {"JAMF_USERNAME": "robot", "JAMF_PASSWORD": "s3cret"}


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("EUCORA_", "INTUNE_", "JAMF_"))]:
        monkeypatch.delenv(name)


def setting(monkeypatch: pytest.MonkeyPatch, given: dict[str, str]) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("way", [CLIENT, ACCOUNT, {}])
def test_either_way_is_taken_and_so_is_none(monkeypatch: pytest.MonkeyPatch, way: dict[str, str]) -> None:
    setting(monkeypatch, SERVER | way if way else {})
    settings = read_settings()
    assert (settings.jamf_client_id is not None) == (way is CLIENT)
    assert (settings.jamf_username is not None) == (way is ACCOUNT)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (SERVER | CLIENT | ACCOUNT, "Jamf Pro has two ways in: set either JAMF_CLIENT_ID and JAMF_CLIENT_SECRET"),
        (SERVER | CLIENT | {"JAMF_USERNAME": "robot"}, "not both"),
        (SERVER, "JAMF_SERVER_URL is set without a way in: set either"),
        (ACCOUNT, "JAMF_SERVER_URL missing: set all of JAMF_SERVER_URL, JAMF_USERNAME, JAMF_PASSWORD"),
        (SERVER | {"JAMF_USERNAME": "robot"}, "JAMF_PASSWORD missing"),
        (CLIENT, "JAMF_SERVER_URL missing: set all of JAMF_SERVER_URL, JAMF_CLIENT_ID, JAMF_CLIENT_SECRET"),
        (SERVER | ACCOUNT | {"JAMF_USERNAME": "a:b"}, "JAMF_USERNAME: a name with a colon cannot sign in"),
    ],
)
def test_both_or_neither_or_half_of_one_is_said_in_one_line(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], words: str
) -> None:
    setting(monkeypatch, given)
    with pytest.raises(SettingsInvalid) as refusal:
        read_settings()
    assert words in str(refusal.value)
    assert "s3cret" not in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_the_password_may_come_from_a_file_and_never_shows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("s3cret\n")
    setting(monkeypatch, SERVER | {"JAMF_USERNAME": "robot", "JAMF_PASSWORD_FILE": str(tmp_path / "password")})
    settings = read_settings()
    assert settings.jamf_password is not None
    assert settings.jamf_password.get_secret_value() == "s3cret"
    assert "s3cret" not in repr(settings)
