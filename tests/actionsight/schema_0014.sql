-- A database at revision 0014, the last before the baseline, with its raw tables prepared, as pg_dump wrote it.
SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;
CREATE SCHEMA app;
CREATE SCHEMA raw;
CREATE FUNCTION app.advance_observed_until() RETURNS void
    LANGUAGE plpgsql
    AS $$
    begin
        if to_regclass('marts.built_loads') is null then
            return;
        end if;
        -- In the order in which the drain of webhooks takes the same rows: nobody waits for ever.
        perform from app.repositories order by repository_id for update;
        with
        cycles as (
            select
                polls.repository_id,
                polls.poll_id,
                min(polls.started_at) as started_at,
                bool_and(polls.ended_at is not null and polls.error is null)
                    and bool_or(polls.loop = 'head')
                    and bool_or(polls.loop = 'jobs')
                    -- What came in while nobody polled is read as history is.
                    and not exists (
                        select from raw.backfill_windows as gap
                        where gap.repository_id = polls.repository_id
                            and gap.completed_at is null
                            and gap.ends_at >= min(repositories.head_since)
                    ) as is_complete,
                bool_and(not exists (
                    select from unnest(polls.load_ids) as load (load_id)
                    where exists (select from raw.loads where loads.load_id = load.load_id)
                        and not exists (
                            select from marts.built_loads where built_loads.load_id = load.load_id
                        )
                )) as is_built
            from app.repositories
            -- In an order, so that each repository's newest polls are found by the index, however
            -- many there are before.
            cross join lateral (
                select * from raw.polls
                where polls.repository_id = repositories.repository_id
                    and polls.started_at >= coalesce(repositories.observed_until, '-infinity')
                order by polls.started_at
            ) as polls
            group by polls.repository_id, polls.poll_id
        ),
        trusted as (
            select
                repository_id,
                started_at,
                is_complete,
                bool_and(is_built) over (
                    partition by repository_id order by started_at
                ) as is_trusted
            from cycles
        ),
        newest as (
            select repository_id, max(started_at) as observed_until
            from trusted
            where is_complete and is_trusted
            group by repository_id
        )
        update app.repositories
        set observed_until = newest.observed_until
        from newest
        where repositories.repository_id = newest.repository_id;
    end
    $$;
CREATE FUNCTION raw.forget_load() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
    begin
        delete from raw.unbuilt_loads where load_id = old.load_id;
        return null;
    end
    $$;
CREATE FUNCTION raw.note_batch() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
    begin
        insert into raw.unbuilt_loads (load_id) values (new.batch_id) on conflict do nothing;
        return null;
    end
    $$;
CREATE FUNCTION raw.note_load() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
    begin
        insert into raw.unbuilt_loads (load_id) values (new.load_id) on conflict do nothing;
        return null;
    end
    $$;
CREATE FUNCTION raw.note_polls() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
    begin
        insert into raw.unbuilt_polls (repository_id, day)
        values (new.repository_id, (new.started_at at time zone 'UTC')::date);
        return null;
    end
    $$;
CREATE FUNCTION raw.owe_job_listings() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
    begin
        insert into raw.owed_job_listings as owed (
            run_id, run_attempt, repository_id, began_at, updated_at
        )
        select changed.run_id, changed.run_attempt, changed.repository_id,
            coalesce(greatest(changed.created_at, changed.run_started_at), '-infinity'),
            changed.updated_at
        from changed
        left join raw.job_listings as listing using (run_id, run_attempt)
        where changed.status = 'completed'
            and changed.gone_at is null
            and (
                listing.run_id is null
                or listing.run_updated_at is distinct from changed.updated_at
            )
            and not exists (
                select from raw.missing_attempts as missing
                where missing.run_id = changed.run_id
                    and missing.run_attempt = changed.run_attempt
            )
        on conflict (run_id, run_attempt) do update set
            began_at = excluded.began_at,
            updated_at = excluded.updated_at,
            not_before = null;
        delete from raw.owed_job_listings as owed
        using changed
        where owed.run_id = changed.run_id
            and owed.run_attempt = changed.run_attempt
            and changed.gone_at is not null;
        return null;
    end
    $$;
