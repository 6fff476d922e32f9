{#- The newest state of every known attempt of the touched runs. -#}
with touched_runs as (
    select run_id from {{ ref('int_github__touched_runs') }}
),

observed as (
    select runs.*
    from {{ ref('stg_github__workflow_runs') }} as runs
    inner join touched_runs on runs.run_id = touched_runs.run_id
)

select distinct on (run_id, run_attempt)
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
    html_url,
    coalesce(status = 'completed', false) as is_completed
from observed
order by
    run_id asc,
    run_attempt asc,
    is_final desc,
    updated_at desc nulls last,
    status_rank desc,
    content_hash desc
