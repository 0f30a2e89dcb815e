"""AWS Secrets Manager, as whoever this machine is to AWS (environment, profile, web identity, instance role).

The requests are signed by botocore, which is not needed for anything else: it is imported when a setting asks for it.
Source: AWS Secrets Manager API Reference, GetSecretValue; read 2026-11-23.
"""

import asyncio
from typing import Any, Final, Protocol

from eucora.connectors.secrets.references import Reference, SecretUnavailable, field_of, usable

_WAYS_OUT: Final = {
    "ResourceNotFoundException": "there is no such secret in this account and region: check the name and AWS_REGION",
    "AccessDeniedException": "we may not read it: allow secretsmanager:GetSecretValue (and kms:Decrypt) on it",
    "UnrecognizedClientException": "AWS does not know our key: check the credentials of this machine",
    "InvalidSignatureException": "AWS does not accept our key: check the credentials and the clock of this machine",
    "ExpiredTokenException": "our session has ended: renew the credentials of this machine",
    "DecryptionFailure": "AWS cannot decrypt it: check the KMS key of the secret",
    "InvalidRequestException": "it cannot be read now: is it marked for deletion?",
}


class SecretsManagerClient(Protocol):
    """What we use of botocore's client."""

    def get_secret_value(self, *, SecretId: str) -> dict[str, Any]: ...  # noqa: N803  # AWS's own spelling

    def close(self) -> None: ...


class SecretsManager:
    """``SecretProvider`` over AWS Secrets Manager."""

    def __init__(self, client: SecretsManagerClient) -> None:
        self._client = client

    async def read(self, reference: Reference) -> str:
        """The current version, whole or one field of its JSON object."""
        found = await asyncio.to_thread(self._value, reference)
        text = field_of(found, reference) if reference.field else found
        return usable(text, str(reference))

    async def aclose(self) -> None:
        self._client.close()

    def _value(self, reference: Reference) -> str:
        try:
            answer = self._client.get_secret_value(SecretId=reference.place)
        except Exception as error:  # the library's errors are classes made at run time; none of ours come this way
            raise SecretUnavailable(f"{reference}: {_way_out(error)}") from None
        text = answer.get("SecretString")
        if not isinstance(text, str):
            raise SecretUnavailable(f"{reference} holds bytes: store the secret as text")
        return text


def secrets_manager() -> SecretsManager:
    """The service as this machine's AWS settings have it. Raises SecretUnavailable where botocore is missing."""
    try:
        from botocore.config import Config  # type: ignore[import-untyped]  # the package carries no types
        from botocore.session import get_session  # type: ignore[import-untyped]  # nor here
    except ImportError:
        raise SecretUnavailable(
            "needs the package botocore, which is not installed: install eucora with the extra 'aws'"
        ) from None
    patience = Config(connect_timeout=5, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 2})
    try:
        return SecretsManager(get_session().create_client("secretsmanager", config=patience))
    except Exception as error:  # as above: no region, no such profile
        raise SecretUnavailable(_way_out(error)) from None


def _way_out(error: Exception) -> str:
    response = getattr(error, "response", None)
    code = response.get("Error", {}).get("Code", "") if isinstance(response, dict) else ""
    name = str(code) or type(error).__name__
    known = {
        "NoCredentialsError": "this machine has no AWS credentials: set AWS_ROLE_ARN, a profile or a key",
        "NoRegionError": "no region is named: set AWS_REGION",
        **_WAYS_OUT,
    }
    return f"{known.get(name, 'AWS Secrets Manager cannot be asked: check the network and AWS_REGION')} ({name[:60]})"
