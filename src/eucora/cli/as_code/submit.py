"""Hand a file in: what is there already is left alone, what is missing is sent, and the intent is proposed once."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from eucora.cli.as_code.changes import Action, Change, compare
from eucora.cli.as_code.file import Intended
from eucora.client import Problem, Session

OVER: Final = frozenset({"aborted", "rolled_back", "rejected"})  # an end after which the same may be asked for again


@dataclass(frozen=True, slots=True)
class Plan:
    """What handing the file in would do. ``intent``: the latest one of the application, None: there is none."""

    changes: Sequence[Change]
    intent: str | None = None
    status: str = ""

    @property
    def removals(self) -> int:
        return sum(change.action is Action.REMOVE for change in self.changes)

    @property
    def proposes(self) -> bool:
        """Whether a new intent would be proposed. What ended without success may be asked for again."""
        return bool(self.changes) or self.intent is None or self.status in OVER


async def plan(session: Session, intended: Intended) -> Plan:
    """Compare the file with the latest intent of its application. Nothing is written. Raises Problem, Failed."""
    application = intended.file.application.application_id
    listed = await session.get("/deployment-intents", application=application, limit=1)
    if not listed["items"]:
        return Plan(compare(intended, None, None))
    intent = await session.get(f"/deployment-intents/{listed['items'][0]['id']}")
    pack = await session.get(f"/evidence-packs/{intent['release']['evidence_pack']}")
    return Plan(compare(intended, intent, pack), intent["id"], intent["status"])


async def submit(session: Session, intended: Intended, planned: Plan) -> str:
    """Upload what is missing, assemble the pack, propose the intent; its id. Raises Problem, Failed.

    Cut off anywhere, it is simply run again: files are known by their digests, a pack by its content, and the proposal
    carries a key made of what is asked for and what it replaces.
    """
    for install, artifact in zip(intended.file.installs, intended.artifacts, strict=True):
        try:
            await session.get(f"/artifacts/{artifact}")
        except Problem as problem:
            if problem.status != 404:
                raise
            path = intended.beside(install.file)
            await session.upload("/artifacts", path, file_name=path.name)
    for document in intended.file.evidence:
        await session.upload("/evidence-documents", intended.beside(document.file), kind=document.kind)
    pack = (await session.post("/evidence-packs", intended.pack())).id
    wanted = intended.rollout() | {"evidence_pack": pack}
    written = await session.post("/deployment-intents", wanted, key=_key(wanted, planned))
    return written.id


def _key(wanted: dict[str, Any], planned: Plan) -> str:
    text = json.dumps([wanted, planned.intent, planned.status], sort_keys=True)
    return f"apply-{hashlib.sha256(text.encode()).hexdigest()}"
