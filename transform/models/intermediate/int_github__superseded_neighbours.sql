{#-
Cancelled runs that this build's loads did not bring, but that a touched run supersedes, or did before
more of it became known: every creation time that the touched run can have had counts.
-#}
with touched_runs as (
    select run_id from {{ ref('int_github__touched_runs') }}
),

runs as not materialized (
    select * from {{ ref('workflow_runs') }}
),

creations as (
    select run_id, created_at from {{ ref('int_github__creations') }}
),

touched as (
    select distinct
        runs.run_id,
        runs.repository_id,
        runs.workflow_id,
        runs.head_repository_id,
        runs.head_branch,
        runs.event,
        creations.created_at
    from runs
    inner join touched_runs on runs.run_id = touched_runs.run_id
    inner join creations on runs.run_id = creations.run_id
)

select distinct
    cancelled.run_id,
    cancelled.repository_id,
    cancelled.workflow_id,
    cancelled.day
from touched
inner join runs as cancelled
    on
        cancelled.conclusion = 'cancelled'
        and cancelled.is_completed
        and touched.created_at >= cancelled.created_at
        and {{ supersedes('touched', 'cancelled', 'touched.created_at') }}
where
    not exists (
        select from touched_runs where touched_runs.run_id = cancelled.run_id
    )
