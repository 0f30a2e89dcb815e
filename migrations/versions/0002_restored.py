"""A rollback to the previous release: when each device was seen with it again.

Revision ID: 0002
Revises: 0001
"""

from eucora.store.migrate import run_script

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    run_script("0002_restored.sql")
