{#- All arms give the same types, so that PostgreSQL reads each by its own indexes. -#}
{%- set waits_for_approval = "coalesce(conclusion = 'action_required', false)" -%}
{%- set ways = [
    (source('raw', 'workflow_runs'), 'gone_at', 'null::text', '_dlt_load_id::text', waits_for_approval),
    (source('raw', 'webhook_runs'), 'null::timestamptz', 'delivery_id', 'batch_id', waits_for_approval),
    (source('raw', 'condensed_runs'), 'null::timestamptz', "'condensed'", 'null::text', 'was_action_required'),
] -%}
{%- for observations, gone_at, delivery_id, load_id, was_action_required in ways -%}
select
    run_id,
    run_attempt,
    repository_id,
    workflow_id,
    check_suite_id,
    nullif(name, '')::text as name,
    nullif(display_title, '')::text as display_title,
    nullif(path, '')::text as path,
    run_number,
    nullif(event, '')::text as event,
    nullif(status, '')::text as status,
    nullif(conclusion, '')::text as conclusion,
    nullif(head_branch, '')::text as head_branch,
    nullif(head_sha, '')::text as head_sha,
    created_at,
    updated_at,
    run_started_at,
    actor_id,
    nullif(actor_login, '')::text as actor_login,
    triggering_actor_id,
    nullif(triggering_actor_login, '')::text as triggering_actor_login,
    head_repository_id,
    nullif(head_repository_full_name, '')::text as head_repository_full_name,
    case
        when jsonb_typeof(pull_request_numbers) = 'array'
            then array_remove(
                array(select jsonb_array_elements_text(pull_request_numbers)::bigint), null
            )
    end as pull_request_numbers,
    referenced_workflow_paths,
    nullif(html_url, '')::text as html_url,
    -- Only polling can notice that GitHub has it no more.
    {{ gone_at }} as gone_at,
    -- The order of the newest state: final, updated_at, status rank, content hash.
    coalesce(status = 'completed' and conclusion is distinct from 'action_required', false)
        as is_final,
    {{ status_rank('status') }} as status_rank,
    content_hash::text as content_hash,
    {{ was_action_required }} as was_action_required,
    {{ delivery_id }} as delivery_id,
    {{ load_id }} as load_id
from {{ observations }}
{% if not loop.last %}union all
{% endif %}
{%- endfor %}
