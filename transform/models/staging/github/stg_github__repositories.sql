with source as (
    select * from {{ source('raw', 'repositories') }}
)

select
    repository_id,
    nullif(full_name, '') as full_name,
    nullif(name, '') as name,
    owner_id,
    nullif(owner_login, '') as owner_login,
    nullif(owner_type, '') as owner_type,
    coalesce(
        nullif(visibility, ''), case private when true then 'private' when false then 'public' end
    ) as visibility,
    nullif(default_branch, '') as default_branch,
    archived as is_archived,
    disabled as is_disabled,
    fork as is_fork,
    nullif(html_url, '') as html_url,
    created_at,
    content_hash,
    _dlt_load_id as load_id
from source
