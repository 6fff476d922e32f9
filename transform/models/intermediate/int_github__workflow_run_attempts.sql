{#- The newest state of every known attempt of a run. -#}
with touched as (
    select run_id from {{ touched() }}
),

observations as not materialized (
    select runs.*
    from touched
    cross join
        lateral
        {{ rows_of(ref('stg_github__workflow_runs'), {'run_id': 'touched.run_id'}) }}
            as runs
),

seen_by_webhook as materialized (
    select distinct
        repository_id,
        run_id,
        run_attempt
    from observations
    where delivery_id is not null
),

-- Polling keeps one row of each attempt: alone there is nothing to decide.
polled_alone as (
    select polled.*
    from observations as polled
    where
        polled.delivery_id is null
        and not exists (
            select
            from seen_by_webhook as seen
            where
                polled.repository_id = seen.repository_id
                and polled.run_id = seen.run_id
                and polled.run_attempt = seen.run_attempt
        )
),

placed as (
    select
        observations.*,
        row_number() over (
            partition by
                observations.repository_id, observations.run_id, observations.run_attempt
            order by
                observations.is_final desc,
                observations.updated_at desc nulls last,
                observations.status_rank desc,
                observations.content_hash desc
        ) as place
    from observations
    inner join seen_by_webhook as seen
        on
            observations.repository_id = seen.repository_id
            and observations.run_id = seen.run_id
            and observations.run_attempt = seen.run_attempt
),

newest_states as (
    select
        run_id,
        run_attempt,
        repository_id,
        {{ newest_known('workflow_id') }} as workflow_id,
        {{ newest_known('name') }} as name,
        {{ newest_known('display_title') }} as display_title,
        {{ newest_known('path') }} as path,
        {{ newest_known('run_number') }} as run_number,
        {{ newest_known('event') }} as event,
        {{ newest('status') }} as status,
        {{ newest('conclusion') }} as conclusion,
        {{ newest_known('head_branch') }} as head_branch,
        {{ newest_known('head_sha') }} as head_sha,
        {{ newest_known('created_at') }} as created_at,
        {{ newest('updated_at') }} as updated_at,
        {{ newest_known('run_started_at') }} as run_started_at,
        {{ newest_known('actor_id') }} as actor_id,
        {{ newest_known('actor_login') }} as actor_login,
        {{ newest_known('triggering_actor_id') }} as triggering_actor_id,
        {{ newest_known('triggering_actor_login') }} as triggering_actor_login,
        {{ newest_known('head_repository_id') }} as head_repository_id,
        {{ newest_known_array('pull_request_numbers', 'bigint[]') }} as pull_request_numbers,
        {{ newest_known('html_url') }} as html_url,
        {{ newest_known('gone_at') }} as gone_at,
        -- Until somebody approves it, this is what an attempt ended with.
        coalesce(bool_or(was_action_required), false)
        and coalesce({{ newest('conclusion') }}, '') != 'action_required' as was_approved,
        {{ how_seen() }}
    from placed
    group by repository_id, run_id, run_attempt
    union all
    select
        run_id,
        run_attempt,
        repository_id,
        workflow_id,
        name,
        display_title,
        path,
        run_number,
        event,
        status,
        conclusion,
        head_branch,
        head_sha,
        created_at,
        updated_at,
        run_started_at,
        actor_id,
        actor_login,
        triggering_actor_id,
        triggering_actor_login,
        head_repository_id,
        pull_request_numbers,
        html_url,
        gone_at,
        false as was_approved,
        {{ seen_by_poll_alone() }}
    from polled_alone
)

select
    *,
    coalesce(status = 'completed', false) as is_completed
from newest_states
