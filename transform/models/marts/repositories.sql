{{
    config(
        unique_key='repository_id',
        indexes=[{'columns': ['full_name']}],
    )
}}
{{- lock_model() -}}

with repositories as not materialized (
    select * from {{ ref('stg_github__repositories') }}
),

workflows as (
    select repository_id, load_id from {{ ref('stg_github__workflows') }}
),

runs_to_build as (
    select run_id from {{ ref('int_github__runs_to_build') }}
),

runs as (
    select runs.repository_id
    from {{ ref('stg_github__workflow_runs') }} as runs
    inner join runs_to_build on runs.run_id = runs_to_build.run_id
),

touched as (
    select repository_id from repositories where load_id in {{ claimed_loads() }}
    union
    select repository_id from workflows where load_id in {{ claimed_loads() }}
    union
    select repository_id from runs
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
where touched.repository_id is not null
