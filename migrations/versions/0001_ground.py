"""The ground: event log, jobs, replies, device tables, roles and the append functions.

Revision ID: 0001
Revises:
"""

from eucora.store.migrate import run_script

revision = "0001"
down_revision = None


def upgrade() -> None:
    for name in ("0001_tables.sql", "0001_roles.sql", "0001_append_only.sql", "0001_append.sql"):
        run_script(name)
