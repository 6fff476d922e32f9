select
    repository_id,
    nullif(full_name, '')::text as full_name,
    nullif(name, '')::text as name,
    owner_id,
    nullif(owner_login, '')::text as owner_login,
    nullif(owner_type, '')::text as owner_type,
    coalesce(
        nullif(visibility, '')::text,
        case private when true then 'private' when false then 'public' end
    ) as visibility,
    nullif(default_branch, '')::text as default_branch,
    archived as is_archived,
    disabled as is_disabled,
    fork as is_fork,
    nullif(html_url, '')::text as html_url,
    created_at,
    content_hash::text as content_hash,
    _dlt_load_id::text as load_id
from {{ source('raw', 'repositories') }}
