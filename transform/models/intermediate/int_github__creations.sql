{#- When the touched runs were created, by every observation of any attempt. -#}
with touched_runs as (
    select run_id from {{ ref('int_github__touched_runs') }}
)

select distinct
    runs.run_id,
    runs.workflow_id,
    runs.created_at
from {{ ref('stg_github__workflow_runs') }} as runs
inner join touched_runs on runs.run_id = touched_runs.run_id
where runs.created_at is not null
