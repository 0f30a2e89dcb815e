"""When service tokens were last used.

Revision ID: 0009
Revises: 0005
"""

from eucora.store.migrate import run_script

revision = "0009"
down_revision = "0005"


def upgrade() -> None:
    run_script("0009_service_token_use.sql")
