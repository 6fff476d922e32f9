{#-
Incremental strategy `upsert_changed`: writes a row only if it is new or differs, so that a build
that finds nothing new writes nothing. With the model's config `delete_when` (a condition over the
computed rows), rows that meet it are not written, and removed where they stood. With the config
`replaces_runs_to_build`, rows of runs to build go that were not computed: they are no longer there.
With `notes_former_runs`, other models learn what a run was before (see `former_runs`).
-#}
{% macro get_incremental_upsert_changed_sql(arg_dict) %}
    {%- set target = arg_dict["target_relation"] %}
    {%- set computed = arg_dict["temp_relation"] %}
    {%- set keys = [arg_dict["unique_key"]] if arg_dict["unique_key"] is string else arg_dict["unique_key"] %}
    {%- set columns = arg_dict["dest_columns"] | map(attribute="name") | list %}
    {%- set others = columns | reject("in", keys) | list %}
    {%- set delete_when = config.get("delete_when") %}

    {%- if delete_when %}
    delete from {{ target }}
    where
        ({{ keys | join(", ") }}) in (
            select {{ keys | join(", ") }} from {{ computed }} where {{ delete_when }}
        );
    {%- endif %}

    {%- if config.get("replaces_runs_to_build") %}
    delete from {{ target }} as stored
    where
        stored.run_id in ({{ claimed_runs() }})
        and not exists (
            select
            from {{ computed }} as computed
            where (computed.{{ keys | join(", computed.") }}) = (stored.{{ keys | join(", stored.") }})
        );
    {%- endif %}

    {%- if config.get("notes_former_runs") %}
    {{ note_former_runs(target, computed) }}
    {%- endif %}

    insert into {{ target }} as stored ({{ columns | join(", ") }})
    select {{ columns | join(", ") }}
    from {{ computed }} as computed
    {%- if delete_when %}
    where not ({{ delete_when }})
    {%- endif %}
    on conflict ({{ keys | join(", ") }}) do update set
        {%- for column in others %}
        {{ column }} = excluded.{{ column }}{{ "," if not loop.last }}
        {%- endfor %}
    where
        (stored.{{ others | join(", stored.") }})
        is distinct from (excluded.{{ others | join(", excluded.") }})
{% endmacro %}

{#-
Post-hook of every incremental model: where this transaction wrote a tenth of the table or more, the
planner's statistics are renewed, so that the next model does not plan for the table as it was.
-#}
{% macro analyze_what_grew() %}
    {%- if execute %}
        {%- set grew %}
            select coalesce(bool_or(written.n_tup_ins + written.n_tup_upd > class.reltuples * 0.1), false)
            from pg_stat_xact_user_tables as written
            inner join pg_class as class on written.relid = class.oid
            where written.schemaname = '{{ this.schema }}' and written.relname = '{{ this.identifier }}'
        {%- endset %}
        {%- if run_query(grew).rows[0][0] %}
            analyze {{ this }}
        {%- endif %}
    {%- endif %}
{%- endmacro %}
