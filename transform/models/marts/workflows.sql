{{
    config(
        unique_key='workflow_id',
        indexes=[{'columns': ['repository_id']}, {'columns': ['state']}, {'columns': ['created_at']}],
    )
}}
{{- take_turn() -}}

with repositories as (
    select repository_id from {{ ref('repositories') }}
),

workflows as not materialized (
    select * from {{ ref('stg_github__workflows') }}
),

runs as not materialized (
    select * from {{ ref('stg_github__workflow_runs') }}
),

touched_runs as (
    select run_id from {{ ref('int_github__touched_runs') }}
),

touched as (
    select workflow_id, repository_id from workflows where load_id in {{ claimed_loads() }}
    union
    select runs.workflow_id, min(runs.repository_id) as repository_id
    from runs
    inner join touched_runs on runs.run_id = touched_runs.run_id
    group by runs.workflow_id
),

known as (
    select
        workflows.workflow_id,
        workflows.repository_id,
        workflows.name,
        workflows.path,
        workflows.state,
        workflows.html_url,
        workflows.created_at,
        workflows.updated_at,
        workflows.deleted_at,
        false as is_stub
    from workflows
    where workflows.workflow_id in (select touched.workflow_id from touched)
),

unknown as (
    select distinct touched.workflow_id
    from touched
    where
        touched.workflow_id is not null
        and not exists (
            select from workflows where workflows.workflow_id = touched.workflow_id
        )
),

-- A deleted workflow may be absent from its repository's listing: its newest run tells of it.
stubs as (
    select
        unknown.workflow_id,
        newest_run.repository_id,
        null::text as name,
        -- A run's path may end in the ref that it came from.
        regexp_replace(newest_run.path, '@[^@]*$', '') as path,
        null::text as state,
        null::text as html_url,
        null::timestamptz as created_at,
        null::timestamptz as updated_at,
        null::timestamptz as deleted_at,
        true as is_stub
    from unknown
    cross join lateral (
        select runs.repository_id, runs.path
        from runs
        where runs.workflow_id = unknown.workflow_id
        order by
            (runs.path is not null) desc,
            runs.run_id desc,
            runs.run_attempt desc,
            runs.is_final desc,
            runs.updated_at desc nulls last,
            runs.status_rank desc,
            runs.content_hash desc
        limit 1
    ) as newest_run
),

all_workflows as (
    select * from known
    union all
    select * from stubs
)

select
    all_workflows.workflow_id,
    all_workflows.repository_id,
    coalesce(all_workflows.name, all_workflows.path, 'workflow ' || all_workflows.workflow_id)
        as name,
    all_workflows.path,
    all_workflows.state,
    all_workflows.html_url,
    all_workflows.created_at,
    all_workflows.updated_at,
    all_workflows.deleted_at,
    all_workflows.is_stub
from all_workflows
inner join repositories on all_workflows.repository_id = repositories.repository_id
