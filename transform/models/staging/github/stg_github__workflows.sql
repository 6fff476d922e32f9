select
    workflow_id,
    repository_id,
    nullif(name, '')::text as name,
    nullif(path, '')::text as path,
    nullif(state, '')::text as state,
    nullif(html_url, '')::text as html_url,
    created_at,
    updated_at,
    deleted_at,
    -- Since when the repository lists it no more.
    gone_at,
    content_hash::text as content_hash,
    _dlt_load_id::text as load_id
from {{ source('raw', 'workflows') }}
