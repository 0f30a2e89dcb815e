"""One S3 for all tests of the room, and a bucket of its own for each."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from artifact_stores import BucketOfTest, s3_server


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    with s3_server() as endpoint:
        yield endpoint


@pytest.fixture
def bucket(s3: str, tmp_path: Path) -> BucketOfTest:
    return BucketOfTest(s3, f"test-{uuid4().hex}", tmp_path / "incoming").make()