CREATE FUNCTION raw.watch_loads() RETURNS void
    LANGUAGE plpgsql
    AS $$
    begin
        if to_regclass('raw._dlt_loads') is null then
            return;
        end if;
        -- Nothing can commit between the triggers and what was there before them.
        lock table raw._dlt_loads in share row exclusive mode;
        if exists (
            select from pg_trigger
            where tgrelid = 'raw._dlt_loads'::regclass and tgname = 'note_load'
        ) then
            return;
        end if;
        create trigger note_load after insert on raw._dlt_loads
            for each row when (new.status = 0) execute function raw.note_load();
        create trigger forget_load after delete on raw._dlt_loads
            for each row execute function raw.forget_load();
        insert into raw.unbuilt_loads (load_id)
        select load_id from raw._dlt_loads where status = 0
        on conflict do nothing;
    end
    $$;
COMMENT ON FUNCTION raw.watch_loads() IS 'Lets dlt''s table of loads note what is to be built; does nothing where it does already';
SET default_tablespace = '';
SET default_table_access_method = heap;
CREATE TABLE app.alembic_version (
    version_num character varying(32) NOT NULL
);
CREATE TABLE app.api_tokens (
    token_id bigint NOT NULL,
    name text NOT NULL,
    token_hash bytea NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone,
    last_used_at timestamp with time zone,
    revoked_at timestamp with time zone,
    user_id bigint,
    scopes text[] DEFAULT '{read}'::text[] NOT NULL
);
COMMENT ON COLUMN app.api_tokens.scopes IS 'metrics: GET /metrics alone; read: everything that answers; manage: also what changes';
ALTER TABLE app.api_tokens ALTER COLUMN token_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME app.api_tokens_token_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE app.audit_log (
    entry_id bigint NOT NULL,
    happened_at timestamp with time zone DEFAULT now() NOT NULL,
    action text NOT NULL,
    user_id bigint,
    token_id bigint,
    repository_id bigint,
    details jsonb DEFAULT '{}'::jsonb NOT NULL
);
COMMENT ON TABLE app.audit_log IS 'Who did what; it outlives users, tokens and repositories, so it has no foreign keys';
ALTER TABLE app.audit_log ALTER COLUMN entry_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME app.audit_log_entry_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE app.github_budgets (
    credential text NOT NULL,
    request_limit integer,
    remaining integer,
    resets_at timestamp with time zone,
    request_count bigint DEFAULT 0 NOT NULL,
    unchanged_count bigint DEFAULT 0 NOT NULL,
    refused_count bigint DEFAULT 0 NOT NULL,
    seen_at timestamp with time zone NOT NULL
);
COMMENT ON TABLE app.github_budgets IS 'What is left of GitHub''s hourly limit, by credential; counts are since the installation';
CREATE TABLE app.purges (
    repository_id bigint NOT NULL,
    full_name text NOT NULL,
    requested_at timestamp with time zone DEFAULT now() NOT NULL,
    requested_by bigint,
    token_id bigint,
    started_at timestamp with time zone,
    completed_at timestamp with time zone,
    error text
);
COMMENT ON TABLE app.purges IS 'Repositories whose data is to be deleted, or was; it outlives users, tokens and repositories, so it has no foreign keys';
COMMENT ON COLUMN app.purges.error IS 'Why the last try deleted nothing; with completed_at: why there will be no other';
CREATE TABLE app.repositories (
    repository_id bigint NOT NULL,
    full_name text NOT NULL,
    visibility text DEFAULT 'private'::text NOT NULL,
    added_at timestamp with time zone DEFAULT now() NOT NULL,
    removed_at timestamp with time zone,
    head_cursor timestamp with time zone,
    backfilled_from timestamp with time zone,
    observed_until timestamp with time zone,
    trouble text,
    trouble_since timestamp with time zone,
    newest_observation_at timestamp with time zone,
    hook_id bigint,
    added_by bigint,
    selected_by text,
    unreachable_since timestamp with time zone,
    trouble_loop text,
    failure_count integer DEFAULT 0 NOT NULL,
    next_try_at timestamp with time zone,
    looked_at timestamp with time zone,
    head_since timestamp with time zone,
    swept_at timestamp with time zone,
    backfill_target timestamp with time zone,
    backfill_windows integer DEFAULT 0 NOT NULL,
    backfill_windows_completed integer DEFAULT 0 NOT NULL,
    backfill_estimated_end timestamp with time zone,
    job_listings_owed integer DEFAULT 0 NOT NULL,
    visibility_seen_at timestamp with time zone,
    rights_invalid_before timestamp with time zone
);
COMMENT ON TABLE app.repositories IS 'One row per repository ever monitored, by GitHub''s id; monitored while not removed';
COMMENT ON COLUMN app.repositories.newest_observation_at IS 'When something new was last seen of it, by a webhook or a poll';
COMMENT ON COLUMN app.repositories.hook_id IS 'The webhook that we made there, if we did';
COMMENT ON COLUMN app.repositories.selected_by IS 'The selection owner/* that brought it; null: it was selected by its own name';
COMMENT ON COLUMN app.repositories.unreachable_since IS 'Since when GitHub answers that it is not there: deleted, or unreadable for the credential';
COMMENT ON COLUMN app.repositories.head_since IS 'Runs created before are the backfill''s, runs created since then the head''s';
COMMENT ON COLUMN app.repositories.backfill_target IS 'How far back the history of runs is wanted; it is complete from backfilled_from on';
COMMENT ON COLUMN app.repositories.backfill_estimated_end IS 'When the history of runs is read, at the pace of the last hour; null: without a pace';
COMMENT ON COLUMN app.repositories.job_listings_owed IS 'Attempts whose jobs were still to be listed when a loop last counted them';
COMMENT ON COLUMN app.repositories.visibility_seen_at IS 'When an answer of GitHub last told the visibility that is noted here (a 304 tells it, too);
        null: not since this is noted. What is public counts as such only while this is young';
