{#- All arms give the same types, so that PostgreSQL reads each by its own indexes. -#}
{#- A job that its attempt does not have any more is no job, whoever told of it. -#}
{%- set is_listed_for_webhooks -%}
    not exists (
        select from {{ source('raw', 'workflow_jobs') }} as polled
        where polled.job_id = observed.job_id and polled.gone_at is not null
    )
{%- endset -%}
{%- set waits = "coalesce(status = 'waiting', false)" -%}
{%- set ways = [
    (source('raw', 'workflow_jobs'), 'null::text', '_dlt_load_id::text', waits, 'gone_at is null'),
    (source('raw', 'webhook_jobs') ~ ' as observed', 'delivery_id', 'batch_id', waits, is_listed_for_webhooks),
    (source('raw', 'condensed_jobs') ~ ' as observed', "'condensed'", 'null::text', 'was_waiting', is_listed_for_webhooks),
] -%}
{%- for observations, delivery_id, load_id, was_waiting, is_listed in ways -%}
select
    job_id,
    run_id,
    run_attempt,
    repository_id,
    nullif(name, '')::text as name,
    nullif(workflow_name, '')::text as workflow_name,
    nullif(status, '')::text as status,
    nullif(conclusion, '')::text as conclusion,
    created_at,
    started_at,
    completed_at,
    nullif(head_branch, '')::text as head_branch,
    nullif(head_sha, '')::text as head_sha,
    case
        when jsonb_typeof(labels) = 'array' then array(select jsonb_array_elements_text(labels))
    end as labels,
    runner_id,
    nullif(runner_name, '')::text as runner_name,
    runner_group_id,
    nullif(runner_group_name, '')::text as runner_group_name,
    steps,
    nullif(html_url, '')::text as html_url,
    -- The order of the newest state: status rank, completed_at, content hash.
    {{ status_rank('status') }} as status_rank,
    content_hash::text as content_hash,
    {{ was_waiting }} as was_waiting,
    {{ delivery_id }} as delivery_id,
    {{ load_id }} as load_id
from {{ observations }}
where {{ is_listed }}
{% if not loop.last %}union all
{% endif %}
{%- endfor %}
