"""The condition on scopes for what stands in the scope of a deployment intent."""

from sqlalchemy import ColumnElement, Table, or_, select

from eucora.projections.intents import INTENTS
from eucora.projections.reach import covered


def with_seen_intent(table: Table) -> ColumnElement[bool]:
    """The row's intent is covered; or the row has none (an empty ``intent_id``) and so concerns everybody."""
    return or_(table.c.intent_id == "", of_seen_intent(table))


def of_seen_intent(table: Table) -> ColumnElement[bool]:
    """The row's intent is covered."""
    intents = INTENTS.live
    return table.c.intent_id.in_(select(intents.c.id).where(covered(intents)))
