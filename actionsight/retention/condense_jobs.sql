-- Of jobs that are due, one row in place of one for each delivery (webhooks.py); gives the number
-- of deliveries whose rows went.
with due as materialized (
    -- The limit first: whatever is left, a batch reads no more than it takes.
    select distinct job_id
    from (
        select observed.job_id
        {old}
        order by observed.received_at
        limit %(batch)s
    ) as oldest
),

gone as (
    delete from raw.webhook_jobs using due
    where webhook_jobs.job_id = due.job_id
    returning webhook_jobs.*
),

observations as (
    select
        job_id, run_id, run_attempt, repository_id, name, workflow_name, status, conclusion,
        created_at, started_at, completed_at, head_branch, head_sha, labels, runner_id, runner_name,
        runner_group_id, runner_group_name, steps, html_url, content_hash,
        coalesce(status = 'waiting', false) as was_waiting
    from gone
    union all
    select
        job_id, run_id, run_attempt, repository_id, name, workflow_name, status, conclusion,
        created_at, started_at, completed_at, head_branch, head_sha, labels, runner_id, runner_name,
        runner_group_id, runner_group_name, steps, html_url, content_hash,
        was_waiting
    from raw.condensed_jobs
    inner join due using (job_id)
),

placed as (
    select
        observations.*,
        polled,
        (
            raw.status_rank(observations.status),
            coalesce(observations.completed_at, '-infinity'),
            observations.content_hash
        ) > (
            raw.status_rank(polled.status),
            coalesce(polled.completed_at, '-infinity'),
            polled.content_hash::text
        ) as is_above,
        row_number() over (
            partition by observations.job_id
            order by
                raw.status_rank(observations.status) desc,
                observations.completed_at desc nulls last,
                observations.content_hash desc
        ) as place
    from observations
    inner join raw.workflow_jobs as polled
        on observations.job_id = polled.job_id
),

-- Of what describes it a delivery counts before the polled row, or where that says nothing.
newest as (
    select
        job_id,
        (array_agg(run_id order by place))[1] as run_id,
        -- Told under two attempts it belongs to the lower one.
        min(run_attempt) as run_attempt,
        (array_agg(repository_id order by place))[1] as repository_id,
        (
            array_agg(name order by place) filter (
                where name != '' and (is_above or raw.says_nothing((polled).name))
            )
        )[1] as name,
        (
            array_agg(workflow_name order by place) filter (
                where workflow_name != '' and (is_above or raw.says_nothing((polled).workflow_name))
            )
        )[1] as workflow_name,
        (array_agg(status order by place))[1] as status,
        (array_agg(conclusion order by place))[1] as conclusion,
        (
            array_agg(created_at order by place) filter (
                where created_at is not null and (is_above or raw.says_nothing((polled).created_at))
            )
        )[1] as created_at,
        -- Before a job begins this is its creation.
        (
            array_agg(started_at order by place) filter (
                where started_at is not null
                    and raw.status_rank(status) >= 4
                    and (is_above or raw.says_nothing((polled).started_at))
            )
        )[1] as started_at,
        (array_agg(completed_at order by place))[1] as completed_at,
        (
            array_agg(head_branch order by place) filter (
                where head_branch != '' and (is_above or raw.says_nothing((polled).head_branch))
            )
        )[1] as head_branch,
        (
            array_agg(head_sha order by place) filter (
                where head_sha != '' and (is_above or raw.says_nothing((polled).head_sha))
            )
        )[1] as head_sha,
        (
            array_agg(labels order by (labels = '[]')::integer, place) filter (
                where jsonb_typeof(labels) = 'array'
                    and (is_above or raw.says_nothing((polled).labels))
            )
        )[1] as labels,
        (
            array_agg(runner_id order by place) filter (
                where runner_id is not null and (is_above or raw.says_nothing((polled).runner_id))
            )
        )[1] as runner_id,
        (
            array_agg(runner_name order by place) filter (
                where runner_name != '' and (is_above or raw.says_nothing((polled).runner_name))
            )
        )[1] as runner_name,
        (
            array_agg(runner_group_id order by place) filter (
                where runner_group_id is not null
                    and (is_above or raw.says_nothing((polled).runner_group_id))
            )
        )[1] as runner_group_id,
        (
            array_agg(runner_group_name order by place) filter (
                where runner_group_name != ''
                    and (is_above or raw.says_nothing((polled).runner_group_name))
            )
        )[1] as runner_group_name,
        (array_agg(case when is_above then steps end order by place))[1] as steps,
        (
            array_agg(html_url order by place) filter (
                where html_url != '' and (is_above or raw.says_nothing((polled).html_url))
            )
        )[1] as html_url,
        (array_agg(case when is_above then content_hash else '' end order by place))[1]
            as content_hash,
        bool_or(was_waiting) as was_waiting
    from placed
    group by job_id
),

kept as (
    insert into raw.condensed_jobs (
        job_id, run_id, run_attempt, repository_id, name, workflow_name, status,
        conclusion, created_at, started_at, completed_at, head_branch, head_sha, labels,
        runner_id, runner_name, runner_group_id, runner_group_name, steps, html_url,
        content_hash, was_waiting
    )
    select
        job_id, run_id, run_attempt, repository_id, name, workflow_name, status,
        conclusion, created_at, started_at, completed_at, head_branch, head_sha, labels,
        runner_id, runner_name, runner_group_id, runner_group_name, steps, html_url,
        content_hash, was_waiting
    from newest
    on conflict (job_id) do update set (
        run_id, run_attempt, repository_id, name, workflow_name, status, conclusion,
        created_at, started_at, completed_at, head_branch, head_sha, labels, runner_id, runner_name,
        runner_group_id, runner_group_name, steps, html_url, content_hash, was_waiting
    ) = row(
        excluded.run_id, excluded.run_attempt, excluded.repository_id, excluded.name,
        excluded.workflow_name, excluded.status, excluded.conclusion, excluded.created_at,
        excluded.started_at, excluded.completed_at, excluded.head_branch, excluded.head_sha,
        excluded.labels, excluded.runner_id, excluded.runner_name, excluded.runner_group_id,
        excluded.runner_group_name, excluded.steps, excluded.html_url, excluded.content_hash,
        excluded.was_waiting
    )
)

select count(*) from gone