COMMENT ON COLUMN app.repositories.rights_invalid_before IS 'Rights to this repository that were read from GitHub before count no more; null: all do';
CREATE TABLE app.repository_selections (
    name text NOT NULL,
    added_at timestamp with time zone DEFAULT now() NOT NULL,
    removed_at timestamp with time zone,
    repository_id bigint,
    last_error text,
    listed_at timestamp with time zone,
    CONSTRAINT repository_selections_name_check CHECK ((name = lower(name)))
);
COMMENT ON TABLE app.repository_selections IS 'What the operator asked to monitor, as asked; the next poll finds out GitHub''s id';
CREATE TABLE app.sessions (
    session_hash bytea NOT NULL,
    user_id bigint NOT NULL,
    grant_id bigint NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    last_seen_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone
);
CREATE TABLE app.sign_in_grants (
    grant_id bigint NOT NULL,
    user_id bigint NOT NULL,
    access_token bytea NOT NULL,
    access_expires_at timestamp with time zone,
    refresh_token bytea,
    refresh_expires_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    revoked_at timestamp with time zone,
    refresh_started_at timestamp with time zone
);
COMMENT ON TABLE app.sign_in_grants IS 'Tokens that GitHub gave at a sign-in, encrypted';
COMMENT ON COLUMN app.sign_in_grants.refresh_started_at IS 'Since when somebody asks GitHub for new tokens: a refresh token serves once';
ALTER TABLE app.sign_in_grants ALTER COLUMN grant_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME app.sign_in_grants_grant_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE app.sign_ins (
    state_hash bytea NOT NULL,
    browser_hash bytea NOT NULL,
    verifier bytea NOT NULL,
    next_path text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    used_at timestamp with time zone
);
COMMENT ON TABLE app.sign_ins IS 'Sign-ins under way: used once, within minutes, by the browser that began them';
CREATE TABLE app.users (
    user_id bigint NOT NULL,
    login text NOT NULL,
    name text,
    avatar_url text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    last_seen_at timestamp with time zone DEFAULT now() NOT NULL,
    rights_invalid_before timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL
);
COMMENT ON TABLE app.users IS 'Everyone who signed in, by GitHub''s id; rights that were read before rights_invalid_before
        count no more';
CREATE TABLE raw._dlt_loads (
    load_id character varying(64) NOT NULL,
    schema_name character varying,
    status bigint NOT NULL,
    inserted_at timestamp with time zone NOT NULL,
    schema_version_hash character varying
);
CREATE TABLE raw._dlt_version (
    version bigint NOT NULL,
    engine_version bigint NOT NULL,
    inserted_at timestamp with time zone NOT NULL,
    schema_name character varying NOT NULL,
    version_hash character varying NOT NULL,
    schema character varying NOT NULL
);
CREATE TABLE raw.backfill_windows (
    repository_id bigint NOT NULL,
    starts_at timestamp with time zone NOT NULL,
    ends_at timestamp with time zone NOT NULL,
    completed_at timestamp with time zone,
    run_count integer,
    request_count integer,
    is_capped boolean DEFAULT false NOT NULL,
    CONSTRAINT backfill_windows_check CHECK ((starts_at <= ends_at))
);
COMMENT ON TABLE raw.backfill_windows IS 'Windows of the runs'' creation time that the backfill reads; capped: GitHub shows only
        the newest 1,000 runs of that second';
