"""The database's own catalogue: who owns what, who may do what with it, and what guards it. All of it, and no more."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from databases import Database
from eucora.projections.catalogue import all_projections
from eucora.projections.runner import ProjectionRunner
from eucora.store.database import Pool
from eucora.store.ids import RandomIds
from eucora.store.log import EventLog

OWNER, APP, READER = "eucora_owner", "eucora_app", "eucora_reader"
# Of the tables, what the app may do; all of them belong to the owner, who cannot log in.
WORK = "SELECT INSERT UPDATE DELETE"
APP_MAY = {
    "event": "SELECT INSERT",
    "log_head": "SELECT UPDATE",
    "installation": "SELECT",
    "reply": "SELECT INSERT DELETE",
    "ring_cohort": "SELECT INSERT DELETE",
    **dict.fromkeys(
        (
            "circuit", "device_install", "held_request", "job", "rate_bucket", "service_token_use", "token_cache",
            "upstream_report",
        ),
        WORK,
    ),
}  # fmt: skip
GUARDS = {
    ("event", "event_no_rewrite", "refuse_rewrite"),
    ("event", "event_no_truncate", "refuse_rewrite"),
    ("log_head", "log_head_grows", "refuse_shrinking"),
    ("log_head", "log_head_no_truncate", "refuse_rewrite"),
}
# One line a fact. "everybody" is PUBLIC. What is in pg_catalog and information_schema is Postgres' own.
CATALOGUE = """
with ours as (
  select oid, nspname, nspowner, nspacl from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema'
),
granted (thing, owner, acl) as (
  select 'schema ' || nspname, nspowner, coalesce(nspacl, acldefault('n', nspowner)) from ours
  union all
  select case c.relkind when 'r' then 'table ' when 'S' then 'sequence ' else 'relation ' || c.relkind::text || ' ' end
         || n.nspname || '.' || c.relname, c.relowner,
         coalesce(c.relacl, acldefault(case c.relkind when 'S' then 's' else 'r' end::"char", c.relowner))
  from pg_class c join ours n on n.oid = c.relnamespace where c.relkind not in ('i', 'I', 't', 'c')
  union all
  select 'column ' || a.attrelid::regclass || '.' || a.attname, c.relowner, a.attacl
  from pg_attribute a join pg_class c on c.oid = a.attrelid join ours n on n.oid = c.relnamespace
  where a.attacl is not null
  union all
  select 'function ' || n.nspname || '.' || p.proname, p.proowner, coalesce(p.proacl, acldefault('f', p.proowner))
  from pg_proc p join ours n on n.oid = p.pronamespace
  union all
  select 'type ' || n.nspname || '.' || t.typname, t.typowner, coalesce(t.typacl, acldefault('T', t.typowner))
  from pg_type t join ours n on n.oid = t.typnamespace left join pg_class c on c.oid = t.typrelid
  where t.typcategory <> 'A' and coalesce(c.relkind, 'c') = 'c'
  union all
  select 'database', datdba, coalesce(datacl, acldefault('d', datdba))
  from pg_database where datname = current_database()
)
select thing || ' belongs to ' || pg_get_userbyid(owner) from granted
union all
select thing || ': ' || case when a.grantee = 0 then 'everybody' else pg_get_userbyid(a.grantee)::text end || ' may '
       || a.privilege_type || case when a.is_grantable then ' and pass it on' else '' end
