"""Policy runs of one computer, and what they say about one release.

Jamf's description leaves the policy log's dates open: Jamf's own tools read ``date_completed_*``, others
``date_time_*``. Both are read, and a run without a date still counts.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from xml.etree.ElementTree import Element

from eucora.application.planes import Observation, Offer
from eucora.domain.planes import InstallState

COMPLETED, FAILED = "completed", "failed"
_EPOCHS = ("date_completed_epoch", "date_time_epoch")  # milliseconds since 1970, UTC
_STAMPS = ("date_completed_utc", "date_time_utc", "date_completed", "date_time")


@dataclass(frozen=True, slots=True)
class PolicyRun:
    """One line of a computer's policy log. ``at`` is UTC, None where Jamf gave no date or none with a zone."""

    policy_id: str
    policy_name: str
    status: str
    at: datetime | None

    @property
    def outcome(self) -> str:
        """The status in lower case: ``completed``, ``failed``, or a word for a run that is still going on."""
        return self.status.strip().lower()


@dataclass(frozen=True, slots=True)
class ReleasePolicies:
    """The ids of our install and uninstall policy of one release; None where there is none."""

    install: str | None
    removal: str | None


def policy_runs(history: Element) -> Sequence[PolicyRun]:
    """The runs in a ``computer_history`` document, in Jamf's order."""
    return [
        PolicyRun(
            policy_id=(log.findtext("policy_id") or "").strip(),
            policy_name=(log.findtext("policy_name") or "").strip(),
            status=(log.findtext("status") or "").strip(),
            at=_time_of(log),
        )
        for log in history.iterfind("policy_logs/policy_log")
    ]


def verdict(
    device_id: str,
    runs: Iterable[PolicyRun],
    policies: ReleasePolicies,
    offer: Offer,
    last_check_in: datetime | None,
) -> Observation | None:
    """The latest word of the log about the release; None when the log has none.

    A removal whose order against the install cannot be told (a date is missing) counts as the later one: Jamf runs our
    install policy once per computer, so it does not come again by itself.
    """
    listed = list(runs)
    install = _latest(run for run in listed if policies.install and run.policy_id == policies.install)
    removal = _latest(run for run in listed if policies.removal and run.policy_id == policies.removal)
    if removal and install and install.at and removal.at and install.at > removal.at:
        removal = None
    if removal and removal.outcome == COMPLETED:
        return _observation(device_id, removal, InstallState.NOT_INSTALLED, last_check_in)
    if offer is Offer.UNINSTALL and removal:
        return _observation(device_id, removal, _unfinished(removal), last_check_in)
    if install is None or (offer is Offer.UNINSTALL and install.outcome != COMPLETED):
        return None
    state = InstallState.INSTALLED if install.outcome == COMPLETED else _unfinished(install)
    return _observation(device_id, install, state, last_check_in)


def _unfinished(run: PolicyRun) -> InstallState:
    return InstallState.FAILED if run.outcome == FAILED else InstallState.PENDING


def _latest(runs: Iterable[PolicyRun]) -> PolicyRun | None:
    """The newest run by date. Among runs without dates a completed one ends the retries, so it is the last."""
    dated: list[PolicyRun] = []
    undated: list[PolicyRun] = []
    for run in runs:
        (dated if run.at else undated).append(run)
    completed = next((run for run in undated if run.outcome == COMPLETED), None)
    if completed is None and dated:
        return max(dated, key=lambda run: (run.at or datetime.min.replace(tzinfo=UTC), run.outcome == COMPLETED))
    return completed or (undated[0] if undated else None)


def _observation(device_id: str, run: PolicyRun, state: InstallState, last_check_in: datetime | None) -> Observation:
    failed = state is InstallState.FAILED
    return Observation(
        device_id=device_id,
        state=state,
        observed_at=run.at,
        last_check_in=last_check_in,
        code=run.status if failed else "",
        detail=f"policy {run.policy_id}, {run.policy_name}" if failed else "",
    )


def _time_of(log: Element) -> datetime | None:
    for tag in _EPOCHS:
        text = (log.findtext(tag) or "").strip()
        if text.isdecimal() and 0 < int(text) < 253_402_300_800_000:  # up to the end of year 9999
            return datetime.fromtimestamp(int(text) / 1000, UTC)
    for tag in _STAMPS:
        if (at := zoned((log.findtext(tag) or "").strip())) is not None:
            return at
    return None


def zoned(text: str) -> datetime | None:
    """An ISO 8601 time in UTC; None for anything else, and for a time without a zone, which names no instant."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at.astimezone(UTC) if at.tzinfo else None