CREATE TABLE raw.etags (
    repository_id bigint NOT NULL,
    listing text NOT NULL,
    url text NOT NULL,
    token_key text NOT NULL,
    etag text NOT NULL,
    saved_at timestamp with time zone NOT NULL,
    CONSTRAINT etags_listing_check CHECK ((listing = ANY (ARRAY['repository'::text, 'workflows'::text, 'head'::text])))
);
CREATE TABLE raw.job_listings (
    run_id bigint NOT NULL,
    run_attempt bigint NOT NULL,
    repository_id bigint NOT NULL,
    run_updated_at timestamp with time zone,
    listed_at timestamp with time zone NOT NULL,
    total_count integer NOT NULL,
    row_count integer NOT NULL,
    is_told boolean DEFAULT false NOT NULL
);
CREATE TABLE raw.webhook_batches (
    batch_id text NOT NULL,
    drained_at timestamp with time zone NOT NULL,
    event_count integer NOT NULL,
    run_count integer NOT NULL,
    job_count integer NOT NULL,
    dead_letter_count integer NOT NULL
);
COMMENT ON TABLE raw.webhook_batches IS 'One row per committed batch of a drain; its id is what its rows were loaded by';
CREATE VIEW raw.loads AS
 SELECT (_dlt_loads.load_id)::text AS load_id,
    _dlt_loads.inserted_at AS committed_at
   FROM raw._dlt_loads
  WHERE (_dlt_loads.status = 0)
UNION ALL
 SELECT webhook_batches.batch_id AS load_id,
    webhook_batches.drained_at AS committed_at
   FROM raw.webhook_batches
  WHERE ((webhook_batches.run_count + webhook_batches.job_count) > 0);
CREATE TABLE raw.missing_attempts (
    run_id bigint NOT NULL,
    run_attempt bigint NOT NULL,
    repository_id bigint NOT NULL,
    noted_at timestamp with time zone NOT NULL,
    status_code integer NOT NULL
);
CREATE TABLE raw.open_job_listings (
    run_id bigint NOT NULL,
    run_attempt bigint NOT NULL,
    repository_id bigint NOT NULL,
    run_status text,
    run_updated_at timestamp with time zone,
    jobs_hash text,
    changed_at timestamp with time zone NOT NULL,
    next_at timestamp with time zone NOT NULL,
    path text NOT NULL,
    token_key text NOT NULL,
    etag text
);
COMMENT ON TABLE raw.open_job_listings IS 'Attempts under way whose jobs were listed: again when the attempt changes, else from
        next_at on, the later the longer nothing changed';
CREATE TABLE raw.owed_job_listings (
    run_id bigint NOT NULL,
    run_attempt bigint NOT NULL,
    repository_id bigint NOT NULL,
    began_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone,
    not_before timestamp with time zone
);
COMMENT ON TABLE raw.owed_job_listings IS 'Completed attempts whose jobs are to be listed, since they changed after the last listing;
        the latest to begin come first, be it a re-run of an old run';
CREATE TABLE raw.owed_rebuilds (
    reason text NOT NULL,
    noted_at timestamp with time zone DEFAULT now() NOT NULL
);
COMMENT ON TABLE raw.owed_rebuilds IS 'Why the marts are to be made anew from all loads: the next build does so, and removes it';
CREATE TABLE raw.polls (
    poll_id uuid NOT NULL,
    repository_id bigint NOT NULL,
    loop text NOT NULL,
    started_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone,
    seen integer NOT NULL,
    changed integer NOT NULL,
    request_count integer NOT NULL,
    load_ids text[] NOT NULL,
    error text,
    CONSTRAINT polls_loop_check CHECK ((loop = ANY (ARRAY['repository'::text, 'backfill'::text, 'head'::text, 'open'::text, 'sweep'::text, 'jobs'::text])))
);
CREATE TABLE raw.repositories (
    repository_id bigint NOT NULL,
    node_id character varying,
    full_name character varying,
    name character varying,
    owner_id bigint,
    owner_login character varying,
    owner_type character varying,
    private boolean,
    visibility character varying,
    default_branch character varying,
    archived boolean,
    disabled boolean,
    fork boolean,
    html_url character varying,
    created_at timestamp with time zone,
    content_hash character varying NOT NULL,
    _dlt_load_id character varying(64) NOT NULL
);
CREATE TABLE raw.unbuilt_loads (
    load_id text NOT NULL,
    noted_at timestamp with time zone DEFAULT now() NOT NULL
);
COMMENT ON TABLE raw.unbuilt_loads IS 'Those of raw.loads that no build has taken in: noted by the transaction that commits the
        load, removed by the one that records the build';
