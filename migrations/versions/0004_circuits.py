"""Circuits to the upstreams, shared by all replicas, and how each replica fares with them.

Revision ID: 0004
Revises: 0003
"""

from eucora.store.migrate import run_script

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    run_script("0004_circuits.sql")
