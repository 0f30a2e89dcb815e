-- The app role has no right to rewrite the log; these triggers also stop whoever has, replica mode included.
create function refuse_rewrite() returns trigger language plpgsql as $$
begin
  raise exception 'the event log is append-only: % on % is refused', tg_op, tg_table_name using errcode = 'EU001';
end $$;
alter function refuse_rewrite() owner to eucora_owner;

create trigger event_no_rewrite before update or delete on event for each row execute function refuse_rewrite();
create trigger event_no_truncate before truncate on event for each statement execute function refuse_rewrite();
alter table event enable always trigger event_no_rewrite;
alter table event enable always trigger event_no_truncate;

-- The next position only grows; a smaller one would collide with the primary key, a rewrite is refused before that.
create function refuse_shrinking() returns trigger language plpgsql as $$
begin
  if tg_op <> 'UPDATE' or new.next < old.next then
    raise exception 'the head of the log only grows' using errcode = 'EU001';
  end if;
  return new;
end $$;
alter function refuse_shrinking() owner to eucora_owner;

create trigger log_head_grows before update or delete on log_head for each row execute function refuse_shrinking();
alter table log_head enable always trigger log_head_grows;

insert into log_head (next) values (0);
-- One row, rewritten at every append: room on its page keeps the update cheap.
alter table log_head set (fillfactor = 10);
