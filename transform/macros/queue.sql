{#-
Each mart has a queue of the scopes that are to be computed anew: `intermediate.touched__<mart>`, with
the columns of its scope (`meta.scope`). Rows come from:

- `change`: a load, at the start of a build, or another mart whose rows changed, in the transaction that
  changed them: what of them touches which scopes stands in `meta.touched_by` of the mart that is touched
- `rebuild`: all scopes, where a mart is new, has another version, or is refreshed in full
- `drift`: some at random, by the daily check

Where a change touches nothing of a scope that ended before it (`meta.since`), the queue has a column
`since`: what ended before stays as it is. It is `-infinity` for the other reasons.

A row goes in the transaction that writes what was computed for it. So a build of some models, a model
that fails, a kill at any moment and a load that commits late leave what is to be done where it is.
-#}

{#- The scopes that a pass computes, as a mart reads them. -#}
{% macro touched() -%}
    touched
{%- endmacro %}

{#- What stands of a mart, as the mart itself reads it. -#}
{% macro stored() -%}
    {{ this }}
{%- endmacro %}

{% macro queue_of(mart) -%}
    intermediate.touched__{{ mart }}
{%- endmacro %}

{% macro scope_columns() %}
    {%- do return(config.get("meta").scope) %}
{%- endmacro %}

{#- What the queue of a mart says of each scope. -#}
{% macro queue_columns(meta) %}
    {%- do return(meta.scope + (["since"] if meta.since else [])) %}
{%- endmacro %}

{#- Each scope once, as the earliest of what touched it has it. -#}
{% macro each_scope_once(columns, scopes) -%}
    {%- set scope = columns | reject("equalto", "since") | join(", ") -%}
    select {{ scope }} {{- ", min(since) as since" if "since" in columns }}
    from ({{ scopes }}) as scopes ({{ columns | join(", ") }})
    where scopes is not null
    group by {{ scope }}
{%- endmacro %}

{#- Every mart of this project, those of schema `intermediate` among them. -#}
{% macro all_marts() %}
    {%- do return(
        graph.nodes.values()
        | selectattr("resource_type", "equalto", "model")
        | selectattr("package_name", "equalto", project_name)
        | selectattr("config.materialized", "equalto", "incremental")
        | list
    ) %}
{%- endmacro %}

{#-
What of `changed` touches which scopes of a mart, by one entry of its `touched_by`, as a query. Without
`columns` the entry has a query of its own, which reads nothing where nothing changed.
-#}
{% macro touched_scopes(entry) -%}
    {%- if entry.columns -%}
        select {{ entry.columns | join(", ") }} from changed {{ "where " ~ entry.where if entry.where }}
    {%- else -%}
        select * from ({{ entry.query }}) as scopes where exists (select from changed)
    {%- endif -%}
{%- endmacro %}

{% macro insert_scopes(mart, query, reason) -%}
    {%- set columns = queue_columns(mart.config.meta) if reason == "change" else mart.config.meta.scope -%}
    insert into {{ queue_of(mart.name) }} (reason, {{ columns | join(", ") }})
    select '{{ reason }}', scopes.*
    from ({{ each_scope_once(columns, query) }}) as scopes
{%- endmacro %}

{#- CTEs that put into the queues of other marts what changed rows of this one touch. -#}
{% macro tell_children(changed) %}
    {%- for mart in marts_in_use() %}
        {%- for entry in mart.config.meta.touched_by if entry.parent == model.name %}
    touched_{{ mart.name }}_{{ loop.index }} as (
        with changed as not materialized (select * from {{ changed }})
        {{ insert_scopes(mart, touched_scopes(entry), "change") }}
    ),
        {%- endfor %}
    {%- endfor %}
{%- endmacro %}

{#- Without those that are to be rebuilt: they put all their scopes into their queues themselves. -#}
{% macro marts_in_use() %}
    {%- set versions = {} %}
    {%- for row in run_query("select model, version from marts.models").rows %}
        {%- do versions.update({row[0]: row[1]}) %}
    {%- endfor %}
    {%- set marts = [] %}
    {%- for mart in all_marts() if versions.get(mart.name) == mart.config.meta.version %}
        {%- do marts.append(mart) %}
    {%- endfor %}
    {%- do return(marts) %}
{%- endmacro %}

{#- How many scopes wait because something changed, counted to 201, and whether others do. -#}
{% macro waiting_scopes(relation) -%}
    {%- set queue = queue_of(relation.identifier) -%}
    {%- if is_drift_check() -%}
    select 0 as changed_count, exists (select from {{ queue }} where reason = 'drift') as are_others
    {%- else -%}
    select
        (select count(*) from (select from {{ queue }} where reason = 'change' limit 201) as changed) as changed_count,
        exists (select from {{ queue }} where reason = 'rebuild') as are_others
    {%- endif -%}
{%- endmacro %}

{#- Takes scopes from the queue: all that changed, or the newest of a rebuild. -#}
{% macro take_scopes(relation, reason, as_literals=false) -%}
    {%- set queue = queue_of(relation.identifier) -%}
    {%- set columns = queue_columns(config.get("meta")) -%}
    delete from {{ queue }}
    where
        {%- if reason == "rebuild" and not takes_all_at_once(relation) %}
        ctid in (
            select ctid from {{ queue }}
            where reason = 'rebuild'
            order by {{ config.get("meta").newest }} desc
            limit {{ config.get("meta").get("chunk", 20000) }}
        )
        {%- else %}
        reason = '{{ reason }}'
        {%- endif %}
    returning
    {%- if as_literals %}
        format(
            '(
            {%- for column in columns -%}
            %L::{{ (model.columns[column] or {"data_type": "timestamptz"}).data_type }}{{ ", " if not loop.last }}
            {%- endfor -%}
            )', {{ columns | join(", ") }}
        )
    {%- else %}
        {{ columns | join(", ") }}
    {%- endif %}
{%- endmacro %}

{#- Where people wait for a new table, all of its first rows are computed together. -#}
{% macro takes_all_at_once(relation) %}
    {%- do return(not is_hot_build() and is_empty(relation)) %}
{%- endmacro %}

{% macro touched_table(relation) %}
    {%- set reasons = ["drift"] if is_drift_check() else ["change", "rebuild"] %}
    set local work_mem = '128MB';
    create temporary table touched on commit drop as
    with
    {%- for reason in reasons %}
    taken_{{ reason }} as ({{ take_scopes(relation, reason) }}){{ "," if not loop.last }}
    {%- endfor %}
    {%- set taken %}
        {%- for reason in reasons %}
        select * from taken_{{ reason }} {{- " union all" if not loop.last }}
        {%- endfor %}
    {%- endset %}
    {{ each_scope_once(queue_columns(config.get("meta")), taken) }};
    analyze touched;
{%- endmacro %}

{#- Puts all scopes of a mart into its queue: those of its parents' rows, and of its own. -#}
{% macro touch_everything(relation) %}
    {%- set mart = model %}
    {%- set scope = mart.config.meta.scope | join(", ") %}
    {%- set all_scopes %}
        {%- for entry in mart.config.meta.touched_by if not entry.only_changes %}
        select {{ scope }}
        from (
            with changed as not materialized (select * from {{ parent_of(entry) }})
            {{ touched_scopes(entry) }}
        ) as scopes ({{ scope }})
        union all
        {%- endfor %}
        select {{ scope }} from {{ relation }}
    {%- endset %}
    delete from {{ queue_of(mart.name) }};
    {{ insert_scopes(mart, all_scopes, "rebuild") }};
    analyze {{ queue_of(mart.name) }};
{%- endmacro %}

{#- The table whose rows touch a mart by an entry of its `touched_by`. -#}
{% macro parent_of(entry) -%}
    {%- if entry.source -%}
        raw.{{ entry.source }}
    {%- else -%}
        {%- for node in all_marts() if node.name == entry.parent -%}
        {{ node.schema }}.{{ node.alias }}
        {%- endfor -%}
    {%- endif -%}
{%- endmacro %}
