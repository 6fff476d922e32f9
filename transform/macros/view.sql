{#-
As dbt's own view, but replaced in place: dbt would make a second view, swap the two and drop the
first with all that depends on it, which breaks another build that runs beside this one.
-#}
{% materialization view, adapter="postgres" %}
    {%- set target_relation = this.incorporate(type="view") -%}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}

    {#- Before it is looked at: who replaces it waits for whoever looks at it. -#}
    {%- do run_query("select pg_advisory_xact_lock(" ~ lock_key(this.schema ~ "." ~ this.identifier) ~ ")") %}
    {%- if not view_can_be_replaced(target_relation, sql) %}
        {%- call statement("drop_view") -%}
            drop view if exists {{ target_relation }} cascade
        {%- endcall -%}
    {%- endif %}
    {%- call statement("main") -%}
        create or replace view {{ target_relation }} as (
            {{ sql }}
        )
    {%- endcall %}
    {%- do persist_docs(target_relation, model) %}

    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {%- do adapter.commit() %}
    {{ run_hooks(post_hooks, inside_transaction=False) }}

    {{ return({"relations": [target_relation]}) }}
{% endmaterialization %}

{#- PostgreSQL replaces a view in place only if its columns stay what and where they are. -#}
{% macro view_can_be_replaced(relation, sql) %}
    {%- if not tables_that_exist([relation]) %}
        {%- do return(false) %}
    {%- endif %}
    {%- set found = get_column_schema_from_query("select * from " ~ relation) %}
    {%- set wanted = get_column_schema_from_query(sql) %}
    {%- do return(
        found | map(attribute="name") | list == wanted | map(attribute="name") | list
        and found | map(attribute="data_type") | list == wanted | map(attribute="data_type") | list
    ) %}
{%- endmacro %}

{#- Those of the relations that exist, by the catalogue. -#}
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
