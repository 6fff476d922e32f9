-- Of attempts that are due, one row in place of one for each delivery (webhooks.py); gives the
-- number of deliveries whose rows went.
with due as materialized (
    -- The limit first: whatever is left, a batch reads no more than it takes.
    select distinct run_id, run_attempt
    from (
        select observed.run_id, observed.run_attempt
        {old}
        order by observed.received_at
        limit %(batch)s
    ) as oldest
),

gone as (
    delete from raw.webhook_runs using due
    where webhook_runs.run_id = due.run_id and webhook_runs.run_attempt = due.run_attempt
    returning webhook_runs.*
),

observations as (
    select
        run_id, run_attempt, repository_id, workflow_id, check_suite_id, name, display_title, path,
        run_number, event, status, conclusion, head_branch, head_sha, created_at, updated_at,
        run_started_at, actor_id, actor_login, triggering_actor_id, triggering_actor_login,
        head_repository_id, head_repository_full_name, pull_request_numbers,
        referenced_workflow_paths, html_url, content_hash,
        coalesce(conclusion = 'action_required', false) as was_action_required
    from gone
    union all
    select
        run_id, run_attempt, repository_id, workflow_id, check_suite_id, name, display_title, path,
        run_number, event, status, conclusion, head_branch, head_sha, created_at, updated_at,
        run_started_at, actor_id, actor_login, triggering_actor_id, triggering_actor_login,
        head_repository_id, head_repository_full_name, pull_request_numbers,
        referenced_workflow_paths, html_url, content_hash,
        was_action_required
    from raw.condensed_runs
    inner join due using (run_id, run_attempt)
),

placed as (
    select
        observations.*,
        polled,
        (
            raw.is_final(observations.status, observations.conclusion),
            coalesce(observations.updated_at, '-infinity'),
            raw.status_rank(observations.status),
            observations.content_hash
        ) > (
            raw.is_final(polled.status, polled.conclusion),
            coalesce(polled.updated_at, '-infinity'),
            raw.status_rank(polled.status),
            polled.content_hash::text
        ) as is_above,
        row_number() over (
            partition by observations.run_id, observations.run_attempt
            order by
                raw.is_final(observations.status, observations.conclusion) desc,
                observations.updated_at desc nulls last,
                raw.status_rank(observations.status) desc,
                observations.content_hash desc
        ) as place
    from observations
    inner join raw.workflow_runs as polled
        on observations.run_id = polled.run_id and observations.run_attempt = polled.run_attempt
),

