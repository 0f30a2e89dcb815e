"""What the terms of an exception must say before anybody decides on them."""

import re
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from eucora.domain.exception_types import ExceptionKind
from eucora.domain.gates import OVERRIDABLE
from eucora.domain.governance_types import ExceptionLimits
from eucora.domain.policy_exception.events import Terms
from eucora.domain.policy_exception.refusals import (
    ControlMissing,
    ExpiryInPast,
    ExpiryTooLong,
    JustificationMissing,
    OverrideIncomplete,
    OwnerMissing,
    RingNotExpected,
    SubjectInvalid,
    SubjectMissing,
    TitleMissing,
)

# What a subject of the kind looks like, and the words for it. Where a plane or a scanner gives the names, any will do.
WORDS: Final = {
    ExceptionKind.UNSIGNED_PACKAGE: (re.compile(r"[0-9a-f]{64}"), "the SHA-256 of an artifact in lowercase hex"),
    ExceptionKind.CROSS_BOUNDARY: (re.compile(r"[^/]+/[^/]+/[^/]+"), "a scope as business_unit/boundary/site"),
    ExceptionKind.GATE_OVERRIDE: (re.compile("|".join(OVERRIDABLE)), f"one of {', '.join(OVERRIDABLE)}"),
}


def checked(terms: Terms, limits: ExceptionLimits, at: datetime) -> Terms:
    """The terms without white space around their texts, blank lines and repeats.

    Raises:
        TitleMissing, JustificationMissing, ControlMissing, OwnerMissing, SubjectMissing, SubjectInvalid: see there.
        OverrideIncomplete, RingNotExpected: the ring does not fit the kind.
        ExpiryInPast, ExpiryTooLong: not within ``limits.valid_max_s`` after ``at``.
    """
    terms = replace(
        terms,
        title=terms.title.strip(),
        justification=terms.justification.strip(),
        controls=_lines(terms.controls),
        owner=terms.owner.strip(),
        subjects=_lines(terms.subjects),
    )
    if not terms.title:
        raise TitleMissing
    if not terms.justification:
        raise JustificationMissing
    if not terms.controls:
        raise ControlMissing
    if not terms.owner:
        raise OwnerMissing
    _check_subjects(terms)
    _check_ring(terms)
    if terms.expires_at <= at:
        raise ExpiryInPast(terms.expires_at)
    latest = at + timedelta(seconds=limits.valid_max_s)
    if terms.expires_at > latest:
        raise ExpiryTooLong(terms.expires_at, latest, limits.valid_max_s)
    return terms


def _lines(lines: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(stripped for line in lines if (stripped := line.strip())))


def _check_subjects(terms: Terms) -> None:
    if not terms.subjects:
        raise SubjectMissing(terms.kind)
    form, wanted = WORDS.get(terms.kind, (None, ""))
    for subject in terms.subjects:
        if form is not None and form.fullmatch(subject) is None:
            raise SubjectInvalid(terms.kind, subject, wanted)


def _check_ring(terms: Terms) -> None:
    if terms.kind is not ExceptionKind.GATE_OVERRIDE:
        if terms.ring is not None:
            raise RingNotExpected(terms.kind)
        return
    said = (("the ring", terms.ring is not None), ("the intent", bool(terms.intent_id)))
    if missing := tuple(what for what, there in said if not there):
        raise OverrideIncomplete(missing)
