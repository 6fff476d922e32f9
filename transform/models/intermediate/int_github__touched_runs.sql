{#- Runs that this build computes anew: its loads brought their own rows, jobs or repository. -#}
with runs as (
    select run_id, repository_id, load_id from {{ ref('stg_github__workflow_runs') }}
),

jobs as (
    select run_id, load_id from {{ ref('stg_github__workflow_jobs') }}
),

repositories as (
    select repository_id, load_id from {{ ref('stg_github__repositories') }}
)

select run_id from runs where load_id in {{ claimed_loads() }}
union
select run_id from jobs where load_id in {{ claimed_loads() }}
union
select run_id
from runs
where
    repository_id in (
        select repositories.repository_id
        from repositories
        where repositories.load_id in {{ claimed_loads() }}
    )
