{#-
The runs to build as they are, and runs as they were before a build changed what they are filed under or
compared by: whatever stands on one of these is to be computed anew.
-#}
with runs_to_build as (
    select run_id from {{ ref('int_github__runs_to_build') }}
),

runs as not materialized (
    select * from {{ ref('workflow_runs') }}
),

former_runs as (
    {{ former_runs() }}
),

versions as (
    select runs.{{ former_columns() | join(', runs.') }}
    from runs
    inner join runs_to_build on runs.run_id = runs_to_build.run_id
    union
    select {{ former_columns() | join(', ') }}
    from former_runs
)

select
    *,
    (created_at at time zone 'UTC')::date as day
from versions
