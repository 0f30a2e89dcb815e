"""A role for exports that only reads, and nothing left to everybody.

Revision ID: 0012
Revises: 0010
"""

from eucora.store.migrate import run_script

revision = "0012"
down_revision = "0010"


def upgrade() -> None:
    run_script("0012_reader.sql")