from granted, aclexplode(acl) a where a.grantee <> owner
union all
select 'trigger ' || tgrelid::regclass || ' ' || tgname || ' ' || tgenabled::text || ' runs ' || tgfoid::regproc
from pg_trigger where not tgisinternal
union all
select 'function ' || p.oid::regproc || ' acts as its owner'
from pg_proc p join ours n on n.oid = p.pronamespace where p.prosecdef
union all
select 'function ' || p.oid::regproc || ' is written in ' || l.lanname
from pg_proc p join ours n on n.oid = p.pronamespace join pg_language l on l.oid = p.prolang
union all
select 'rule ' || ev_class::regclass || ' ' || rulename
from pg_rewrite r join pg_class c on c.oid = r.ev_class join ours n on n.oid = c.relnamespace
union all
select 'policy ' || polname || ' on ' || polrelid::regclass from pg_policy
union all
select 'event trigger ' || evtname from pg_event_trigger
union all
select 'default privileges of ' || pg_get_userbyid(defaclrole) || ' for ' || defaclobjtype::text from pg_default_acl
union all
select 'extension ' || extname from pg_extension
union all
select 'foreign server ' || srvname from pg_foreign_server
union all
select 'publication ' || pubname from pg_publication
union all
select 'role ' || rolname || ' may ' || power from pg_roles,
  lateral (values ('log in', rolcanlogin), ('do everything', rolsuper), ('make roles', rolcreaterole),
    ('make databases', rolcreatedb), ('replicate', rolreplication), ('pass row security', rolbypassrls)) p (power, has)
