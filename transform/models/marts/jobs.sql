{{
    config(
        unique_key='job_id',
        indexes=[
            {'columns': ['run_id', 'run_attempt']},
            {'columns': ['workflow_id', 'run_created_at']},
            {'columns': ['repository_id', 'run_created_at']},
            {'columns': ['run_created_at', 'job_id']},
            {'columns': ['status']},
            {'columns': ['conclusion']},
            {'columns': ['created_at']},
            {'columns': ['runner_id']},
            {'columns': ['run_created_at'], 'type': 'brin'},
        ],
    )
}}
{{- take_turn() -}}

with jobs as (
    select * from {{ ref('int_github__jobs') }}
),

runs as (
    select run_id, repository_id, workflow_id, day, created_at from {{ ref('workflow_runs') }}
)

select
    jobs.job_id,
    jobs.run_id,
    jobs.run_attempt,
    runs.repository_id,
    runs.workflow_id,
    runs.day,
    runs.created_at as run_created_at,
    jobs.name,
    jobs.labels,
    jobs.runner_class,
    jobs.runner_id,
    jobs.runner_name,
    jobs.runner_group_name,
    jobs.status,
    jobs.conclusion,
    jobs.created_at,
    jobs.started_at,
    jobs.completed_at,
    jobs.is_executed,
    jobs.is_carried_over,
    jobs.was_gated,
    jobs.queue_seconds,
    jobs.is_impossible_queue,
    jobs.duration_seconds,
    jobs.is_impossible_duration,
    jobs.billable_minutes,
    jobs.self_hosted_minutes,
    jobs.head_branch,
    jobs.html_url
from jobs
inner join runs on jobs.run_id = runs.run_id
