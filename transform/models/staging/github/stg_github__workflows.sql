with source as (
    select * from {{ source('raw', 'workflows') }}
)

select
    workflow_id,
    repository_id,
    nullif(name, '') as name,
    nullif(path, '') as path,
    nullif(state, '') as state,
    nullif(html_url, '') as html_url,
    created_at,
    updated_at,
    deleted_at,
    content_hash,
    _dlt_load_id as load_id
from source