where has and rolname in ('eucora_owner', 'eucora_app', 'eucora_reader')
union all
select 'role ' || m.member::regrole || ' acts as ' || m.roleid::regrole from pg_auth_members m
where m.member::regrole::text in ('eucora_owner', 'eucora_app', 'eucora_reader')
union all
select 'role ' || setrole::regrole || ' is set ' || array_to_string(setconfig, ' ') from pg_db_role_setting
where setrole::regrole::text in ('eucora_owner', 'eucora_app', 'eucora_reader')
"""


@pytest.fixture
async def owner(database: Database, pool: Pool) -> AsyncIterator[asyncpg.Connection]:
    """The administrator, in a database as a first start leaves it."""
    await ProjectionRunner(pool, EventLog(pool, RandomIds()), all_projections()).ensure()
    connection = await asyncpg.connect(database.owner_url)
    # Database grants are not copied from the template that tests make theirs from.
    await connection.execute(f'revoke temporary on database "{database.name}" from public')
    yield connection
    await connection.close()


async def found(connection: asyncpg.Connection) -> set[str]:
    return {row[0] for row in await connection.fetch(CATALOGUE)}


def expected(administrator: str) -> set[str]:
    """What a migrated database holds; ``administrator`` is whose login migrated it."""
    facts = {
        "database: everybody may CONNECT",
        f"database belongs to {administrator}",
        "schema public belongs to pg_database_owner",
        f"schema public: {OWNER} may USAGE",
        f"schema public: {OWNER} may CREATE",
        f"schema public: {APP} may USAGE",
        f"schema public: {READER} may USAGE",
        f"schema read_model belongs to {APP}",
        f"schema read_model: {READER} may USAGE",
        f"table public.alembic_version belongs to {administrator}",
        f"table public.alembic_version: {APP} may SELECT",
        f"role {APP} may log in",
        "extension plpgsql",
        *(f"table public.{one}: {READER} may SELECT" for one in ("event", "log_head")),
        *(f"sequence public.{one}_id_seq belongs to {OWNER}" for one in ("job", "held_request")),
    }
    for table, words in APP_MAY.items():
        facts |= {f"table public.{table} belongs to {OWNER}"}
        facts |= {f"table public.{table}: {APP} may {word}" for word in words.split()}
    for table, trigger, function in GUARDS:
        facts |= {f"trigger {table} {trigger} A runs {function}"}  # A: also where a session plays a replica
    for function in ("append_event", "append_events", "refuse_rewrite", "refuse_shrinking"):
        facts |= {f"function public.{function} belongs to {OWNER}", f"function {function} is written in plpgsql"}
    facts |= {f"function public.{one}: {APP} may EXECUTE" for one in ("append_event", "append_events")}
    for kind in ("append_entry", "append_head"):
        facts |= {f"type public.{kind} belongs to {OWNER}", f"type public.{kind}: {APP} may USAGE"}
    models = {"cursor"} | {table.name for projection in all_projections() for table in projection.tables}
    facts |= {f"table read_model.{one} belongs to {APP}" for one in models}
    closed = {one for one in models if one.startswith("service_token")}
    assert closed
    return facts | {f"table read_model.{one}: {READER} may SELECT" for one in models - closed}


async def test_everybody_holds_what_is_written_here_and_no_more(owner: asyncpg.Connection) -> None:
    facts, wanted = await found(owner), expected(await owner.fetchval("select current_user"))
    assert sorted(facts - wanted) == [], "the database holds more"
    assert sorted(wanted - facts) == [], "the database lacks"


TAMPERED = {
    "grant update on event to eucora_app": "table public.event: eucora_app may UPDATE",
    "grant select on job to public": "table public.job: everybody may SELECT",
    "grant update (body) on event to eucora_app": "column event.body: eucora_app may UPDATE",
    "grant select on event to eucora_reader with grant option": (
        "table public.event: eucora_reader may SELECT and pass it on"
    ),
    "alter table event owner to eucora_app": "table public.event belongs to eucora_app",
    "alter table event disable trigger event_no_rewrite": "trigger event event_no_rewrite D runs refuse_rewrite",
    "alter table event enable trigger event_no_rewrite": "trigger event event_no_rewrite O runs refuse_rewrite",
    "alter function append_event security definer": "function append_event acts as its owner",
    "grant execute on function append_event to public": "function public.append_event: everybody may EXECUTE",
    "create table public.mine (n int)": "table public.mine belongs to eucora",
    "create view public.mine as select * from job": "relation v public.mine belongs to eucora",
    "grant create on schema public to public": "schema public: everybody may CREATE",
    "grant eucora_owner to eucora_app": "role eucora_app acts as eucora_owner",
    "grant pg_read_all_data to eucora_reader": "role eucora_reader acts as pg_read_all_data",
    "alter role eucora_reader bypassrls": "role eucora_reader may pass row security",
    "alter role eucora_owner login": "role eucora_owner may log in",
    "alter role eucora_app set session_replication_role = replica": (
        "role eucora_app is set session_replication_role=replica"
    ),
    "create rule r as on delete to event do instead nothing": "rule event r",
    "alter default privileges grant select on tables to public": "default privileges of eucora for r",
}


async def test_every_change_of_it_is_seen(owner: asyncpg.Connection) -> None:
    before = await found(owner)
    for statement, fact in TAMPERED.items():
        change = owner.transaction()  # undone: roles are shared by every database of the server
        await change.start()
        try:
            await owner.execute(statement)
            assert fact in await found(owner) - before, statement
        finally:
            await change.rollback()
    assert await found(owner) == before


async def test_an_export_reads_the_log_and_the_read_models_and_is_refused_all_else(owner: asyncpg.Connection) -> None:
    await owner.execute("set session authorization eucora_reader")
    for readable in ("event", "log_head", "read_model.intent_v3", "read_model.timeline_v1", "read_model.cursor"):
        assert await owner.fetch(f"select * from {readable} limit 1") is not None
    statements = [
        *(f"select from {one}" for one in sorted(APP_MAY.keys() - {"event", "log_head"})),
        "select from read_model.service_token_v2",
        "insert into event select * from event",
        "update log_head set next = 0",
        "delete from read_model.intent_v3",
        "select append_event('s', 0, null, 't', 1::smallint, now(), 'a', 'c', null, 'i', ''::bytea)",
        "create table public.mine (n int)",
        "create temporary table mine (n int)",
        "set role eucora_app",
    ]
    done = []
    for statement in statements:
        try:
            await owner.execute(statement)
        except asyncpg.InsufficientPrivilegeError:
            continue
        done.append(statement)
    assert done == []


async def test_a_read_model_that_is_built_anew_stays_open_to_exports(owner: asyncpg.Connection, pool: Pool) -> None:
    runner = ProjectionRunner(pool, EventLog(pool, RandomIds()), all_projections())
    await runner.rebuild("intents")
    await runner.rebuild("tokens")
    facts = await found(owner)
    assert f"table read_model.intent_v3: {READER} may SELECT" in facts
    assert f"table read_model.service_token_v2: {READER} may SELECT" not in facts
