"""Writes that a plane holds back until one of its own administrators approves them.

Revision ID: 0005
Revises: 0004
"""

from eucora.store.migrate import run_script

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    run_script("0005_held_request.sql")
