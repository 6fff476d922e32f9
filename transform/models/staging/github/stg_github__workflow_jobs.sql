with source as (
    select * from {{ source('raw', 'workflow_jobs') }}
)

select
    job_id,
    run_id,
    run_attempt,
    repository_id,
    nullif(name, '') as name,
    nullif(workflow_name, '') as workflow_name,
    nullif(status, '') as status,
    nullif(conclusion, '') as conclusion,
    created_at,
    started_at,
    completed_at,
    nullif(head_branch, '') as head_branch,
    nullif(head_sha, '') as head_sha,
    case
        when jsonb_typeof(labels) = 'array' then array(select jsonb_array_elements_text(labels))
    end as labels,
    runner_id,
    nullif(runner_name, '') as runner_name,
    runner_group_id,
    nullif(runner_group_name, '') as runner_group_name,
    steps,
    nullif(html_url, '') as html_url,
    -- The order of the newest state: status rank, completed_at, content hash.
    {{ status_rank('status') }} as status_rank,
    content_hash,
    _dlt_load_id as load_id
from source
