"""Tables of the store, for migrations and for the queries that are not on the hot path."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import BYTEA, JSONB, UUID

metadata = sa.MetaData()
_utc = sa.DateTime(timezone=True)

event = sa.Table(
    "event",
    metadata,
    sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("stream", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("id", UUID(as_uuid=True), nullable=False),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("schema", sa.SmallInteger, nullable=False),
    sa.Column("at", _utc, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("correlation_id", sa.Text, nullable=False),
    sa.Column("causation_id", UUID(as_uuid=True)),
    sa.Column("intent_id", sa.Text, nullable=False),
    sa.Column("body", BYTEA, nullable=False),
    sa.UniqueConstraint("stream", "version", name="event_stream_version"),
    sa.UniqueConstraint("id", name="event_id"),
    sa.CheckConstraint("octet_length(body) <= 65535", name="event_body_fits_an_entry"),
    comment="The log. Append-only: positions are dense from 0, body holds the exact bytes that are hashed.",
)

log_head = sa.Table(
    "log_head",
    metadata,
    sa.Column("one", sa.Boolean, primary_key=True, server_default=sa.true()),
    sa.Column("next", sa.BigInteger, nullable=False),
    sa.CheckConstraint("one", name="log_head_one_row"),
    comment="The next position. Taken and moved inside the append function only.",
)

job = sa.Table(
    "job",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("payload", JSONB, nullable=False),
    sa.Column("lock_key", sa.Text),
    sa.Column("dedupe_key", sa.Text),
    sa.Column("priority", sa.SmallInteger, nullable=False, server_default="100"),
    sa.Column("run_at", _utc, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False, server_default="0"),
    sa.Column("attempts_max", sa.Integer, nullable=False, server_default="8"),
    sa.Column("state", sa.Text, nullable=False, server_default="ready"),
    sa.Column("lease_until", _utc),
    sa.Column("worker", sa.Text),
    sa.Column("last_error", sa.Text),
    sa.Column("correlation_id", sa.Text, nullable=False),
    sa.Column("intent_id", sa.Text, nullable=False),
    sa.Column("causation_id", UUID(as_uuid=True)),
    sa.CheckConstraint("state in ('ready', 'running', 'dead')", name="job_state"),
    sa.Index("job_ready", "priority", "run_at", "id", postgresql_where=sa.text("state = 'ready'")),
    sa.Index("job_lease", "lease_until", postgresql_where=sa.text("state = 'running'")),
    sa.Index(
        "job_key_running",
        "lock_key",
        unique=True,
        postgresql_where=sa.text("state = 'running' and lock_key is not null"),
    ),
    sa.Index(
        "job_dedupe", "dedupe_key", unique=True, postgresql_where=sa.text("state = 'ready' and dedupe_key is not null")
    ),
    comment="Work caused by events, inserted in the transaction that appended them. A finished job is gone.",
)

reply = sa.Table(
    "reply",
    metadata,
    sa.Column("owner", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("fingerprint", sa.Text, nullable=False),
    sa.Column("status", sa.SmallInteger, nullable=False),
    sa.Column("body", BYTEA, nullable=False),
    sa.Column("at", _utc, nullable=False),
    sa.Column("headers", JSONB, nullable=False, server_default=sa.text("'{}'")),
    sa.Column(
        "position",
        sa.BigInteger,
        comment="Of the last event that the request caused; null: the answer is older than this column.",
    ),
    comment="What was answered to an Idempotency-Key, written with the events that the request caused.",
)

ring_cohort = sa.Table(
    "ring_cohort",
    metadata,
    sa.Column("intent_id", sa.Text, primary_key=True),
    sa.Column("ring", sa.SmallInteger, primary_key=True),
    sa.Column("plane", sa.Text, primary_key=True),
    sa.Column("device_id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("serial", sa.Text, nullable=False),
    sa.Column("site_class", sa.Text, nullable=False),
    sa.Column("critical", sa.Boolean, nullable=False),
    sa.Column("group_ref", sa.Text, nullable=False),
    sa.Column("last_check_in", _utc),
    comment="The devices of a ring, frozen when it opened; their digest is in the event cohort_frozen.",
)

device_install = sa.Table(
    "device_install",
    metadata,
    sa.Column("intent_id", sa.Text, primary_key=True),
    sa.Column("ring", sa.SmallInteger, primary_key=True),
    sa.Column("plane", sa.Text, primary_key=True),
    sa.Column("device_id", sa.Text, primary_key=True),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("code", sa.Text, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("observed_at", _utc),
    sa.Column("installed_at", _utc),
    sa.Column("last_check_in", _utc),
    sa.Column("restored_at", _utc),
    comment="The planes' latest word per device. Fed by observation, not by events; events carry the counts.",
)

rate_bucket = sa.Table(
    "rate_bucket",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("tat", _utc, nullable=False),
    comment="Shared request budgets (GCRA): the theoretical arrival time of the next request.",
)

token_cache = sa.Table(
    "token_cache",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("sealed", BYTEA),
    sa.Column("renew_at", _utc),
    sa.Column("expires_at", _utc),
    sa.Column("generation", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("renewer", sa.Text),
    sa.Column("renewer_until", _utc),
    comment="Access tokens to vendors, unreadable without the credential that they were had for, and who renews one.",
)

circuit = sa.Table(
    "circuit",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("period", sa.BigInteger, nullable=False),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("error", sa.Text, nullable=False),
    sa.Column("opened_at", _utc, nullable=False),
    sa.Column("closed_at", _utc),
    sa.Column("probe_at", _utc),
    sa.Column("probing_until", _utc),
    sa.Column("recorded", sa.Boolean, nullable=False),
    sa.Index("circuit_unrecorded", "key", postgresql_where=sa.text("not recorded")),
    comment="Circuits shared by all replicas. Open while probe_at is set; period grows with every change.",
)

upstream_report = sa.Table(
    "upstream_report",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("replica", sa.Text, primary_key=True),
    sa.Column("at", _utc, nullable=False),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("in_flight", sa.Integer, nullable=False),
    sa.Column("waiting", sa.Integer, nullable=False),
    sa.Column("last_error", sa.Text, nullable=False),
    sa.Column("last_error_at", _utc),
    sa.Column("last_success_at", _utc),
    comment="How each replica fares with each upstream, by its own latest word.",
)

held_request = sa.Table(
    "held_request",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("tenant", sa.Text, nullable=False),
    sa.Column("entity", sa.Text, nullable=False),
    sa.Column("method", sa.Text, nullable=False),
    sa.Column("path", sa.Text, nullable=False),
    sa.Column("content_type", sa.Text, nullable=False),
    sa.Column("body", BYTEA),
    sa.Column("purpose", sa.Text, nullable=False),
    sa.Column("lane", sa.SmallInteger, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("code", sa.Text, nullable=False),
    sa.Column("asked_at", _utc, nullable=False),
    sa.Column("expires_at", _utc),
    sa.Column("claimed_until", _utc),
    sa.Column("outcome", sa.Text),
    sa.Column("decided_by", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("ended_at", _utc),
    sa.CheckConstraint("state in ('asking', 'open', 'ended')", name="held_request_state"),
    sa.Index("held_request_living", "key", unique=True, postgresql_where=sa.text("state <> 'ended'")),
    sa.Index("held_request_entity", "tenant", "entity", postgresql_where=sa.text("state <> 'ended'")),
    sa.Index("held_request_code", "code", postgresql_where=sa.text("state = 'ended'")),
    comment="Writes that a plane holds back for an approval of its own, byte for byte; never one whose body is secret.",
)

service_token_use = sa.Table(
    "service_token_use",
    metadata,
    sa.Column("token_id", sa.Text, primary_key=True),
    sa.Column("used_at", _utc, nullable=False),
    comment="When each service token was last used, to the minute.",
)

installation = sa.Table(
    "installation",
    metadata,
    sa.Column("one", sa.Boolean, primary_key=True, server_default=sa.true()),
    sa.Column("cursor_key", BYTEA, nullable=False),
    sa.CheckConstraint("one", name="installation_one_row"),
    comment="What all replicas share: the key under which list cursors are signed.",
)
