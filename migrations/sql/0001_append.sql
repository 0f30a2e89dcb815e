-- Appends of one process that wait together come as one call: one round trip, one transaction, one fsync.
-- Positions come from the counter row, which stays locked until the commit: dense, and visible in order.
--
-- Each append keeps its own result: what is named in "stale", "lost" or "taken" was left out, all the rest is in.
-- The caller sees to it that no two appends of one call touch the same stream, idempotency key or job.
-- Rows come as two arrays of a row type: the driver walks one array, not one for every column.
create type append_head as (append int, stream text, version int);
alter type append_head owner to eucora_owner;
create type append_entry as (
  append int, stream text, version int, id uuid, type text, schema smallint, at timestamptz, actor text,
  correlation_id text, causation_id uuid, intent_id text, body bytea);
alter type append_entry owner to eucora_owner;

create function append_events(
  heads append_head[],      -- what each append expects of the streams that it touches
  entries append_entry[],   -- its events, in order
  leases jsonb,   -- [{append, job_id, worker, attempt}]: jobs that end with the append
  replies jsonb,  -- [{append, owner, key, fingerprint, status, body (base64), at}]
  jobs jsonb,     -- [{append, kind, payload, lock_key, dedupe_key, priority, run_at, attempts_max, correlation_id, ...}]
  out first_position bigint, out stale int[], out lost int[], out taken int[]
) language plpgsql as $$
declare
  refused int[] := '{}';
  inserted bigint;
begin
  -- Under contention an advisory lock queues far better than the row; correctness rests on the row alone.
  perform pg_advisory_xact_lock(731601);
  select next into strict first_position from log_head for update;

  -- Each statement of this function has a snapshot of its own, taken after the lock: the heads read here are current.
  select coalesce(array_agg(distinct c.append), '{}') into stale
  from unnest(heads) as c
  where c.version <> coalesce((select max(e.version) from event e where e.stream = c.stream), 0);
  refused := stale;

  lost := '{}';
  if leases is not null then
    select coalesce(array_agg(l.append), '{}') into lost
    from jsonb_to_recordset(leases) as l (append int, job_id bigint, worker text, attempt int)
    where not l.append = any (refused) and not exists (
      select from job j
      where j.id = l.job_id and j.worker = l.worker and j.attempt = l.attempt and j.state = 'running'
      for update);
    refused := refused || lost;
  end if;

  taken := '{}';
  if replies is not null then
    with asked as (
      select * from jsonb_to_recordset(replies)
        as r (append int, owner text, key text, fingerprint text, status smallint, body text, at timestamptz)
      where not r.append = any (refused)
    ), written as (
      insert into reply (owner, key, fingerprint, status, body, at)
      select a.owner, a.key, a.fingerprint, a.status, decode(a.body, 'base64'), a.at from asked a
      on conflict do nothing returning owner, key
    )
    select coalesce(array_agg(a.append), '{}') into taken
    from asked a where not exists (select from written w where w.owner = a.owner and w.key = a.key);
    refused := refused || taken;
  end if;

  if leases is not null then
    delete from job j using jsonb_to_recordset(leases) as l (append int, job_id bigint)
    where j.id = l.job_id and not l.append = any (refused);
  end if;

  if refused = '{}' then  -- the usual case needs no second numbering
    insert into event (position, stream, version, id, type, schema, at, actor, correlation_id, causation_id, intent_id, body)
    select first_position + e.nr - 1, e.stream, e.version, e.id, e.type, e.schema, e.at, e.actor, e.correlation_id,
           e.causation_id, e.intent_id, e.body
    from unnest(entries) with ordinality
      as e (append, stream, version, id, type, schema, at, actor, correlation_id, causation_id, intent_id, body, nr);
  else
    insert into event (position, stream, version, id, type, schema, at, actor, correlation_id, causation_id, intent_id, body)
    select first_position + row_number() over (order by e.nr) - 1, e.stream, e.version, e.id, e.type, e.schema, e.at,
           e.actor, e.correlation_id, e.causation_id, e.intent_id, e.body
    from unnest(entries) with ordinality
      as e (append, stream, version, id, type, schema, at, actor, correlation_id, causation_id, intent_id, body, nr)
    where not e.append = any (refused);
  end if;
  get diagnostics inserted = row_count;
  update log_head set next = first_position + inserted;

  if jobs is not null then
    -- A job that waits already is asked for anew: it must not go on waiting for the end of its backoff, or stand behind
    -- what is less urgent than the new wish. Twins within the call are one wish, or the statement would meet a row twice.
    insert into job (kind, payload, lock_key, dedupe_key, priority, run_at, attempts_max, correlation_id, intent_id, causation_id)
    select distinct on (coalesce(w.dedupe_key, w.nr::text)) w.kind, w.payload, w.lock_key, w.dedupe_key, w.priority, w.run_at,
           w.attempts_max, w.correlation_id, w.intent_id, w.causation_id
    from (select n.*, row_number() over () as nr from jsonb_to_recordset(jobs)
      as n (append int, kind text, payload jsonb, lock_key text, dedupe_key text, priority smallint, run_at timestamptz,
            attempts_max int, correlation_id text, intent_id text, causation_id uuid)) w
    where not w.append = any (refused)
    order by coalesce(w.dedupe_key, w.nr::text), w.priority, w.run_at, w.nr
    on conflict (dedupe_key) where state = 'ready' and dedupe_key is not null
      do update set run_at = least(job.run_at, excluded.run_at), priority = least(job.priority, excluded.priority), attempt = 0;
  end if;
end $$;
alter function append_events(append_head[], append_entry[], jsonb, jsonb, jsonb) owner to eucora_owner;

-- The case of one writer: one event, nothing beside it. Null when the stream does not stand at expected_version.
create function append_event(
  event_stream text, expected_version int, event_id uuid, event_type text, event_schema smallint, event_at timestamptz,
  event_actor text, event_correlation text, event_causation uuid, event_intent text, event_body bytea
) returns bigint language plpgsql as $$
declare
  taken bigint;
begin
  perform pg_advisory_xact_lock(731601);
  select next into strict taken from log_head for update;
  insert into event (position, stream, version, id, type, schema, at, actor, correlation_id, causation_id, intent_id, body)
  select taken, event_stream, expected_version + 1, event_id, event_type, event_schema, event_at, event_actor,
         event_correlation, event_causation, event_intent, event_body
  where expected_version = coalesce((select max(e.version) from event e where e.stream = event_stream), 0);
  if not found then
    return null;
  end if;
  update log_head set next = taken + 1;
  return taken;
end $$;
alter function append_event(text, int, uuid, text, smallint, timestamptz, text, text, uuid, text, bytea)
  owner to eucora_owner;
