{#-
The set of loads that a build works on. A claim is this build's alone (by its invocation id), so two
builds at once may both do the same loads: the second one finds nothing to write.
-#}

{#- The loads that this build has claimed, in parentheses. -#}
{% macro claimed_loads() %}
    {%- set claim %}
        select claimed.load_id
        from marts.claimed_loads as claimed
        where claimed.invocation_id = '{{ invocation_id }}'
    {%- endset %}
    {%- do return(literals_or_query(claim)) %}
{%- endmacro %}

{#- The ids of the runs that this build computes anew, as a query. -#}
{% macro claimed_runs() -%}
    select run_id from marts.claimed_runs where invocation_id = '{{ invocation_id }}'
{%- endmacro %}

{#-
Runs as they stood in marts.workflow_runs until a build changed what they are filed under or compared by.
The transaction that changes them notes them, and they stay until a build that found them there has run
every model after that: however many builds die in between, what they left is computed anew as well.
-#}
{% macro former_runs() -%}
    select {{ former_columns() | join(", ") }} from marts.former_runs
{%- endmacro %}

{% macro former_columns() %}
    {%- do return([
        "run_id",
        "repository_id",
        "workflow_id",
        "created_at",
        "head_repository_id",
        "head_branch",
        "event",
    ]) %}
{%- endmacro %}

{#- What of it changes between the computed rows and those that stand there is noted, and taken charge of. -#}
{% macro note_former_runs(target, computed) -%}
    {%- set columns = former_columns() %}
    insert into marts.former_runs (invocation_id, {{ columns | join(", ") }})
    select '{{ invocation_id }}', stored.{{ columns | join(", stored.") }}
    from {{ target }} as stored
    inner join {{ computed }} as computed on stored.run_id = computed.run_id
    where
        (stored.{{ columns | join(", stored.") }})
        is distinct from (computed.{{ columns | join(", computed.") }});
    update marts.former_runs set invocation_id = '{{ invocation_id }}'
    where invocation_id != '{{ invocation_id }}';
    analyze marts.former_runs;
{%- endmacro %}

{#- The days of which polls became known, as a query; a poll that found nothing new is no load. -#}
{% macro claimed_poll_days() -%}
    select repository_id, day from marts.claimed_polls where invocation_id = '{{ invocation_id }}'
{%- endmacro %}

{#- The repositories that a mart has no row of, in parentheses. -#}
{% macro repositories_without_rows(relation) %}
    {%- set query %}
        select repositories.repository_id
        from {{ ref('repositories') }} as repositories
        where not exists (
            select from {{ relation }} as known where known.repository_id = repositories.repository_id
        )
    {%- endset %}
    {%- do return(literals_or_query(query)) %}
{%- endmacro %}

{#-
The values that a query gives, in parentheses: as literals while they are few, because then PostgreSQL
knows how few rows they mean and reads those by an index.
-#}
{% macro literals_or_query(query) %}
    {%- if not builds_models() %}
        {%- do return("(" ~ query ~ ")") %}
    {%- endif %}
    {%- set values = run_query(query ~ " limit 201").columns[0].values() %}
    {%- if values | length > 200 %}
        {%- do return("(" ~ query ~ ")") %}
    {%- endif %}
    {%- set literals = [] %}
    {%- for value in values %}
        {%- do literals.append("'" ~ (value | string | replace("'", "''")) ~ "'") %}
    {%- endfor %}
    {%- do return("(" ~ (literals | join(", ") or "null") ~ ")") %}
{%- endmacro %}

{#- Every incremental model of this project. -#}
{% macro incremental_models() %}
    {%- do return(
        graph.nodes.values()
        | selectattr("resource_type", "equalto", "model")
        | selectattr("package_name", "equalto", project_name)
        | selectattr("config.materialized", "equalto", "incremental")
        | list
    ) %}
{%- endmacro %}

{#- Tables of what a build works on; each build's rows go with it, a killed one's after a day. -#}
{% macro claims() %}
    {%- do return(["claimed_loads", "claimed_polls", "claimed_runs"]) %}
{%- endmacro %}

{% macro builds_models() %}
    {%- do return(execute and flags.WHICH in ("build", "run")) %}
{%- endmacro %}

{#-
As dbt's own, which asks for `--full-refresh` alone: an upgrade that changes what the marts' tables are
owes a rebuild as well, until a build of all models has made it.
-#}
{% macro should_full_refresh() %}
    {%- do return(
        flags.FULL_REFRESH
        or builds_models() and run_query("select exists (select from raw.owed_rebuilds)").rows[0][0]
    ) %}
{%- endmacro %}

{#-
on-run-start: makes the bookkeeping tables and claims every load that no finished build has recorded
(raw.unbuilt_loads). In a full refresh, and where a table is missing, all loads: then every key is
touched, and the same SQL computes everything.
-#}
{% macro claim_loads() %}
    {%- if builds_models() %}
        {%- set prepared %}
            select to_regclass('raw.loads') is not null and to_regclass('raw.owed_rebuilds') is not null
        {%- endset %}
        {%- if not run_query(prepared).rows[0][0] %}
            {%- do exceptions.raise_compiler_error(
                "This database has not all raw tables yet. Run `actionsight migrate` (or `make up`) first."
            ) %}
        {%- endif %}
        {%- set missing = [] %}
        {%- for node in incremental_models() %}
            {%- do missing.append("to_regclass('" ~ node.schema ~ "." ~ node.alias ~ "') is null") %}
        {%- endfor %}
        {%- set takes_all = (
            should_full_refresh() or run_query("select " ~ missing | join(" or ")).rows[0][0]
        ) %}
        begin;
        select pg_advisory_xact_lock({{ lock_key("schemas") }});
        create schema if not exists marts;
        create table if not exists marts.built_loads (
            load_id text primary key,
            built_at timestamptz not null default now()
        );
        create table if not exists marts.data_versions (
            repository_id bigint primary key,
            version bigint not null,
            changed_at timestamptz not null
        );
        create table if not exists marts.claimed_loads (
            invocation_id text not null,
            load_id text not null,
            claimed_at timestamptz not null default now(),
            primary key (invocation_id, load_id)
        );
        create table if not exists marts.claimed_polls (
            invocation_id text not null,
            entry_id bigint not null,
            repository_id bigint not null,
            day date not null,
            claimed_at timestamptz not null default now(),
            primary key (invocation_id, entry_id)
        );
        create table if not exists marts.claimed_runs (
            invocation_id text not null,
            run_id bigint not null,
            claimed_at timestamptz not null default now(),
            primary key (invocation_id, run_id)
        );
        create table if not exists marts.former_runs (
            invocation_id text not null,
            run_id bigint not null,
            repository_id bigint not null,
            workflow_id bigint not null,
            created_at timestamptz not null,
            head_repository_id bigint,
            head_branch text,
            event text
        );
        {%- for table in claims() %}
        delete from marts.{{ table }} where claimed_at < now() - interval '1 day';
        {%- endfor %}
        insert into marts.claimed_loads (invocation_id, load_id)
        select '{{ invocation_id }}', load_id
        from raw.{{ "loads" if takes_all else "unbuilt_loads" }};
        analyze marts.claimed_loads;
        insert into marts.claimed_polls (invocation_id, entry_id, repository_id, day)
        select '{{ invocation_id }}', entry_id, repository_id, day
        from raw.unbuilt_polls;
        analyze marts.claimed_polls;
        commit;
    {%- endif %}
{% endmacro %}

{#- Where the loads that a build claims brought something of a run: table, column of its load. -#}
{% macro observations() %}
    {%- do return([
        ("workflow_runs", "_dlt_load_id"),
        ("workflow_jobs", "_dlt_load_id"),
        ("webhook_runs", "batch_id"),
        ("webhook_jobs", "batch_id"),
    ]) %}
{%- endmacro %}

{#-
on-run-start, after the loads: claims the runs of which they brought a row, a job or the repository's
own row. Once for all models, and in a table, so that PostgreSQL knows how many they are.
-#}
{% macro claim_runs() %}
    {%- if builds_models() %}
        {%- set loads = claimed_loads() %}
        begin;
        insert into marts.claimed_runs (invocation_id, run_id)
        select '{{ invocation_id }}', touched.run_id
        from (
            {%- for table, load_id in observations() %}
            select run_id from raw.{{ table }} where {{ load_id }} in {{ loads }}
            union
            {%- endfor %}
            {%- for table in ("workflow_runs", "webhook_runs") %}
            select run_id
            from raw.{{ table }}
            where repository_id in (select repository_id from raw.repositories where _dlt_load_id in {{ loads }})
            {{ "union" if not loop.last }}
            {%- endfor %}
        ) as touched;
        analyze marts.claimed_runs;
        commit;
    {%- endif %}
{% endmacro %}

{#-
on-run-end: the set is recorded last, and only if every incremental model ran; the data version of
each repository that the set brought rows of rises as soon as one did.
-#}
{% macro record_build(results) %}
    {%- if builds_models() %}
        {%- set wanted = incremental_models() | map(attribute="unique_id") | list %}
        {%- set ran = [] %}
        {%- for result in results if result.status == "success" and result.node.unique_id in wanted %}
            {%- do ran.append(result.node.unique_id) %}
        {%- endfor %}
        {%- set loads = claimed_loads() %}
        begin;
        {%- if ran %}
        insert into marts.data_versions as stored (repository_id, version, changed_at)
        select changed.repository_id, 1, now()
        from (
            {%- for table, load_id in observations() %}
            select repository_id from raw.{{ table }} where {{ load_id }} in {{ loads }}
            union
            {%- endfor %}
            select repository_id from raw.repositories where _dlt_load_id in {{ loads }}
            union
            select repository_id from raw.workflows where _dlt_load_id in {{ loads }}
        ) as changed
        order by changed.repository_id
        on conflict (repository_id) do update set version = stored.version + 1, changed_at = excluded.changed_at;
        {%- endif %}
        {%- if ran | length == wanted | length %}
        insert into marts.built_loads (load_id)
        select claimed.load_id
        from marts.claimed_loads as claimed
        where claimed.invocation_id = '{{ invocation_id }}'
        order by claimed.load_id
        on conflict (load_id) do nothing;
        delete from raw.unbuilt_loads
        where load_id in (
            select claimed.load_id
            from marts.claimed_loads as claimed
            where claimed.invocation_id = '{{ invocation_id }}'
        );
        delete from raw.owed_rebuilds;
        delete from marts.former_runs where invocation_id = '{{ invocation_id }}';
        delete from raw.unbuilt_polls
        where entry_id in (
            select claimed.entry_id
            from marts.claimed_polls as claimed
            where claimed.invocation_id = '{{ invocation_id }}'
        );
        {%- endif %}
        {%- for table in claims() %}
        delete from marts.{{ table }} where invocation_id = '{{ invocation_id }}';
        {%- endfor %}
        commit;
        {%- if ran | length == wanted | length
            and run_query("select to_regprocedure('app.advance_observed_until()') is not null").rows[0][0] %}
        begin;
        select app.advance_observed_until();
        commit;
        {%- endif %}
    {%- endif %}
{% endmacro %}
