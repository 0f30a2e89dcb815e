"""AWS Secrets Manager, as whoever this machine is to AWS.

That is botocore's own chain, in its order: a key in the environment; a web identity (``AWS_ROLE_ARN`` and
``AWS_WEB_IDENTITY_TOKEN_FILE``, which EKS projects for a service account); profiles; the container's role (ECS, EKS Pod
Identity); the instance's role from its metadata service, by session token (IMDSv2). It renews temporary credentials.
The library is not needed for anything else: it is imported when a setting asks for it.
Sources: AWS Secrets Manager API Reference, GetSecretValue; botocore 1.44, ``create_credential_resolver``; both read
2026-11-23.
"""

import asyncio
import os
import re
import threading
from collections.abc import Callable
from typing import Any, Final, Protocol

from eucora.connectors.secrets.references import Reference, SecretUnavailable, field_of, usable

_CODE: Final = re.compile(r"[A-Za-z][A-Za-z.]{2,59}")  # as AWS writes one; anything else may be anybody's words
_WAYS_OUT: Final = {
    "ResourceNotFoundException": "there is no such secret in this account and region: check the name and AWS_REGION",
    "AccessDeniedException": "we may not read it: allow secretsmanager:GetSecretValue (and kms:Decrypt) on it",
    "UnrecognizedClientException": "AWS does not know our key: check the credentials of this machine",
    "InvalidSignatureException": "AWS does not accept our key: check the credentials and the clock of this machine",
    "ExpiredTokenException": "our session has ended: renew the credentials of this machine",
    "AccessDenied": "STS does not let us have the role: check its trust policy, and AWS_ROLE_ARN",
    "InvalidIdentityToken": "STS does not accept the web identity: check the role's identity provider and audience",
    "ExpiredToken": "the web identity has ended: is its file still replaced?",
    "DecryptionFailure": "AWS cannot decrypt it: check the KMS key of the secret",
    "InvalidRequestException": "it cannot be read now: is it marked for deletion?",
}


_NOBODY: Final = frozenset({"NoCredentialsError", "CredentialRetrievalError"})


class SecretsManagerClient(Protocol):
    """What we use of botocore's client."""

    def get_secret_value(self, *, SecretId: str) -> dict[str, Any]: ...  # noqa: N803  # AWS's own spelling

    def close(self) -> None: ...


class SecretsManager:
    """``SecretProvider`` over AWS Secrets Manager. ``connect`` makes the client; it may ask the network who we are."""

    def __init__(self, connect: Callable[[], SecretsManagerClient]) -> None:
        self._connect = connect
        self._connecting = threading.Lock()
        self._client: SecretsManagerClient | None = None

    async def read(self, reference: Reference) -> str:
        """The current version, whole or one field of its JSON object."""
        found = await asyncio.to_thread(self._value, reference)
        text = field_of(found, reference) if reference.field else found
        return usable(text, str(reference))

    async def aclose(self) -> None:
        if self._client is not None:
            self._client.close()

    def _value(self, reference: Reference) -> str:
        try:
            answer = self._connected().get_secret_value(SecretId=reference.place)
        except SecretUnavailable:
            raise
        except Exception as error:  # the library's errors are classes made at run time
            if type(error).__name__ in _NOBODY:
                self._client = None  # it would stay nobody for good: credentials are looked for when a client is made
            raise SecretUnavailable(f"{reference}: {_way_out(error)}") from None
        text = answer.get("SecretString")
        if not isinstance(text, str):
            raise SecretUnavailable(f"{reference} holds bytes: store the secret as text")
        return text

    def _connected(self) -> SecretsManagerClient:
        with self._connecting:
            if self._client is None:
                self._client = self._connect()
            return self._client


def secrets_manager() -> SecretsManager:
    """The service as this machine's AWS settings have it. Without botocore every reading raises SecretUnavailable."""
    return SecretsManager(_connect)


def _connect() -> SecretsManagerClient:
    try:
        from botocore.config import Config  # type: ignore[import-untyped]  # the package carries no types
        from botocore.session import get_session  # type: ignore[import-untyped]  # nor here
    except ImportError:
        raise SecretUnavailable(
            "needs the package botocore, which is not installed: install eucora with the extra 'aws'"
        ) from None
    patience = Config(connect_timeout=5, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 2})
    session = get_session()
    if region := os.environ.get("AWS_REGION"):  # what AWS's platforms set; botocore knows AWS_DEFAULT_REGION alone
        session.set_config_variable("region", region)
    client: SecretsManagerClient = session.create_client("secretsmanager", config=patience)
    return client


def _way_out(error: Exception) -> str:
    response = getattr(error, "response", None)
    code = response.get("Error", {}).get("Code", "") if isinstance(response, dict) else ""
    name = str(code) if _CODE.fullmatch(str(code)) else type(error).__name__
    known = {
        "NoCredentialsError": "this machine is nobody to AWS: give it a role, a profile or a key",
        "NoRegionError": "no region is named: set AWS_REGION",
        "CredentialRetrievalError": "whoever knows this machine's role gives no credentials: check the role",
        **_WAYS_OUT,
    }
    return f"{known.get(name, 'AWS Secrets Manager cannot be asked: check the network and AWS_REGION')} ({name})"
