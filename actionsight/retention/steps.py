"""Steps of jobs, which are most of what is stored of a job. Those of failures stay."""

from actionsight.retention.rule import in_database

STEPS = in_database(
    "jobs' steps, but those of failures",
    "retention_step_days",
    # By what a build made of the job, since it read all that was told of it. A step that failed all
    # the same, or that could not be told apart, is counted with the job, so it stays, too.
    old="""
        from raw.workflow_jobs as old
        inner join intermediate.int_github__jobs as job on old.job_id = job.job_id
        where old.completed_at < %(before)s
            and old.steps != '[]'
            and (old.conclusion in ('failure', 'timed_out')) is not true
            and job.status = 'completed'
            and (job.conclusion in ('failure', 'timed_out')) is not true
            and job.failed_step_number is null
            and job.steps_left_out = 0
            and not exists (select from raw.webhook_jobs as told where told.job_id = old.job_id)
            and not exists (select from raw.unbuilt_loads where load_id = old._dlt_load_id)
    """,
    # What the mart has of them goes with the next build.
    remove="""
        with gone as (
            update raw.workflow_jobs set steps = null where job_id in (
                select old.job_id {old} order by old.completed_at limit %(batch)s
            )
            returning job_id
        ),

        told as (
            update raw.condensed_jobs as told set steps = null from gone
            where told.job_id = gone.job_id and told.steps is not null
        ),

        touched as (
            insert into intermediate.touched__steps (job_id, reason)
            select job_id, 'change' from gone
        )

        select count(*) from gone
    """,
    needs="intermediate.int_github__jobs",
)
