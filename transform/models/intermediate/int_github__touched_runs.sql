{#- Runs that this build computes anew: its loads brought their own rows, jobs or repository. -#}
select run_id
from {{ ref('stg_github__workflow_runs') }}
where load_id in {{ claimed_loads() }}
union
select run_id
from {{ ref('stg_github__workflow_jobs') }}
where load_id in {{ claimed_loads() }}
union
select run_id
from {{ ref('stg_github__workflow_runs') }}
where repository_id in {{ claimed_repositories() }}