CREATE TABLE raw.unbuilt_polls (
    entry_id bigint NOT NULL,
    repository_id bigint NOT NULL,
    day date NOT NULL
);
COMMENT ON TABLE raw.unbuilt_polls IS 'Days of raw.polls that got a row, or changed one, since a build took them in';
ALTER TABLE raw.unbuilt_polls ALTER COLUMN entry_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME raw.unbuilt_polls_entry_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE raw.webhook_dead_letters (
    delivery_id text NOT NULL,
    event text NOT NULL,
    received_at timestamp with time zone NOT NULL,
    headers jsonb NOT NULL,
    body bytea NOT NULL,
    failed_at timestamp with time zone NOT NULL,
    failure_count integer DEFAULT 1 NOT NULL,
    error text NOT NULL,
    discarded_at timestamp with time zone
);
ALTER TABLE ONLY raw.webhook_dead_letters ALTER COLUMN body SET STORAGE EXTERNAL;
COMMENT ON TABLE raw.webhook_dead_letters IS 'Deliveries that could not be processed, with their bytes and the reason';
CREATE TABLE raw.webhook_events (
    delivery_id text NOT NULL,
    event text NOT NULL,
    action text,
    repository_id bigint,
    installation_id bigint,
    received_at timestamp with time zone NOT NULL,
    batch_id text NOT NULL,
    outcome text NOT NULL,
    headers jsonb NOT NULL,
    payload bytea,
    CONSTRAINT webhook_events_outcome_check CHECK ((outcome = ANY (ARRAY['observed'::text, 'applied'::text, 'not_monitored'::text, 'ignored'::text])))
);
ALTER TABLE ONLY raw.webhook_events ALTER COLUMN payload SET STORAGE EXTERNAL;
COMMENT ON TABLE raw.webhook_events IS 'The ledger: every delivery once, with its body as it came (zlib; of repositories that are
        not monitored the row alone)';
CREATE TABLE raw.webhook_jobs (
    delivery_id text NOT NULL,
    batch_id text NOT NULL,
    received_at timestamp with time zone NOT NULL,
    job_id bigint NOT NULL,
    run_id bigint NOT NULL,
    run_attempt bigint,
    repository_id bigint NOT NULL,
    name text,
    workflow_name text,
    status text,
    conclusion text,
    created_at timestamp with time zone,
    started_at timestamp with time zone,
    completed_at timestamp with time zone,
    head_branch text,
    head_sha text,
    labels jsonb,
    runner_id bigint,
    runner_name text,
    runner_group_id bigint,
    runner_group_name text,
    steps jsonb,
    html_url text,
    content_hash text NOT NULL
);
COMMENT ON TABLE raw.webhook_jobs IS 'One row per workflow_job delivery: what it says of a job (old shapes lack the attempt)';
CREATE TABLE raw.webhook_runs (
    delivery_id text NOT NULL,
    batch_id text NOT NULL,
    received_at timestamp with time zone NOT NULL,
    run_id bigint NOT NULL,
    run_attempt bigint NOT NULL,
    repository_id bigint NOT NULL,
    workflow_id bigint NOT NULL,
    check_suite_id bigint,
    name text,
    display_title text,
    path text,
    run_number bigint,
    event text,
    status text,
    conclusion text,
    head_branch text,
    head_sha text,
    created_at timestamp with time zone,
    updated_at timestamp with time zone,
    run_started_at timestamp with time zone,
    actor_id bigint,
    actor_login text,
    triggering_actor_id bigint,
    triggering_actor_login text,
    head_repository_id bigint,
    head_repository_full_name text,
    pull_request_numbers jsonb,
    referenced_workflow_paths jsonb,
    html_url text,
    content_hash text NOT NULL
);
COMMENT ON TABLE raw.webhook_runs IS 'One row per workflow_run delivery: what it says of an attempt of a run';
CREATE TABLE raw.workflow_jobs (
    job_id bigint NOT NULL,
    run_id bigint NOT NULL,
    run_attempt bigint NOT NULL,
    repository_id bigint NOT NULL,
    name character varying,
    workflow_name character varying,
    status character varying,
    conclusion character varying,
    created_at timestamp with time zone,
    started_at timestamp with time zone,
    completed_at timestamp with time zone,
    head_branch character varying,
    head_sha character varying,
    labels jsonb,
    runner_id bigint,
    runner_name character varying,
    runner_group_id bigint,
    runner_group_name character varying,
    steps jsonb,
    html_url character varying,
    gone_at timestamp with time zone,
    content_hash character varying NOT NULL,
    _dlt_load_id character varying(64) NOT NULL
);
CREATE TABLE raw.workflow_runs (
    run_id bigint NOT NULL,
    run_attempt bigint NOT NULL,
    repository_id bigint NOT NULL,
    workflow_id bigint NOT NULL,
    check_suite_id bigint,
    name character varying,
    display_title character varying,
    path character varying,
    run_number bigint,
    event character varying,
    status character varying,
    conclusion character varying,
    head_branch character varying,
    head_sha character varying,
    created_at timestamp with time zone,
    updated_at timestamp with time zone,
    run_started_at timestamp with time zone,
    actor_id bigint,
    actor_login character varying,
    triggering_actor_id bigint,
    triggering_actor_login character varying,
    head_repository_id bigint,
    head_repository_full_name character varying,
    pull_request_numbers jsonb,
    referenced_workflow_paths jsonb,
    html_url character varying,
    gone_at timestamp with time zone,
    content_hash character varying NOT NULL,
    _dlt_load_id character varying(64) NOT NULL
);
CREATE TABLE raw.workflows (
    workflow_id bigint NOT NULL,
    repository_id bigint NOT NULL,
    node_id character varying,
    name character varying,
    path character varying,
    state character varying,
    html_url character varying,
    created_at timestamp with time zone,
    updated_at timestamp with time zone,
    deleted_at timestamp with time zone,
    content_hash character varying NOT NULL,
    _dlt_load_id character varying(64) NOT NULL
);
ALTER TABLE ONLY app.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY app.api_tokens
    ADD CONSTRAINT api_tokens_pkey PRIMARY KEY (token_id);
