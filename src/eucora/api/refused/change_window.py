"""Problem rows of change windows and of the calendar."""

from typing import Final

from eucora.api.problems import Row
from eucora.application import change_windows, recurrences
from eucora.domain import change_window
from eucora.domain.errors import DomainError

ROWS: Final[dict[type[DomainError], Row]] = {
    change_window.ChangeWindowUnknown: Row(404, "change-window-unknown", "There is no such change window"),
    change_window.ChangeWindowIdTaken: Row(409, "change-window-id-taken", "The id belongs to another change window"),
    change_window.ChangeWindowCancelledAlready: Row(
        409, "change-window-cancelled", "The change window was cancelled already"
    ),
    change_window.WindowNameMissing: Row(422, "window-name-missing", "The change window has no name", "#/name"),
    change_window.RolloutNotExempt: Row(
        422, "rollout-not-exempt", "A window that exempts rollouts binds nothing", "#/exempt"
    ),
    change_window.WindowEndsBeforeItStarts: Row(
        422, "window-ends-before-it-starts", "The window does not end after its start", "#/end"
    ),
    change_window.WindowTooLong: Row(422, "window-too-long", "The window holds for too long on end", "#/end"),
    change_window.WindowStartsInThePast: Row(
        422, "window-starts-in-the-past", "The start of the window is over", "#/start"
    ),
    change_window.WindowEndsInThePast: Row(422, "window-ends-in-the-past", "The end of the window is over", "#/end"),
    change_windows.ZoneMissing: Row(422, "zone-missing", "A time has neither offset nor zone", "#/zone"),
    change_windows.OffsetBesideZone: Row(422, "offset-beside-zone", "A time has an offset beside its zone", "#/zone"),
    recurrences.ZoneUnknown: Row(422, "zone-unknown", "There is no such time zone", "#/zone"),
    recurrences.TimeOutOfRange: Row(422, "time-out-of-range", "The time is too far away", "#/start"),
    recurrences.RecurrenceInvalid: Row(422, "recurrence-invalid", "The recurrence cannot be used", "#/recurrence"),
    recurrences.RecurrenceTooFrequent: Row(
        422, "recurrence-too-frequent", "The recurrence is too frequent", "#/recurrence"
    ),
    recurrences.RecurrenceOutOfStep: Row(
        422, "recurrence-out-of-step", "The recurrence does not begin at the start", "#/start"
    ),
    change_windows.CalendarRangeInvalid: Row(
        422, "calendar-range-invalid", "The stretch of the calendar is too long or empty"
    ),
}
