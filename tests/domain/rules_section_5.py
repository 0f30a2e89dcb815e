"""The rules of CAB reviews that must have a worked test each: the section on CAB, and of the separation of duties what
concerns votes."""

from typing import Final

SECTION_5: Final = frozenset(
    {
        # how a review ends
        "5.state.approved",
        "5.state.approved_with_conditions",
        "5.state.rejected",
        "5.state.changes_requested",
        "5.state.withdrawn",
        "5.state.expired",
        "5.state.revoked",
        # votes
        "5.vote.reason",
        "5.reject.any",
        "5.quorum.critical_infrastructure",
        "5.quorum.business_critical",
        "5.quorum.productivity_tools",
        "5.quorum.non_critical",
        "5.quorum.emergency",
        "5.quorum.bounds",
        # clocks
        "5.clock.standard",
        "5.clock.urgent",
        "5.clock.reminder_half",
        "5.clock.reminder_three_quarters",
        "5.clock.escalation",
        "5.urgent.justification",
        "5.expiry.approval",
        # conditions
        "5.condition.max_ring",
        "5.condition.min_soak_hours",
        "5.condition.min_success_rate",
        "5.condition.monitor_until",
        "5.condition.text",
        # rings and kinds of change
        "5.ring.own_approval",
        "5.kind.standard",
        "5.kind.normal",
        "5.kind.emergency",
        # what the voter saw
        "5.seen.changed",
        "5.seen.grounds",
        # separation of duties
        "5.conflict.requester",
        "5.conflict.assembled_evidence",
        "5.conflict.registered_artifact",
        "5.conflict.publisher",
        "5.conflict.requested_exception",
        "5.conflict.delegation",
        "5.once.voter",
        "5.once.delegator",
        "5.once.delegate",
        # delegation
        "5.delegation.begin",
        "5.delegation.end",
        "5.delegation.length",
        "5.delegation.chain",
        # emergency changes afterwards
        "5.retrospective.reminder",
        "5.retrospective.due",
        "5.retrospective.blocks",
        "5.retrospective.judge",
    }
)
