-- What the triggers call, and what advances how far statistics can be trusted. "The map of
-- triggers" in docs/contributors.md says who fills and who reads what.

-- To which slot of collection a repository or a selection belongs, by its owner alone; shards are
-- sets of slots (actionsight/shards.py).
create or replace function app.collection_slot(full_name text) returns integer
language sql immutable parallel safe
return get_byte(decode(md5(lower(split_part(full_name, '/', 1))), 'hex'), 0) % 64;

-- Notes the attempts of runs whose jobs are to be listed, and forgets those that GitHub deleted.
create or replace function raw.owe_job_listings() returns trigger language plpgsql as $body$
begin
    insert into raw.owed_job_listings as owed (
        run_id, run_attempt, repository_id, began_at, updated_at
    )
    select changed.run_id, changed.run_attempt, changed.repository_id,
        coalesce(greatest(changed.created_at, changed.run_started_at), '-infinity'),
        changed.updated_at
    from changed
    left join raw.job_listings as listing using (run_id, run_attempt)
    where changed.status = 'completed'
        and changed.gone_at is null
        and (
            listing.run_id is null
            or listing.run_updated_at is distinct from changed.updated_at
        )
        and not exists (
            select from raw.missing_attempts as missing
            where missing.run_id = changed.run_id
                and missing.run_attempt = changed.run_attempt
        )
    on conflict (run_id, run_attempt) do update set
        began_at = excluded.began_at,
        updated_at = excluded.updated_at,
        not_before = null;
    delete from raw.owed_job_listings as owed
    using changed
    where owed.run_id = changed.run_id
        and owed.run_attempt = changed.run_attempt
        and changed.gone_at is not null;
    return null;
end
$body$;

-- Notes a load of dlt's that a build has to take in.
create or replace function raw.note_load() returns trigger language plpgsql as $body$
begin
    insert into raw.unbuilt_loads (load_id) values (new.load_id) on conflict do nothing;
    return null;
end
$body$;

-- Notes the load of rows that are stored, with them, before dlt notes that it is complete: whoever
-- is killed in between leaves nothing that no build sees. Of more rows of a load that a build has
-- taken in, the next one takes it in again. A change of rows that brings no load is none.
create or replace function raw.note_rows() returns trigger language plpgsql as $body$
begin
    if tg_op = 'INSERT' then
        insert into raw.unbuilt_loads as noted (load_id)
        select distinct _dlt_load_id from changed
        on conflict (load_id) do update set builds = '{}' where noted.builds != '{}';
    else
        insert into raw.unbuilt_loads as noted (load_id)
        select _dlt_load_id from changed except select _dlt_load_id from before
        on conflict (load_id) do update set builds = '{}' where noted.builds != '{}';
    end if;
    return null;
end
$body$;

-- Notes a batch of webhooks that a build has to take in.
create or replace function raw.note_batch() returns trigger language plpgsql as $body$
begin
    insert into raw.unbuilt_loads (load_id) values (new.batch_id) on conflict do nothing;
    return null;
end
$body$;

-- Notes a load that neither dlt nor a drain made.
create or replace function raw.note_direct_load() returns trigger language plpgsql as $body$
begin
    insert into raw.unbuilt_loads (load_id) values (new.load_id) on conflict do nothing;
    return null;
end
$body$;

-- Notes the state in which a poll saw a repository, where another one was known for that time;
-- gives whether it did. What is older than all that is known falls into the first period.
create or replace function raw.note_repository_state(
    repository bigint, seen_at timestamptz, seen_visibility text, seen_branch text, load text
) returns boolean language plpgsql as $body$
declare
    known raw.repository_history;
begin
    select * into known
    from raw.repository_history as history
    where history.repository_id = repository
    order by
        history.observed_at > seen_at,
        greatest(seen_at - history.observed_at, history.observed_at - seen_at),
        -- Of two at one time the one that the models take, too.
        history.visibility desc nulls last,
        history.default_branch desc nulls last
    limit 1;
    -- An answer that lacks something changes nothing of it.
    seen_visibility := coalesce(nullif(seen_visibility, ''), known.visibility);
    seen_branch := coalesce(nullif(seen_branch, ''), known.default_branch);
    if (seen_visibility, seen_branch) is not distinct from (known.visibility, known.default_branch)
    then
        return false;
    end if;
    insert into raw.repository_history
    values (repository, seen_at, seen_visibility, seen_branch, load)
    on conflict do nothing;
    return found;
end
$body$;

-- The same of a row that a poll stores, as of when GitHub told it who may see the repository.
create or replace function raw.note_polled_repository() returns trigger language plpgsql as $body$
begin
    perform raw.note_repository_state(
        new.repository_id,
        coalesce(
            (
                select visibility_seen_at from app.repositories
                where repositories.repository_id = new.repository_id
            ),
            now()
        ),
        new.visibility,
        new.default_branch,
        new._dlt_load_id
    );
    return null;
end
$body$;

