{#- As dbt's own, but two first builds at once wait for each other instead of failing. -#}
{% macro postgres__create_schema(relation) -%}
    {%- call statement("create_schema") -%}
        select pg_advisory_xact_lock({{ lock_key("schemas") }});
        create schema if not exists {{ relation.without_identifier().include(database=False) }}
    {%- endcall -%}
{% endmacro %}
