{#-
Two builds may run at once (a person's beside the schedule's), and dbt opens a connection per model,
so no lock can span a build. Instead each model locks its table: the first thing that compiling it does
is to take two locks on its connection, which dbt closes when the model has ended, however it ended.

1. `build`, shared; exclusively where tables are created or swapped, because a swap takes the foreign
   keys of other models' tables along. The hook at the end, which adds those keys, takes it
   exclusively too.
2. the model's own, so that two builds compute the same table one after the other. Each statement
   sees what was committed before it, so the later one computes from the newest rows.

Always in this order, and each connection holds one model's lock only: no deadlock.
-#}

{% macro lock_key(name) -%}
    hashtext('actionsight dbt'), hashtext('{{ name }}')
{%- endmacro %}

{#- Waits for both locks; a list of statements is run in its order. -#}
{% macro wait_for_locks(relation, swaps) %}
    {%- do run_query(
        "select pg_advisory_lock" ~ ("" if swaps else "_shared") ~ "(" ~ lock_key("build") ~ ");"
        ~ "select pg_advisory_lock(" ~ lock_key(relation.schema ~ "." ~ relation.identifier) ~ ")"
    ) %}
{%- endmacro %}

{#- The first line of every incremental model. Renders to nothing. -#}
{% macro lock_model() %}
    {%- if execute and flags.WHICH in ('build', 'run', 'seed') and model.resource_type in ('model', 'seed') %}
        {%- do wait_for_locks(this, should_full_refresh() or not tables_that_exist([this])) %}
        {%- do correct_cache() %}
    {%- endif %}
{%- endmacro %}

{#-
Those of the relations that exist, by the catalogue, which a query asks: to_regclass may answer what it
answered before a lock was waited for.
-#}
{% macro tables_that_exist(relations) %}
    {%- set query %}
        select pg_class.relname
        from pg_class
        inner join pg_namespace on pg_class.relnamespace = pg_namespace.oid
        where
            pg_namespace.nspname = '{{ relations[0].schema }}'
            and pg_class.relname in ('{{ relations | map(attribute="identifier") | join("', '") }}')
    {%- endset %}
    {%- do return(run_query(query).columns[0].values()) %}
{%- endmacro %}

{#-
dbt listed the relations when the build began. Another build may have made this table since, or have
died while it swapped one: say what is true now, and clear what was left.
-#}
{% macro correct_cache() %}
    {%- set relation = this.incorporate(type="table") %}
    {%- set leftovers = [make_intermediate_relation(relation), make_backup_relation(relation, "table")] %}
    {%- set existing = tables_that_exist([relation] + leftovers) %}
    {%- if relation.identifier in existing and not load_cached_relation(relation) %}
        {%- do adapter.cache_added(relation) %}
    {%- endif %}
    {%- for leftover in leftovers if leftover.identifier in existing %}
        {%- do adapter.drop_relation(leftover) %}
    {%- endfor %}
{%- endmacro %}