-- Of what describes it a delivery counts before the polled row, or where that says nothing.
newest as (
    select
        run_id,
        run_attempt,
        (array_agg(repository_id order by place))[1] as repository_id,
        (array_agg(workflow_id order by place))[1] as workflow_id,
        (
            array_agg(check_suite_id order by place) filter (
                where check_suite_id is not null
                    and (is_above or raw.says_nothing((polled).check_suite_id))
            )
        )[1] as check_suite_id,
        (
            array_agg(name order by place) filter (
                where name != '' and (is_above or raw.says_nothing((polled).name))
            )
        )[1] as name,
        (
            array_agg(display_title order by place) filter (
                where display_title != '' and (is_above or raw.says_nothing((polled).display_title))
            )
        )[1] as display_title,
        (
            array_agg(path order by place) filter (
                where path != '' and (is_above or raw.says_nothing((polled).path))
            )
        )[1] as path,
        (
            array_agg(run_number order by place) filter (
                where run_number is not null and (is_above or raw.says_nothing((polled).run_number))
            )
        )[1] as run_number,
        (
            array_agg(event order by place) filter (
                where event != '' and (is_above or raw.says_nothing((polled).event))
            )
        )[1] as event,
        (array_agg(status order by place))[1] as status,
        (array_agg(conclusion order by place))[1] as conclusion,
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
            array_agg(created_at order by place) filter (
                where created_at is not null and (is_above or raw.says_nothing((polled).created_at))
            )
        )[1] as created_at,
        (array_agg(updated_at order by place))[1] as updated_at,
        (
            array_agg(run_started_at order by place) filter (
                where run_started_at is not null
                    and (is_above or raw.says_nothing((polled).run_started_at))
            )
        )[1] as run_started_at,
        (
            array_agg(actor_id order by place) filter (
                where actor_id is not null and (is_above or raw.says_nothing((polled).actor_id))
            )
        )[1] as actor_id,
        (
            array_agg(actor_login order by place) filter (
                where actor_login != '' and (is_above or raw.says_nothing((polled).actor_login))
            )
        )[1] as actor_login,
        (
            array_agg(triggering_actor_id order by place) filter (
                where triggering_actor_id is not null
                    and (is_above or raw.says_nothing((polled).triggering_actor_id))
            )
        )[1] as triggering_actor_id,
        (
            array_agg(triggering_actor_login order by place) filter (
                where triggering_actor_login != ''
                    and (is_above or raw.says_nothing((polled).triggering_actor_login))
            )
        )[1] as triggering_actor_login,
        (
            array_agg(head_repository_id order by place) filter (
                where head_repository_id is not null
                    and (is_above or raw.says_nothing((polled).head_repository_id))
            )
        )[1] as head_repository_id,
        (
            array_agg(head_repository_full_name order by place) filter (
                where head_repository_full_name != ''
                    and (is_above or raw.says_nothing((polled).head_repository_full_name))
            )
        )[1] as head_repository_full_name,
        (
            array_agg(
                pull_request_numbers order by (pull_request_numbers = '[]')::integer, place
            ) filter (
                where jsonb_typeof(pull_request_numbers) = 'array'
                    and (is_above or raw.says_nothing((polled).pull_request_numbers))
            )
        )[1] as pull_request_numbers,
        (
            array_agg(
                referenced_workflow_paths order by (referenced_workflow_paths = '[]')::integer, place
            ) filter (
                where jsonb_typeof(referenced_workflow_paths) = 'array'
                    and (is_above or raw.says_nothing((polled).referenced_workflow_paths))
            )
        )[1] as referenced_workflow_paths,
        (
            array_agg(html_url order by place) filter (
                where html_url != '' and (is_above or raw.says_nothing((polled).html_url))
            )
        )[1] as html_url,
        (array_agg(case when is_above then content_hash else '' end order by place))[1]
            as content_hash,
        bool_or(was_action_required) as was_action_required
    from placed
    group by run_id, run_attempt
),

kept as (
    insert into raw.condensed_runs (
        run_id, run_attempt, repository_id, workflow_id, check_suite_id, name,
        display_title, path, run_number, event, status, conclusion, head_branch, head_sha,
        created_at, updated_at, run_started_at, actor_id, actor_login,
        triggering_actor_id, triggering_actor_login, head_repository_id,
        head_repository_full_name, pull_request_numbers, referenced_workflow_paths,
        html_url, content_hash, was_action_required
    )
    select
        run_id, run_attempt, repository_id, workflow_id, check_suite_id, name,
        display_title, path, run_number, event, status, conclusion, head_branch, head_sha,
        created_at, updated_at, run_started_at, actor_id, actor_login,
        triggering_actor_id, triggering_actor_login, head_repository_id,
        head_repository_full_name, pull_request_numbers, referenced_workflow_paths,
        html_url, content_hash, was_action_required
    from newest
    on conflict (run_id, run_attempt) do update set (
        repository_id, workflow_id, check_suite_id, name, display_title, path, run_number, event,
        status, conclusion, head_branch, head_sha, created_at, updated_at, run_started_at, actor_id,
        actor_login, triggering_actor_id, triggering_actor_login, head_repository_id,
        head_repository_full_name, pull_request_numbers, referenced_workflow_paths, html_url,
        content_hash, was_action_required
    ) = row(
        excluded.repository_id, excluded.workflow_id, excluded.check_suite_id, excluded.name,
        excluded.display_title, excluded.path, excluded.run_number, excluded.event, excluded.status,
        excluded.conclusion, excluded.head_branch, excluded.head_sha, excluded.created_at,
        excluded.updated_at, excluded.run_started_at, excluded.actor_id, excluded.actor_login,
        excluded.triggering_actor_id, excluded.triggering_actor_login, excluded.head_repository_id,
        excluded.head_repository_full_name, excluded.pull_request_numbers,
        excluded.referenced_workflow_paths, excluded.html_url, excluded.content_hash,
        excluded.was_action_required
    )
)

select count(*) from gone
