{#-
Cancelled runs that this build's loads did not bring, but that a run to build supersedes, or did before
more of it became known.
-#}
with runs_to_build as (
    select run_id from {{ ref('int_github__runs_to_build') }}
),

runs as not materialized (
    select * from {{ ref('workflow_runs') }}
),

touched as (
    select * from {{ ref('int_github__run_versions') }}
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
        select from runs_to_build where runs_to_build.run_id = cancelled.run_id
    )
