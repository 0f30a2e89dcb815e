"""One sentence for every event of a CAB review or of a delegated vote, for timelines and for voters who look again."""

from datetime import datetime

from eucora.domain import cab_delegation, cab_review


def sentence(event: object) -> str:
    """What happened, in one sentence without a full stop; empty for an event of another noun."""
    for part in (_review, _retrospective, _delegation):
        if said := part(event):
            return said
    return ""


def _review(event: object) -> str:
    match event:
        case cab_review.CabReviewOpened():
            what = "Emergency CAB review" if event.change_kind == cab_review.EMERGENCY else "CAB review"
            about = "" if event.ring is None else f" for ring {int(event.ring)} ({event.ring.name.lower()})"
            return f"{what} opened{about}: quorum {event.quorum}, due {_time(event.due_at)}"
        case cab_review.CabVoteCast():
            how = " by a delegate" if event.on_behalf_of else ""
            return f"A CAB member voted {event.vote.replace('_', ' ')}{how}: {event.reason}"
        case cab_review.CabVoteRefused():
            return f"A vote was refused: {event.rule.replace('_', ' ')}"
        case cab_review.CabReviewDecided():
            about = "" if event.ring is None else f" on ring {int(event.ring)} ({event.ring.name.lower()})"
            return f"CAB decided{about}: {event.outcome.replace('_', ' ')}"
        case cab_review.CabReviewReminded():
            return f"Reminder: {event.votes} votes so far, due {_time(event.due_at)}"
        case cab_review.CabReviewEscalated():
            to = " and ".join(role.replace("_", " ") for role in event.to)
            return f"Escalated to {to}: {event.votes} of {event.quorum} votes, due {_time(event.due_at)}"
        case cab_review.CabApprovalRevoked():
            return f"CAB revoked its approval: {event.reason}"
    return ""


def _retrospective(event: object) -> str:
    match event:
        case cab_review.CabRetrospectiveOpened():
            return f"The emergency change is to be reviewed in retrospect by {_time(event.due_at)}"
        case cab_review.CabRetrospectiveReminded():
            return f"Reminder: the retrospective review is due {_time(event.due_at)}"
        case cab_review.CabRetrospectiveOverdue():
            return f"The retrospective review was due {_time(event.due_at)} and is overdue"
        case cab_review.CabRetrospectiveRefused():
            return f"A verdict on the emergency change was refused: {event.rule}"
        case cab_review.CabRetrospectiveClosed():
            return f"The emergency change was found {event.verdict.replace('_', ' ')}: {event.findings}"
    return ""


def _delegation(event: object) -> str:
    match event:
        case cab_delegation.CabVoteDelegated():
            return f"A CAB vote was delegated from {_time(event.starts_at)} to {_time(event.ends_at)}: {event.reason}"
        case cab_delegation.CabDelegationRevoked():
            return f"A delegated CAB vote was taken back: {event.reason}"
        case cab_delegation.CabDelegationExpired():
            return "A delegation of a CAB vote expired"
    return ""


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
