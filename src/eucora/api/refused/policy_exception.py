"""Problem rows of policy exceptions."""

from typing import Final

from eucora.api.problems import Row
from eucora.application import policy_exceptions as cases
from eucora.domain import policy_exception as ex
from eucora.domain.errors import DomainError

ROWS: Final[dict[type[DomainError], Row]] = {
    ex.AskerMayNotDecide: Row(403, "asker-may-not-decide", "Who asked for an exception does not decide on it"),
    ex.OwnerMayNotDecide: Row(403, "owner-may-not-decide", "The owner of an exception does not decide on it"),
    ex.InvolvedMayNotDecide: Row(
        403, "involved-may-not-decide", "Who has a part in a release decides on no exception for it"
    ),
    ex.SecondPersonNeeded: Row(403, "second-person-needed", "The second decision needs a second person"),
    ex.ExceptionUnknown: Row(404, "policy-exception-unknown", "There is no such exception"),
    cases.ExceptionForUnknownIntent: Row(
        422, "exception-for-unknown-intent", "The exception is for an unknown intent", "#/intent_id"
    ),
    cases.ExceptionForOtherApplication: Row(
        422, "exception-for-other-application", "The intent deploys another application", "#/application_id"
    ),
    ex.TitleMissing: Row(422, "title-missing", "The exception has no title", "#/title"),
    ex.JustificationMissing: Row(422, "justification-missing", "The exception is not justified", "#/justification"),
    ex.ControlMissing: Row(422, "control-missing", "There is no compensating control", "#/controls"),
    ex.OwnerMissing: Row(422, "owner-missing", "Nobody owns the exception", "#/owner"),
    ex.SubjectMissing: Row(422, "subject-missing", "Nothing in particular is waived", "#/subjects"),
    ex.SubjectInvalid: Row(422, "subject-invalid", "A subject could never match", "#/subjects"),
    ex.OverrideIncomplete: Row(422, "override-incomplete", "The gate override names no ring or no intent"),
    ex.RingNotExpected: Row(422, "ring-not-expected", "Only a gate override names a ring", "#/ring"),
    ex.KindMayNotChange: Row(422, "kind-may-not-change", "An exception keeps its kind", "#/kind"),
    ex.ExpiryInPast: Row(422, "expiry-in-past", "The expiry is over already", "#/expires_at"),
    ex.ExpiryTooLong: Row(422, "expiry-too-long", "The exception would hold too long", "#/expires_at"),
    ex.ExtensionTooLong: Row(422, "extension-too-long", "The extension is too long", "#/until"),
    ex.ExtensionNotLater: Row(422, "extension-not-later", "The extension ends no later than the exception", "#/until"),
    ex.ExceptionIdTaken: Row(409, "policy-exception-id-taken", "The id belongs to another exception"),
    ex.ChangesNotRequested: Row(409, "changes-not-requested", "Nobody asked for changes"),
    ex.AlreadyDecided: Row(409, "already-decided", "This decision was given already"),
    ex.CapacityNotNeeded: Row(409, "capacity-not-needed", "The exception is not for this role to decide"),
    ex.ExceptionNotOpen: Row(409, "exception-not-open", "The exception is not waiting for a decision"),
    ex.ExceptionOver: Row(409, "exception-over", "The time of the exception is up"),
    ex.ExceptionNotInForce: Row(409, "exception-not-in-force", "The exception is not in force"),
    ex.ExtensionPending: Row(409, "extension-pending", "An extension waits for its decision"),
    ex.ExtensionsUsedUp: Row(409, "extensions-used-up", "The exception was extended before"),
    ex.ExtensionNotRequested: Row(409, "extension-not-requested", "No extension waits for a decision"),
}
