{#-
Foreign keys between the marts. dbt commits each model alone, and a full refresh of a parent drops
the keys of its children with the old table, so the end of every build adds those that are missing.
-#}
{% macro foreign_keys() %}
    {%- do return([
        ("workflows", ["repository_id"], "repositories", ["repository_id"]),
        ("workflow_run_attempts", ["repository_id"], "repositories", ["repository_id"]),
        ("workflow_run_attempts", ["repository_id", "workflow_id"], "workflows", ["repository_id", "workflow_id"]),
        ("workflow_runs", ["repository_id"], "repositories", ["repository_id"]),
        ("workflow_runs", ["repository_id", "workflow_id"], "workflows", ["repository_id", "workflow_id"]),
        ("workflow_runs", ["run_id", "run_attempt"], "workflow_run_attempts", ["run_id", "run_attempt"]),
        ("jobs", ["repository_id"], "repositories", ["repository_id"]),
        ("jobs", ["repository_id", "workflow_id"], "workflows", ["repository_id", "workflow_id"]),
        ("jobs", ["run_id"], "workflow_runs", ["run_id"]),
        ("workflow_statistics_by_day", ["repository_id"], "repositories", ["repository_id"]),
        ("workflow_statistics_by_day", ["repository_id", "workflow_id"], "workflows", ["repository_id", "workflow_id"]),
        ("collection_health_by_day", ["repository_id"], "repositories", ["repository_id"]),
    ]) %}
{%- endmacro %}

{% macro missing_foreign_keys() %}
    {%- set query %}
        select wanted.child, wanted.child_columns, wanted.parent, wanted.parent_columns, wanted.name
        from (
            values
            {%- for child, child_columns, parent, parent_columns in foreign_keys() %}
            (
                '{{ child }}', '{{ child_columns | join(", ") }}',
                '{{ parent }}', '{{ parent_columns | join(", ") }}',
                '{{ child }}_{{ child_columns | join("_") }}_fkey'
            ){{ "," if not loop.last }}
            {%- endfor %}
        ) as wanted (child, child_columns, parent, parent_columns, name)
        where
            to_regclass('marts.' || wanted.child) is not null
            and to_regclass('marts.' || wanted.parent) is not null
            and not exists (
                select
                from pg_constraint
                where
                    contype = 'f'
                    and convalidated
                    and conname = wanted.name
                    and conrelid = to_regclass('marts.' || wanted.child)
                    and confrelid = to_regclass('marts.' || wanted.parent)
            )
    {%- endset %}
    {%- do return(run_query(query).rows) %}
{%- endmacro %}

{#- on-run-end. Looked up again under the lock: another build may have added them meanwhile. -#}
{% macro add_missing_foreign_keys() %}
    {%- if builds_models() and missing_foreign_keys() %}
        {%- do run_query("select pg_advisory_lock(" ~ lock_key("build") ~ ")") %}
        begin;
        {%- for child, child_columns, parent, parent_columns, name in missing_foreign_keys() %}
        alter table marts.{{ child }} drop constraint if exists {{ name }};
        alter table marts.{{ child }} add constraint {{ name }}
        foreign key ({{ child_columns }}) references marts.{{ parent }} ({{ parent_columns }}) not valid;
        {%- endfor %}
        commit;
        {%- for child, child_columns, parent, parent_columns, name in missing_foreign_keys() %}
        begin;
        alter table marts.{{ child }} validate constraint {{ name }};
        commit;
        {%- endfor %}
        select pg_advisory_unlock({{ lock_key("build") }});
    {%- endif %}
{% endmacro %}
