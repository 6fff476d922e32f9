{#- A model's schema is exactly the one that is configured: staging, intermediate or marts. -#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ custom_schema_name or target.schema }}
{%- endmacro %}
