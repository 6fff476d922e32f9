{#- As dbt's own, but what the relation and its columns say already is not written again at every build. -#}
{% macro postgres__persist_docs(relation, model, for_relation, for_columns) -%}
    {%- if not has_its_docs(relation, model) %}
        {%- do default__persist_docs(relation, model, for_relation, for_columns) %}
    {%- endif %}
{%- endmacro %}

{% macro has_its_docs(relation, model) %}
    {%- set docs = ["(0, '', " ~ postgres_escape_comment(model.description) ~ ")"] %}
    {%- for column in model.columns.values() if column.description %}
        {%- do docs.append("(1, '" ~ column.name ~ "', " ~ postgres_escape_comment(column.description) ~ ")") %}
    {%- endfor %}
    {%- set query %}
        select not exists (
            select
            from (values {{ docs | join(", ") }}) as wanted (is_of_column, name, description)
            left join pg_attribute as attribute
                on attribute.attrelid = '{{ relation }}'::regclass and attribute.attname = wanted.name
            where
                wanted.description is distinct from case is_of_column
                    when 1 then col_description('{{ relation }}'::regclass, attribute.attnum)
                    else obj_description('{{ relation }}'::regclass, 'pg_class')
                end
        )
    {%- endset %}
    {%- do return(run_query(query).rows[0][0]) %}
{%- endmacro %}
