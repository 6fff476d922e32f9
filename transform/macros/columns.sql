{#- A table's columns with their whole types: information_schema calls every array ARRAY, to which
    unit tests cannot cast. -#}
{% macro postgres__get_columns_in_relation(relation) %}
    {%- set columns = run_query(
        "select attname, format_type(atttypid, atttypmod) from pg_attribute "
        ~ "where attrelid = to_regclass('" ~ relation ~ "') and attnum > 0 and not attisdropped "
        ~ "order by attnum"
    ) -%}
    {%- set found = [] -%}
    {%- for name, data_type in columns.rows -%}
        {%- do found.append(api.Column(name, data_type)) -%}
    {%- endfor -%}
    {{ return(found) }}
{% endmacro %}