ALTER TABLE ONLY app.api_tokens
    ADD CONSTRAINT api_tokens_token_hash_key UNIQUE (token_hash);
ALTER TABLE ONLY app.audit_log
    ADD CONSTRAINT audit_log_pkey PRIMARY KEY (entry_id);
ALTER TABLE ONLY app.github_budgets
    ADD CONSTRAINT github_budgets_pkey PRIMARY KEY (credential);
ALTER TABLE ONLY app.purges
    ADD CONSTRAINT purges_pkey PRIMARY KEY (repository_id);
ALTER TABLE ONLY app.repositories
    ADD CONSTRAINT repositories_pkey PRIMARY KEY (repository_id);
ALTER TABLE ONLY app.repository_selections
    ADD CONSTRAINT repository_selections_pkey PRIMARY KEY (name);
ALTER TABLE ONLY app.sessions
    ADD CONSTRAINT sessions_pkey PRIMARY KEY (session_hash);
ALTER TABLE ONLY app.sign_in_grants
    ADD CONSTRAINT sign_in_grants_pkey PRIMARY KEY (grant_id);
ALTER TABLE ONLY app.sign_ins
    ADD CONSTRAINT sign_ins_pkey PRIMARY KEY (state_hash);
ALTER TABLE ONLY app.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (user_id);
ALTER TABLE ONLY raw.backfill_windows
    ADD CONSTRAINT backfill_windows_pkey PRIMARY KEY (repository_id, starts_at);
ALTER TABLE ONLY raw.etags
    ADD CONSTRAINT etags_pkey PRIMARY KEY (repository_id, listing);
ALTER TABLE ONLY raw.job_listings
    ADD CONSTRAINT job_listings_pkey PRIMARY KEY (run_id, run_attempt);
ALTER TABLE ONLY raw.missing_attempts
    ADD CONSTRAINT missing_attempts_pkey PRIMARY KEY (run_id, run_attempt);
ALTER TABLE ONLY raw.open_job_listings
    ADD CONSTRAINT open_job_listings_pkey PRIMARY KEY (run_id, run_attempt);
ALTER TABLE ONLY raw.owed_job_listings
    ADD CONSTRAINT owed_job_listings_pkey PRIMARY KEY (run_id, run_attempt);
ALTER TABLE ONLY raw.owed_rebuilds
    ADD CONSTRAINT owed_rebuilds_pkey PRIMARY KEY (reason);
ALTER TABLE ONLY raw.polls
    ADD CONSTRAINT polls_pkey PRIMARY KEY (poll_id, repository_id, loop);
ALTER TABLE ONLY raw.repositories
    ADD CONSTRAINT repositories_pkey PRIMARY KEY (repository_id);
