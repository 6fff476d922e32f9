with repositories as not materialized (
    select * from {{ ref('stg_github__repositories') }}
),

touched as (
    select repository_id from {{ touched() }}
)

-- A repository that only its workflows or runs tell of is a stub: its id and nothing else.
select
    touched.repository_id,
    repositories.full_name,
    repositories.name,
    repositories.owner_login,
    repositories.visibility,
    repositories.default_branch,
    repositories.is_archived,
    repositories.is_disabled,
    repositories.is_fork,
    repositories.html_url,
    repositories.created_at
from touched
left join repositories on touched.repository_id = repositories.repository_id
