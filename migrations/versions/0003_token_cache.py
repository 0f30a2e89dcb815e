"""Access tokens to vendors, sealed, so that all replicas of an installation share one.

Revision ID: 0003
Revises: 0002
"""

from eucora.store.migrate import run_script

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    run_script("0003_token_cache.sql")