-- A load that is deleted owes nothing.
create or replace function raw.forget_load() returns trigger language plpgsql as $body$
begin
    delete from raw.unbuilt_loads where load_id = old.load_id;
    return null;
end
$body$;

-- Notes the day of a poll, whether it brought a load or not. A build that takes the day in waits
-- for this poll, or this one for the build: either the build sees it, or the day is noted again.
create or replace function raw.note_polls() returns trigger language plpgsql as $body$
begin
    insert into raw.unbuilt_polls (repository_id, day)
    values (new.repository_id, (new.started_at at time zone 'UTC')::date)
    on conflict (repository_id, day) do update set noted_at = now();
    return null;
end
$body$;

-- A statistic can be trusted up to the start of the newest cycle that looked for new runs, open
-- ones and all their jobs, ended well, and whose loads, and all earlier ones of that repository,
-- are built (definition: as_of).
create or replace function app.advance_observed_until() returns void language plpgsql as $body$
begin
    if to_regclass('marts.built_loads') is null then
        return;
    end if;
    -- In the order in which the drain of webhooks takes the same rows: nobody waits for ever.
    perform from app.repositories order by repository_id for update;
    with
    cycles as (
        select
            polls.repository_id,
            polls.poll_id,
            min(polls.started_at) as started_at,
            -- Of these one follows the other.
            bool_or(polls.loop in ('repository', 'head')) as is_poll,
            bool_and(polls.ended_at is not null and polls.error is null)
                and bool_or(polls.loop = 'head')
                and bool_or(polls.loop = 'jobs') as is_complete,
            -- A killed one never ends.
            bool_and(
                polls.ended_at is not null
                or polls.error is not null
                or polls.started_at < now() - interval '1 day'
            ) as has_ended,
            bool_and(not exists (
                select from unnest(polls.load_ids) as load (load_id)
                where exists (select from raw.loads where loads.load_id = load.load_id)
                    and (
                        exists (
                            select from raw.unbuilt_loads
                            where unbuilt_loads.load_id = load.load_id
                        )
                        or not exists (
                            select from marts.built_loads where built_loads.load_id = load.load_id
                        )
                    )
            )) as is_built
        from app.repositories
        -- In an order, so that each repository's newest polls are found by the index, however
        -- many there are before.
        cross join lateral (
            select * from raw.polls
            where polls.repository_id = repositories.repository_id
                and polls.started_at >= greatest(
                    repositories.observed_until, repositories.examined_until, '-infinity'
                )
            order by polls.started_at
        ) as polls
        group by polls.repository_id, polls.poll_id
    ),

    compared as (
        select
            *,
            max(started_at) filter (where is_poll) over (
                partition by repository_id
            ) as newest_poll_at
        from cycles
    ),

    -- In order: whether all up to this one are built, and whether none of them can count any more.
    examined as (
        select
            repository_id,
            started_at,
            is_poll,
            is_complete,
            bool_and(is_built) over by_time as is_trusted,
            bool_and(
                is_built
                and not is_complete
                and started_at < newest_poll_at
                and (is_poll or has_ended)
            ) over by_time as is_past
        from compared
        window by_time as (partition by repository_id order by started_at)
    ),

    marks as (
        select
            examined.repository_id,
            max(examined.started_at) filter (
                where examined.is_complete
                    and examined.is_trusted
                    -- What came in while nobody polled is read as history is.
                    and not exists (
                        select from raw.backfill_windows as gap
                        where gap.repository_id = examined.repository_id
                            and gap.completed_at is null
                            and gap.ends_at >= repositories.head_since
                    )
            ) as observed_until,
            -- At a poll's start, which cuts none of the others.
            max(examined.started_at) filter (
                where examined.is_past and examined.is_poll
            ) as examined_until
        from examined
        inner join app.repositories using (repository_id)
        group by examined.repository_id
    )

    update app.repositories
    set
        observed_until = coalesce(marks.observed_until, repositories.observed_until),
        examined_until = coalesce(marks.examined_until, repositories.examined_until)
    from marks
    where repositories.repository_id = marks.repository_id
        and (
            marks.observed_until <> coalesce(repositories.observed_until, '-infinity')
            or marks.examined_until <> coalesce(repositories.examined_until, '-infinity')
        );
end
$body$;

-- How far a run or a job has come, as `status_rank` in transform/macros says it.
create or replace function raw.status_rank(status text) returns integer
language sql immutable parallel safe
return case status
    when 'completed' then 5
    when 'in_progress' then 4
    when 'queued' then 3
    when 'waiting' then 2
    when 'pending' then 2
    when 'requested' then 1
    else 0
end;

-- Whether an attempt has ended for good: after an approval it would go on.
create or replace function raw.is_final(status text, conclusion text) returns boolean
language sql immutable parallel safe
return coalesce(status = 'completed' and conclusion is distinct from 'action_required', false);

-- Whether a column tells nothing of what it describes.
create or replace function raw.says_nothing(value anyelement) returns boolean
language sql immutable parallel safe
as $body$
select value is null or value::text in ('', '[]')
$body$;
