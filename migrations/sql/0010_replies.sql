-- What is sent again for an Idempotency-Key is the whole answer: the headers that callers go on with, and the position.
ALTER TABLE reply ADD COLUMN headers JSONB NOT NULL DEFAULT '{}';
ALTER TABLE reply ADD COLUMN position BIGINT;
COMMENT ON COLUMN reply.position IS 'Of the last event that the request caused; null: the answer is older than this column.';

-- As before (see 0001_append.sql), save that the answers go in last, when their positions are known.
create or replace function append_events(
  heads append_head[],      -- what each append expects of the streams that it touches
  entries append_entry[],   -- its events, in order
  leases jsonb,   -- [{append, job_id, worker, attempt}]: jobs that end with the append
  replies jsonb,  -- [{append, owner, key, fingerprint, status, body (base64), headers, at}]
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

  -- Who keeps an answer without an append locks the same row, so nobody else's answer is on its way in here.
  taken := '{}';
  if replies is not null then
    select coalesce(array_agg(a.append), '{}') into taken
    from jsonb_to_recordset(replies) as a (append int, owner text, key text)
    where not a.append = any (refused)
      and exists (select from reply r where r.owner = a.owner and r.key = a.key);
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

  if replies is not null then
    -- The position that the caller is told is that of the last event of his append.
    insert into reply (owner, key, fingerprint, status, body, headers, at, position)
    select a.owner, a.key, a.fingerprint, a.status, decode(a.body, 'base64'), coalesce(a.headers, '{}'), a.at,
           first_position + w.last - 1
    from jsonb_to_recordset(replies)
      as a (append int, owner text, key text, fingerprint text, status smallint, body text, headers jsonb, at timestamptz)
    join (select n.append, max(n.nr) as last
          from (select e.append, row_number() over (order by e.nr) as nr
                from unnest(entries) with ordinality
                  as e (append, stream, version, id, type, schema, at, actor, correlation_id, causation_id, intent_id,
                        body, nr)
                where not e.append = any (refused)) n
          group by n.append) w on w.append = a.append;
  end if;

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