ALTER TABLE ONLY raw.unbuilt_loads
    ADD CONSTRAINT unbuilt_loads_pkey PRIMARY KEY (load_id);
ALTER TABLE ONLY raw.unbuilt_polls
    ADD CONSTRAINT unbuilt_polls_pkey PRIMARY KEY (entry_id);
ALTER TABLE ONLY raw.webhook_batches
    ADD CONSTRAINT webhook_batches_pkey PRIMARY KEY (batch_id);
ALTER TABLE ONLY raw.webhook_dead_letters
    ADD CONSTRAINT webhook_dead_letters_pkey PRIMARY KEY (delivery_id);
ALTER TABLE ONLY raw.webhook_events
    ADD CONSTRAINT webhook_events_pkey PRIMARY KEY (delivery_id);
ALTER TABLE ONLY raw.webhook_jobs
    ADD CONSTRAINT webhook_jobs_pkey PRIMARY KEY (delivery_id);
ALTER TABLE ONLY raw.webhook_runs
    ADD CONSTRAINT webhook_runs_pkey PRIMARY KEY (delivery_id);
ALTER TABLE ONLY raw.workflow_jobs
    ADD CONSTRAINT workflow_jobs_pkey PRIMARY KEY (job_id);
ALTER TABLE ONLY raw.workflow_runs
    ADD CONSTRAINT workflow_runs_pkey PRIMARY KEY (run_id, run_attempt);
ALTER TABLE ONLY raw.workflows
    ADD CONSTRAINT workflows_pkey PRIMARY KEY (workflow_id, repository_id);
CREATE INDEX api_tokens_user_id_idx ON app.api_tokens USING btree (user_id);
CREATE INDEX audit_log_happened_at_idx ON app.audit_log USING btree (happened_at);
CREATE INDEX repositories_added_by_idx ON app.repositories USING btree (added_by);
CREATE INDEX repositories_lower_idx ON app.repositories USING btree (lower(full_name));
CREATE INDEX repository_selections_repository_id_idx ON app.repository_selections USING btree (repository_id);
CREATE INDEX sessions_expires_at_idx ON app.sessions USING btree (expires_at);
CREATE INDEX sessions_grant_id_idx ON app.sessions USING btree (grant_id);
CREATE INDEX sessions_user_id_idx ON app.sessions USING btree (user_id);
CREATE INDEX sign_in_grants_user_id_idx ON app.sign_in_grants USING btree (user_id);
CREATE INDEX sign_ins_created_at_idx ON app.sign_ins USING btree (created_at);
CREATE INDEX _dlt_loads_load_id ON raw._dlt_loads USING btree (load_id);
CREATE INDEX backfill_windows_repository_id_idx ON raw.backfill_windows USING btree (repository_id) WHERE (completed_at IS NULL);
CREATE INDEX job_listings_repository_id_idx ON raw.job_listings USING btree (repository_id);
CREATE INDEX job_listings_repository_id_listed_at_idx ON raw.job_listings USING btree (repository_id, listed_at) WHERE is_told;
CREATE INDEX missing_attempts_repository_id_idx ON raw.missing_attempts USING btree (repository_id);
CREATE INDEX open_job_listings_repository_id_idx ON raw.open_job_listings USING btree (repository_id);
CREATE INDEX owed_job_listings_began_at_run_id_idx ON raw.owed_job_listings USING btree (began_at DESC, run_id DESC);
CREATE INDEX owed_job_listings_repository_id_idx ON raw.owed_job_listings USING btree (repository_id);
CREATE INDEX polls_repository_id_started_at_idx ON raw.polls USING btree (repository_id, started_at);
CREATE INDEX repositories_load ON raw.repositories USING btree (_dlt_load_id);
CREATE INDEX webhook_batches_drained_at_idx ON raw.webhook_batches USING btree (drained_at);
CREATE INDEX webhook_events_received_at_idx ON raw.webhook_events USING btree (received_at);
CREATE INDEX webhook_events_repository_id_received_at_idx ON raw.webhook_events USING btree (repository_id, received_at);
CREATE INDEX webhook_jobs_batch_id_idx ON raw.webhook_jobs USING btree (batch_id);
CREATE INDEX webhook_jobs_job_id_idx ON raw.webhook_jobs USING btree (job_id);
CREATE INDEX webhook_jobs_repository_id_idx ON raw.webhook_jobs USING btree (repository_id);
CREATE INDEX webhook_jobs_run_id_idx ON raw.webhook_jobs USING btree (run_id);
CREATE INDEX webhook_runs_batch_id_idx ON raw.webhook_runs USING btree (batch_id);
CREATE INDEX webhook_runs_repository_id_idx ON raw.webhook_runs USING btree (repository_id);
CREATE INDEX webhook_runs_repository_id_workflow_id_run_id_idx ON raw.webhook_runs USING btree (repository_id, workflow_id, run_id);
CREATE INDEX webhook_runs_run_id_run_attempt_idx ON raw.webhook_runs USING btree (run_id, run_attempt);
CREATE INDEX workflow_jobs_load ON raw.workflow_jobs USING btree (_dlt_load_id);
CREATE INDEX workflow_jobs_repository ON raw.workflow_jobs USING btree (repository_id);
CREATE INDEX workflow_jobs_run ON raw.workflow_jobs USING btree (run_id);
CREATE INDEX workflow_runs_created ON raw.workflow_runs USING btree (repository_id, created_at);
CREATE INDEX workflow_runs_load ON raw.workflow_runs USING btree (_dlt_load_id);
CREATE INDEX workflow_runs_open ON raw.workflow_runs USING btree (repository_id) WHERE (((status)::text IS DISTINCT FROM 'completed'::text) OR ((conclusion)::text = 'action_required'::text));
CREATE INDEX workflow_runs_startup_failure ON raw.workflow_runs USING btree (repository_id, run_id) WHERE ((conclusion)::text = 'startup_failure'::text);
CREATE INDEX workflow_runs_workflow ON raw.workflow_runs USING btree (repository_id, workflow_id, run_id);
CREATE INDEX workflows_load ON raw.workflows USING btree (_dlt_load_id);
CREATE INDEX workflows_repository ON raw.workflows USING btree (repository_id);
CREATE TRIGGER forget_load AFTER DELETE ON raw._dlt_loads FOR EACH ROW EXECUTE FUNCTION raw.forget_load();
CREATE TRIGGER note_batch AFTER INSERT ON raw.webhook_batches FOR EACH ROW WHEN (((new.run_count + new.job_count) > 0)) EXECUTE FUNCTION raw.note_batch();
CREATE TRIGGER note_load AFTER INSERT ON raw._dlt_loads FOR EACH ROW WHEN ((new.status = 0)) EXECUTE FUNCTION raw.note_load();
CREATE TRIGGER note_polls AFTER INSERT OR UPDATE ON raw.polls FOR EACH ROW EXECUTE FUNCTION raw.note_polls();
CREATE TRIGGER owe_job_listings_insert AFTER INSERT ON raw.workflow_runs REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION raw.owe_job_listings();
CREATE TRIGGER owe_job_listings_update AFTER UPDATE ON raw.workflow_runs REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION raw.owe_job_listings();
ALTER TABLE ONLY app.api_tokens
    ADD CONSTRAINT api_tokens_user_id_fkey FOREIGN KEY (user_id) REFERENCES app.users(user_id) ON DELETE CASCADE;
