with states as (
    -- Of two that are told of one moment, the same one whichever came first.
    select distinct on (repository_id, observed_at)
        repository_id,
        observed_at,
        visibility,
        default_branch,
        load_id
    from {{ source('raw', 'repository_history') }}
    order by
        repository_id asc,
        observed_at asc,
        visibility desc nulls last,
        default_branch desc nulls last
),

compared as (
    select
        *,
        lag(observed_at) over by_time is null as is_first,
        lag(visibility) over by_time as earlier_visibility,
        lag(default_branch) over by_time as earlier_default_branch
    from states
    window by_time as (partition by repository_id order by observed_at)
)

select
    repository_id,
    observed_at,
    visibility,
    default_branch,
    load_id
from compared
where
    is_first
    or (visibility, default_branch) is distinct from (earlier_visibility, earlier_default_branch)
