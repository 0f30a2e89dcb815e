"""The problem rows of what a deployment intent refuses because of its grounds."""

from typing import Final

from eucora.api.problems import Row
from eucora.domain.deployment_intent import grounds_refusals as intent
from eucora.domain.deployment_intent import rollback_refusals as rollback
from eucora.domain.errors import DomainError

ROWS: Final[dict[type[DomainError], Row]] = {
    intent.BoundaryCrossed: Row(422, "boundary-crossed", "The target lies outside the application's scope", "#/scope"),
    intent.ProposalTooLarge: Row(422, "proposal-too-large", "The proposal is too large to be recorded", "#/rings"),
    rollback.RollbackImpossible: Row(409, "rollback-impossible", "Nothing takes the release off a plane"),
    rollback.NoPreviousRelease: Row(409, "no-previous-release", "There is no release to go back to", "#/to"),
    intent.IncidentOpen: Row(409, "incident-open", "Incidents are open against the release"),
    intent.GroundsChanged: Row(409, "approval-grounds-changed", "What the approval rested on has changed"),
}
