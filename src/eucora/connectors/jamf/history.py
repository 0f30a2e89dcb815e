"""Policy runs of one computer, and what they say about one release.

Jamf's description leaves the policy log's dates open: Jamf's own tools read ``date_completed_*``, others
``date_time_*``. Both are read, and a run without a date still counts.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from xml.etree.ElementTree import Element

from eucora.application.planes import Observation, Offer
from eucora.connectors.jamf.moments import zoned
from eucora.connectors.jamf.rounds import RoundPolicy
from eucora.domain.planes import InstallState

COMPLETED, FAILED = "completed", "failed"
_EPOCHS = ("date_completed_epoch", "date_time_epoch")  # milliseconds since 1970, UTC
_DIGITS_MAX = 15  # beyond the year 9999, and of a number that long nothing else is looked at
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
    policies: Iterable[RoundPolicy],
    offer: Offer,
    last_check_in: datetime | None,
) -> Observation | None:
    """The latest word of the log about the release, by our ``policies`` in the order of rank; None when it has none.

    Two runs whose dates cannot be compared (one is missing) are in the order of their policies, in which a computer
    goes through them: no policy runs again by itself where it completed.
    """
    listed = list(runs)
    last: dict[Offer, _Ranked] = {}
    for policy in policies:
        run = _latest(run for run in listed if run.policy_id == policy.id)
        done = policy.offer.goal
        if run is not None and (done not in last or not _before(run, last[done].run)):
            last[done] = _Ranked(run, policy)
    install, removal = last.get(Offer.INSTALL), last.get(Offer.UNINSTALL)
    if install and removal and _follows(install, removal):
        removal = None
    if removal and removal.run.outcome == COMPLETED:
        return _observation(device_id, removal.run, InstallState.NOT_INSTALLED, last_check_in)
    if offer is Offer.UNINSTALL and removal:
        return _observation(device_id, removal.run, _unfinished(removal.run), last_check_in)
    if install is None or (offer is Offer.UNINSTALL and install.run.outcome != COMPLETED):
        return None
    state = InstallState.INSTALLED if install.run.outcome == COMPLETED else _unfinished(install.run)
    return _observation(device_id, install.run, state, last_check_in)


@dataclass(frozen=True, slots=True)
class _Ranked:
    run: PolicyRun
    policy: RoundPolicy


def _before(run: PolicyRun, other: PolicyRun) -> bool:
    """Whether the dates say that ``run`` came before ``other``."""
    return run.at is not None and other.at is not None and run.at < other.at


def _follows(install: _Ranked, removal: _Ranked) -> bool:
    if install.run.at is None or removal.run.at is None or install.run.at == removal.run.at:
        return install.policy.rank > removal.policy.rank
    return install.run.at > removal.run.at


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
        if (
            text.isdecimal() and len(text) <= _DIGITS_MAX and 0 < int(text) < 253_402_300_800_000
        ):  # up to the end of year 9999
            return datetime.fromtimestamp(int(text) / 1000, UTC)
    for tag in _STAMPS:
        if (at := zoned((log.findtext(tag) or "").strip())) is not None:
            return at
    return None
