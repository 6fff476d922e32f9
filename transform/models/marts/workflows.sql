with repositories as (
    select repository_id from {{ ref('repositories') }}
),

workflows as not materialized (
    select * from {{ ref('stg_github__workflows') }}
),

runs as not materialized (
    select * from {{ ref('stg_github__workflow_runs') }}
),

-- One that a ruleset requires runs in many repositories, under the id that it has where it is
-- defined: each of them has a row of its own, which says nothing of the others.
touched as (
    select
        repository_id,
        workflow_id
    from {{ touched() }}
),

known as (
    select
        workflows.repository_id,
        workflows.workflow_id,
        workflows.name,
        workflows.path,
        workflows.state,
        workflows.html_url,
        workflows.created_at,
        workflows.updated_at,
        workflows.deleted_at,
        workflows.gone_at,
        false as is_stub
    from workflows
    inner join touched
        on
            workflows.repository_id = touched.repository_id
            and workflows.workflow_id = touched.workflow_id
),

unknown as (
    select
        touched.repository_id,
        touched.workflow_id
    from touched
    where
        not exists (
            select
            from workflows
            where
                workflows.repository_id = touched.repository_id
                and workflows.workflow_id = touched.workflow_id
        )
),

-- A deleted workflow and one of a ruleset may be absent from the repository's listing: the newest
-- run there tells of it.
stubs as (
    select
        unknown.repository_id,
        unknown.workflow_id,
        null::text as name,
        -- A run's path may end in the ref that it came from.
        regexp_replace(newest_run.path, '@[^@]*$', '') as path,
        null::text as state,
        null::text as html_url,
        null::timestamptz as created_at,
        null::timestamptz as updated_at,
        null::timestamptz as deleted_at,
        null::timestamptz as gone_at,
        true as is_stub
    from unknown
    left join lateral (
        select runs.path
        from runs
        where
            runs.repository_id = unknown.repository_id
            and runs.workflow_id = unknown.workflow_id
            and runs.path is not null
        order by
            runs.run_id desc,
            runs.run_attempt desc,
            runs.is_final desc,
            runs.updated_at desc nulls last,
            runs.status_rank desc,
            runs.content_hash desc
        limit 1
    ) as newest_run on true
),

all_workflows as (
    select * from known
    union all
    select * from stubs
)

select
    all_workflows.repository_id,
    all_workflows.workflow_id,
    coalesce(all_workflows.name, all_workflows.path, 'workflow ' || all_workflows.workflow_id)
        as name,
    all_workflows.path,
    all_workflows.state,
    all_workflows.html_url,
    all_workflows.created_at,
    all_workflows.updated_at,
    all_workflows.deleted_at,
    all_workflows.gone_at,
    all_workflows.is_stub
from all_workflows
inner join repositories on all_workflows.repository_id = repositories.repository_id