ALTER TABLE ONLY app.repositories
    ADD CONSTRAINT repositories_added_by_fkey FOREIGN KEY (added_by) REFERENCES app.users(user_id) ON DELETE SET NULL;
ALTER TABLE ONLY app.repository_selections
    ADD CONSTRAINT repository_selections_repository_id_fkey FOREIGN KEY (repository_id) REFERENCES app.repositories(repository_id);
ALTER TABLE ONLY app.sessions
    ADD CONSTRAINT sessions_grant_id_fkey FOREIGN KEY (grant_id) REFERENCES app.sign_in_grants(grant_id) ON DELETE CASCADE;
ALTER TABLE ONLY app.sessions
    ADD CONSTRAINT sessions_user_id_fkey FOREIGN KEY (user_id) REFERENCES app.users(user_id) ON DELETE CASCADE;
ALTER TABLE ONLY app.sign_in_grants
    ADD CONSTRAINT sign_in_grants_user_id_fkey FOREIGN KEY (user_id) REFERENCES app.users(user_id) ON DELETE CASCADE;
ALTER TABLE ONLY raw.webhook_jobs
    ADD CONSTRAINT webhook_jobs_delivery_id_fkey FOREIGN KEY (delivery_id) REFERENCES raw.webhook_events(delivery_id) ON DELETE CASCADE;
ALTER TABLE ONLY raw.webhook_runs
    ADD CONSTRAINT webhook_runs_delivery_id_fkey FOREIGN KEY (delivery_id) REFERENCES raw.webhook_events(delivery_id) ON DELETE CASCADE;
