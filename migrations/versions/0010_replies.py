"""A kept answer is whole: with its headers, and with the position that it told.

Revision ID: 0010
Revises: 0009
"""

from eucora.store.migrate import run_script

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    run_script("0010_replies.sql")
