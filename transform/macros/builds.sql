{#-
What a build does before its first model and after its last one. Before: loads that no build has taken
in put what they touch into the queues of the marts. After: they are recorded as built.
-#}

{% macro builds_models() %}
    {%- do return(execute and flags.WHICH in ("build", "run")) %}
{%- endmacro %}

{#- on-run-start. A check for drift takes nothing in: what it finds must be nobody's change. -#}
{% macro begin_build() %}
    {%- if builds_models() %}
        {%- if not run_query("select to_regclass('raw.unbuilt_loads') is not null").rows[0][0] %}
            {%- do exceptions.raise_compiler_error(
                "This database has not all raw tables yet. Run `actionsight migrate` (or `make up`) first."
            ) %}
        {%- endif %}
        {%- do make_bookkeeping() %}
        {%- if not is_drift_check() %}
            {%- do take_in_loads() %}
        {%- endif %}
        {%- do look_at_marts() %}
    {%- endif %}
{% endmacro %}

{#- Tables of builds, and a queue for each mart, where they are missing. -#}
{% macro make_bookkeeping() %}
    {%- set queues = [] %}
    {%- for mart in all_marts() %}
        {%- do queues.append("to_regclass('" ~ queue_of(mart.name) ~ "') is null") %}
        {%- if mart.config.meta.since %}
            {%- do queues.append(
                "not exists (select from pg_attribute where attname = 'since' and attrelid = to_regclass('"
                ~ queue_of(mart.name) ~ "'))"
            ) %}
        {%- endif %}
    {%- endfor %}
    {%- if not run_query(
        "select to_regclass('marts.models') is null or " ~ queues | join(" or ")
    ).rows[0][0] %}
        {%- do return("") %}
    {%- endif %}
    {%- set tables %}
        select pg_advisory_xact_lock({{ lock_key("build") }});
        create schema if not exists marts;
        create schema if not exists intermediate;
        create table if not exists marts.models (
            model text primary key,
            version bigint not null,
            definition text,
            built_at timestamptz
        );
        comment on table marts.models is
            'One row per mart: the version of its rows, and since when all of them are there (null: not yet)';
        create table if not exists marts.built_loads (
            load_id text primary key,
            built_at timestamptz not null default now()
        );
        create table if not exists marts.behind (
            model text not null,
            repository_id bigint not null,
            observed_until timestamptz,
            primary key (model, repository_id)
        );
        comment on table marts.behind is
            'Marts that could not be built of late, and until when what they say of a repository can be trusted';
        create table if not exists marts.data_versions (
            repository_id bigint primary key,
            version bigint not null,
            changed_at timestamptz not null
        );
        {%- for mart in all_marts() %}
        create table if not exists {{ queue_of(mart.name) }} (
            {%- for column in mart.config.meta.scope %}
            {{ column }} {{ mart.columns[column].data_type }} not null,
            {%- endfor %}
            reason text not null
        );
        {%- if mart.config.meta.since %}
        alter table {{ queue_of(mart.name) }}
        add column if not exists since timestamptz not null default '-infinity';
        {%- endif %}
        create index if not exists {{ short_name("touched__" ~ mart.name, mart.config.meta.newest) }}
        on {{ queue_of(mart.name) }} (reason, {{ mart.config.meta.newest }});
        {%- endfor %}
        commit
    {%- endset %}
    {%- do run_query("commit; begin; " ~ tables) %}
{%- endmacro %}

{#-
Loads commit in any order, so none is told from another by its number or time: each stands in
raw.unbuilt_loads until a build is through that had taken it in, or found it taken in, at its start.
-#}
{% macro take_in_loads() %}
    {%- set take %}
        commit;
        begin;
        select pg_advisory_xact_lock_shared({{ lock_key("build") }});
        update raw.unbuilt_loads as unbuilt
        set builds = unbuilt.builds || '{{ invocation_id }}'::text
        from (select load_id, builds from raw.unbuilt_loads order by load_id for update) as found
        where unbuilt.load_id = found.load_id
        returning unbuilt.load_id, found.builds = '{}'
    {%- endset %}
    {%- set loads = [] %}
    {%- for row in run_query(take).rows if row[1] %}
        {%- do loads.append("'" ~ (row[0] | replace("'", "''")) ~ "'") %}
    {%- endfor %}
    {%- set touch %}
        {%- for mart in marts_in_use() %}
            {%- for entry in mart.config.meta.touched_by if entry.source and loads %}
                {%- if load_column(entry.source) %}
        {#- As literals: of each PostgreSQL knows how few rows it brought, however large another was. -#}
        with changed as (
            select * from raw.{{ entry.source }}
            where {{ load_column(entry.source) }} in ({{ loads | join(", ") }})
        )
        {{ insert_scopes(mart, touched_scopes(entry), "change") }};
                {%- endif %}
            {%- endfor %}
            {#- A poll that found nothing new is no load; its day stands there for itself. -#}
            {%- for entry in mart.config.meta.touched_by if entry.source == "unbuilt_polls" %}
        with changed as (delete from raw.unbuilt_polls returning *)
        {{ insert_scopes(mart, touched_scopes(entry), "change") }};
            {%- endfor %}
        {%- endfor %}
        commit
    {%- endset %}
    {%- do run_query(touch) %}
{%- endmacro %}

{#- Which column of a raw table names the load that brought a row, as the source says; none if none does. -#}
{% macro load_column(table) %}
    {%- for source in graph.sources.values() if source.name == table %}
        {%- do return(source.config.meta.load_column) %}
    {%- endfor %}
{%- endmacro %}

{#-
on-run-end. Once every mart had its turn, the loads that it began with are recorded as built. A mart that
failed, and what descends from it, stays behind: `marts.behind` says until when its rows can be trusted,
and its scopes stay in its queue. Then all else can be trusted further.
-#}
{% macro end_build(results) %}
    {%- if builds_models() and not is_drift_check() %}
        {%- set built = [] %}
        {%- set behind = [] %}
        {%- for result in results if result.node.unique_id in all_marts() | map(attribute="unique_id") %}
            {%- do (built if result.status == "success" else behind).append(result.node.name) %}
        {%- endfor %}
        begin;
        {%- if behind %}
        insert into marts.behind (model, repository_id, observed_until)
        select model, repository_id, observed_until
        from app.repositories
        cross join unnest(array['{{ behind | join("', '") }}']) as model
        on conflict (model, repository_id) do nothing;
        {%- endif %}
        delete from marts.behind where model in ('{{ built | join("', '") }}');
        {%- if built | length + behind | length == all_marts() | length %}
        with built as (
            delete from raw.unbuilt_loads
            where '{{ invocation_id }}' = any(builds)
            returning load_id
        )
        insert into marts.built_loads (load_id)
        select load_id from built order by load_id
        on conflict (load_id) do nothing;
        commit;
        begin;
        select app.advance_observed_until();
        {%- endif %}
        commit;
    {%- endif %}
{% endmacro %}
