"""The rows of app.repositories are locked in one order by all who write them."""

from alembic import op

revision = "0004"
down_revision = "0003"

STATEMENT = """
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
                bool_and(polls.ended_at is not null and polls.error is null)
                    and bool_or(polls.loop = 'jobs') as is_complete,
                bool_and(not exists (
                    select from unnest(polls.load_ids) as load (load_id)
                    where exists (select from raw.loads where loads.load_id = load.load_id)
                        and not exists (
                            select from marts.built_loads where built_loads.load_id = load.load_id
                        )
                )) as is_built
            from raw.polls
            inner join app.repositories using (repository_id)
            where polls.started_at >= coalesce(repositories.observed_until, '-infinity')
            group by polls.repository_id, polls.poll_id
        ),

        trusted as (
            select
                repository_id,
                started_at,
                is_complete,
                bool_and(is_built) over (
                    partition by repository_id order by started_at
                ) as is_trusted
            from cycles
        ),

        newest as (
            select repository_id, max(started_at) as observed_until
            from trusted
            where is_complete and is_trusted
            group by repository_id
        )

        update app.repositories
        set observed_until = newest.observed_until
        from newest
        where repositories.repository_id = newest.repository_id;
    end
    $body$
"""


def upgrade() -> None:
    op.execute(STATEMENT)
