"""The whole lab as one ASGI app: the simulated vendors side by side, with the lab's own switches in front of them."""

from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount

from eucora.domain.planes import Plane
from eucora.lab.admin import create_admin
from eucora.lab.blob import BlobStore, create_blob
from eucora.lab.client_assertions import FederatedIdentity
from eucora.lab.clock import Clock, ToldClock
from eucora.lab.dates import DateMiddleware
from eucora.lab.entra import Directory, create_entra
from eucora.lab.entra_admin import create_entra_admin
from eucora.lab.fault_play import Spells
from eucora.lab.fault_rates import FaultRates
from eucora.lab.faults import FaultMiddleware, Faults
from eucora.lab.fleet import Fleet
from eucora.lab.graph.approval_routes import create_approval_admin
from eucora.lab.graph.approvals import Approvals
from eucora.lab.graph.devices import ignoring_device_filters
from eucora.lab.graph.service import create_graph
from eucora.lab.graph.state import Tenant
from eucora.lab.jamf import JamfStore, create_jamf
from eucora.lab.jamf.tokens import LabAccount
from eucora.lab.kandji import KandjiStore, create_kandji
from eucora.lab.limits import LimitMiddleware, Limits
from eucora.lab.machine_identity import MachineIdentities, create_machine_identity
from eucora.lab.oidc import create_issuer
from eucora.lab.recorder import Recorder, RecorderMiddleware
from eucora.lab.roster import draw_token, draw_uuid
from eucora.lab.spool import spooling
from eucora.lab.vault import Keepers, create_keepers_admin, create_key_vault, create_vault

# The program whose tokens of the lab's issuer the application trusts: a client of that issuer, and its subject.
WORKLOAD = "eucora-automation"
# Seconds at pace 1 until an uploaded package is on Jamf's distribution point, and the least it takes at any pace.
_JAMF_TRANSFER_S = 60.0
_JAMF_TRANSFER_FLOOR_S = 0.05


@dataclass(frozen=True, slots=True)
class Lab:
    """What stands behind the lab's app; ``app.state.lab`` of it."""

    fleet: Fleet
    clock: Clock
    directory: Directory
    tenant: Tenant
    jamf: JamfStore
    jamf_client_id: str
    jamf_client_secret: str
    faults: Faults
    approvals: Approvals
    kandji: KandjiStore
    limits: Limits
    keepers: Keepers
    machine: MachineIdentities

    def contents(self) -> list[dict[str, Any]]:
        """Each vendor object with content, and the digests of what it holds as read back from the upload.

        Both planes name ``plane``, ``ref`` and ``setup_sha256`` (the installer itself) and ``encrypted_sha256``; the
        last is None on Jamf, where content travels as it is.
        """
        packages = [
            {
                "plane": "jamf",
                "ref": package["package_id"],
                "setup_file": package["file_name"],
                "setup_sha256": package["sha256"],
                "encrypted_sha256": None,
                "size": package["size"],
            }
            for package in self.jamf.contents()
        ]
        return [*self.tenant.contents(), *packages]


def create_lab(
    *,
    seed: int,
    clock: Clock,
    pace: float,
    base_url: str,
    windows: int = 1200,
    macs: int = 800,
    intune_macs: int = 0,
    token_lifetime_s: int | None = None,
    recorder: Recorder | None = None,
) -> Starlette:
    """The lab reached at ``base_url`` (no slash at the end): ``/entra``, ``/graph/v1.0``, ``/blob``, ``/jamf``,
    ``/kandji``, ``/oidc``, ``/vault``, ``/keyvault``, ``/machine`` and ``/admin``.

    ``pace`` is how many times faster than real the devices and the vendors' background work are. ``macs`` are Jamf's.
    ``token_lifetime_s`` fixes the life of Entra's tokens, drawn otherwise. ``app.state.lab`` is the Lab; its ``limits``
    are off at first.
    """
    fleet = Fleet(seed, clock, windows=windows, macs=macs, intune_macs=intune_macs, pace=pace)
    told = ToldClock(clock)
    directory = Directory(seed, told, token_lifetime_s=token_lifetime_s, authority=f"{base_url}/entra")
    oidc = create_issuer(f"{base_url}/oidc", seed, clock)
    trusted = FederatedIdentity(oidc.state.issuer.url, WORKLOAD, oidc.state.issuer.jwks)
    directory.assertions.federated.append(trusted)
    blobs = BlobStore(seed, clock, f"{base_url}/blob")
    tenant = Tenant(fleet, clock, blobs, f"{base_url}/graph/v1.0")
    jamf_client_id, jamf_client_secret = draw_uuid(seed, "jamf-client"), draw_token(seed, "jamf-secret")
    jamf = create_jamf(
        fleet,
        clock,
        client_id=jamf_client_id,
        client_secret=jamf_client_secret,
        transfer=timedelta(seconds=max(_JAMF_TRANSFER_FLOOR_S, _JAMF_TRANSFER_S / pace)),
        account=LabAccount("eucora", draw_token(seed, "jamf-password")),
    )
    kandji = create_kandji(fleet, clock, token=draw_token(seed, "kandji-token"))
    keepers = Keepers(seed, clock)
    approvals = Approvals(tenant, directory.credentials.client_id)
    spells = Spells(
        revoke={"graph": directory.revoke_tokens, "jamf": jamf.state.jamf.tokens.revoke},
        lie={"graph": partial(fleet.lying, Plane.INTUNE), "jamf": partial(fleet.lying, Plane.JAMF)},
        ignore_filters={"graph": ignoring_device_filters},
    )
    faults, limits = Faults(clock, rates=FaultRates(seed), spells=spells), Limits(clock)
    lab = Lab(
        fleet, clock, directory, tenant, jamf.state.jamf, jamf_client_id, jamf_client_secret, faults, approvals,
        kandji.state.kandji, limits, keepers, MachineIdentities(seed),
    )  # fmt: skip
    app = Starlette(
        routes=[
            Mount("/entra", create_entra(directory, clock)),
            Mount("/graph", create_graph(tenant, directory, clock, lab.faults, approvals, limits)),
            Mount("/blob", create_blob(blobs)),
            Mount("/jamf", jamf),
            Mount("/kandji", kandji),
            Mount("/oidc", oidc),
            Mount("/admin/entra", create_entra_admin(directory)),
            Mount("/vault", create_vault(keepers)),
            Mount("/keyvault", create_key_vault(keepers, directory)),
            Mount("/machine", create_machine_identity(lab.machine, directory, clock)),
            Mount("/admin/vault", create_keepers_admin(keepers)),
            Mount("/admin/approvals", create_approval_admin(approvals)),
            Mount("/admin", create_admin(fleet, clock, lab.faults, lab.contents)),
        ],
        middleware=[*spooling(), *_in_front(told, limits, faults, recorder)],
    )
    app.state.lab = lab
    return app


def _in_front(clock: ToldClock, limits: Limits, faults: Faults, recorder: Recorder | None) -> list[Middleware]:
    """What every request meets before a vendor, the first one first."""
    recording = [] if recorder is None else [Middleware(RecorderMiddleware, recorder=recorder)]
    return [
        *recording,
        Middleware(DateMiddleware, clock=clock),
        Middleware(LimitMiddleware, limits=limits),
        Middleware(FaultMiddleware, faults=faults),
    ]
