"""A lab with its keepers of secrets, reached without sockets, and secrets kept from it."""

from datetime import UTC, datetime
from typing import Final

import httpx

from eucora.connectors.secrets.kept import KeptSecret
from eucora.connectors.secrets.references import Reference, SecretProvider, reference_in
from eucora.connectors.secrets.vault import Login, Vault, VaultAccess, app_role
from eucora.lab.app import Lab, create_lab
from eucora.lab.clock import ManualClock
from eucora.lab.wire import lab_wire

START: Final = datetime(2026, 3, 2, 12, tzinfo=UTC)
BASE: Final = "http://lab.test"


class Keys:
    """The lab, its clock, and the wire to it."""

    def __init__(self) -> None:
        self.clock = ManualClock(START)
        app = create_lab(seed=7, clock=self.clock, pace=60, base_url=BASE, windows=8, macs=8)
        self.lab: Lab = app.state.lab
        self.keepers = self.lab.keepers
        self.wire = lab_wire(app)
        self.seconds = 0.0

    def vault(self, **changes: str) -> Vault:
        named = {"role_id": self.keepers.role_id, "secret_id": self.keepers.secret_id} | changes
        return self.vault_by(app_role(named["role_id"], lambda: named["secret_id"]))

    def vault_by(self, login: Login) -> Vault:
        access = VaultAccess(f"{BASE}/vault", login=login)
        return Vault(access, monotonic=lambda: self.clock.now().timestamp(), inner=self.wire)

    def kept(self, name: str, value: str, provider: SecretProvider, where: str) -> KeptSecret:
        """A secret whose second and later readings come from ``where``; between any two a second passes."""

        async def read() -> str:
            return await provider.read(reference(where))

        def monotonic() -> float:
            self.seconds += 1.0
            return self.seconds

        return KeptSecret(name, value, read, monotonic=monotonic)


def reference(text: str) -> Reference:
    found = reference_in(text)
    assert found is not None
    return found


def answering(answer: httpx.Response) -> httpx.AsyncBaseTransport:
    """A network on which everybody answers that."""
    return httpx.MockTransport(lambda _: answer)
