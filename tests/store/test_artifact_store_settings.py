"""Which artifact store an installation gets from its settings."""

from pathlib import Path

import pytest
from artifact_stores import CONTENT, BucketOfTest, put, stream

from eucora.api.handlers import problem_of
from eucora.bootstrap import artifact_store
from eucora.settings import Settings, SettingsInvalid, read_settings
from eucora.store.artifacts import LocalArtifacts
from eucora.store.s3_artifacts import ArtifactStoreAway, S3Artifacts


@pytest.fixture(autouse=True)
def nothing_else_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ARTIFACT_STORE_URL", "S3_ENDPOINT_URL", "S3_REGION", "S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY"):
        for suffix in ("", "_FILE"):
            monkeypatch.delenv(f"EUCORA_{name}{suffix}", raising=False)


def test_without_a_bucket_artifacts_are_in_the_data_folder(tmp_path: Path) -> None:
    assert isinstance(artifact_store(settings(EUCORA_DATA_DIR=tmp_path)), LocalArtifacts)
    assert (tmp_path / "artifacts").is_dir()


async def test_a_bucket_is_used_with_the_key_of_the_settings(
    bucket: BucketOfTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("from-a-file\n")
    monkeypatch.setenv("EUCORA_S3_SECRET_ACCESS_KEY_FILE", str(secret))
    told = settings(
        EUCORA_DATA_DIR=tmp_path,
        EUCORA_ARTIFACT_STORE_URL=f"s3://{bucket.name}/eucora/",
        EUCORA_S3_ENDPOINT_URL=bucket.endpoint,
        EUCORA_S3_REGION="eu-west-1",
        EUCORA_S3_ACCESS_KEY_ID="key",
    )
    assert told.s3_secret_access_key is not None
    assert told.s3_secret_access_key.get_secret_value() == "from-a-file"
    store = artifact_store(told)
    assert isinstance(store, S3Artifacts)
    digest, _ = await put(store, stream(CONTENT), size_max=len(CONTENT))
    assert bucket.keys() == [f"eucora/sha256/{digest[:2]}/{digest}"]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"EUCORA_ARTIFACT_STORE_URL": "https://bucket"}, "EUCORA_ARTIFACT_STORE_URL: must be s3://bucket"),
        ({"EUCORA_ARTIFACT_STORE_URL": "s3://Bucket"}, "EUCORA_ARTIFACT_STORE_URL: must be s3://bucket"),
        ({"EUCORA_ARTIFACT_STORE_URL": "s3://bucket/../other"}, "EUCORA_ARTIFACT_STORE_URL: must be s3://bucket"),
        ({"EUCORA_S3_ENDPOINT_URL": "http://s3.example.org"}, "EUCORA_S3_ENDPOINT_URL: must be an https:// address"),
        ({"EUCORA_S3_ACCESS_KEY_ID": "key"}, "EUCORA_S3_SECRET_ACCESS_KEY missing"),
        ({"EUCORA_S3_SECRET_ACCESS_KEY": "hush-hush"}, "EUCORA_S3_ACCESS_KEY_ID missing"),
    ],
)
def test_a_setting_that_cannot_be_is_told_in_one_line(wrong: dict[str, str], told: str) -> None:
    with pytest.raises(SettingsInvalid) as caught:
        settings(**wrong)
    assert str(caught.value).startswith(told)
    assert "hush-hush" not in str(caught.value)


def test_a_store_that_is_away_is_no_fault_of_the_request_and_may_be_asked_again() -> None:
    told = problem_of(ArtifactStoreAway("kept", OSError("no route\nand pages of it")))
    assert (told.row.status, told.row.slug) == (503, "artifact-store-away")
    assert told.headers["Retry-After"]
    assert "pages" not in told.detail


def settings(**given: object) -> Settings:
    return read_settings(**given)
