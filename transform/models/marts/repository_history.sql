with changes as not materialized (
    select * from {{ ref('stg_github__repository_history') }}
),

repositories as not materialized (
    select
        repository_id,
        created_at
    from {{ ref('repositories') }}
),

touched as (
    select repository_id from {{ touched() }}
),

periods as (
    select
        touched.repository_id,
        changes.observed_at,
        changes.visibility,
        changes.default_branch,
        repositories.created_at,
        lag(changes.observed_at) over by_time is null as is_first,
        lead(changes.observed_at) over by_time as ends_at
    from touched
    inner join changes on touched.repository_id = changes.repository_id
    inner join repositories on touched.repository_id = repositories.repository_id
    window by_time as (partition by touched.repository_id order by changes.observed_at)
)

select
    repository_id,
    -- The first one began with the repository, unless the second one did so before.
    case
        when is_first and created_at < coalesce(ends_at, 'infinity') then created_at
        else observed_at
    end as valid_from,
    visibility,
    default_branch
from periods
