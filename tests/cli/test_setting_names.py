"""A slip in a setting's name is told: what it was to change would stay as it was, and everything would read well."""

from collections.abc import Mapping

import pytest

from eucora.setting_names import slip_in
from eucora.settings import SettingsInvalid, read_settings

NAMES = ("EUCORA_DATABASE_URL", "EUCORA_PORT", "EUCORA_DATABASE_TLS", "JAMF_CLIENT_SECRET")
SECRETS = ("EUCORA_DATABASE_URL", "JAMF_CLIENT_SECRET")


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        (
            {"EUCORA_DATABSE_URL": "x"},
            "EUCORA_DATABSE_URL: there is no such setting; did you mean EUCORA_DATABASE_URL?",
        ),
        ({"EUCORA_PORT_FILE": "x"}, "EUCORA_PORT_FILE: there is no such setting; docs/settings.md lists them all"),
        ({"EUCORA_COLOUR": "x"}, "EUCORA_COLOUR: there is no such setting; docs/settings.md lists them all"),
        ({"JAMF_CLIENT_SECRT": "x"}, "JAMF_CLIENT_SECRT: there is no such setting; did you mean JAMF_CLIENT_SECRET?"),
        (
            {"JAMF_CLIENT_SECRET": "x", "JAMF_CLIENT_SECRET_FILE": "y"},
            "JAMF_CLIENT_SECRET and JAMF_CLIENT_SECRET_FILE are set: keep one of them",
        ),
        ({"JAMF_CLIENT_SECRET_FILE": "y", "EUCORA_DATABASE_URL": "x"}, None),
        ({"JAMF_URL": "of another program"}, None),
        ({"EUCORA_COLOUR": ""}, None),
        ({"PATH": "x", "OTEL_TRACES_EXPORTER": "otlp"}, None),
        ({"EUCORA_SERVER": "x", "EUCORA_TOKEN": "x", "EUCORA_TEST_LONG": "1", "EUCORA_IMAGE": "x"}, None),
    ],
)
def test_a_name_is_known_or_told(environment: Mapping[str, str], told: str | None) -> None:
    assert slip_in(environment, NAMES, SECRETS) == told


@pytest.mark.parametrize(
    "name",
    [
        "EUCORA_SERVICE_HOST",
        "EUCORA_SERVICE_PORT_HTTP",
        "EUCORA_API_SERVICE_HOST",
        "EUCORA_PORT_8080_TCP",
        "EUCORA_PORT_8080_TCP_ADDR",
    ],
)
def test_what_kubernetes_puts_into_a_pod_is_no_slip(name: str) -> None:
    assert slip_in({name: "10.0.0.1"}, NAMES, SECRETS) is None


@pytest.mark.parametrize("name", ["EUCORA_PORT", "EUCORA_API_PORT"])
def test_where_a_service_is_is_not_where_we_listen(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "tcp://10.96.0.17:80")
    assert read_settings().port == 8080
    assert read_settings(EUCORA_PORT=9000).port == 9000


def test_a_process_does_not_start_on_a_slip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EUCORA_DATABSE_TLS", "verify-full")
    with pytest.raises(SettingsInvalid, match="did you mean EUCORA_DATABASE_TLS"):
        read_settings()


def test_what_comes_from_within_is_not_judged() -> None:
    assert read_settings(EUCORA_PORT=0).port == 0
