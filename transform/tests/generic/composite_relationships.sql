{#-
Every key names a row of its parent; `parents`: by columns, which are named alike in both. The real
foreign keys say the same, but come last: where tables are new, this stops the models that follow.
-#}
{% test composite_relationships(model, parents) %}
with children as not materialized (
    select * from {{ model }}
)
{% for columns, parent in parents.items() %}
select
    '{{ columns }}' as key,
    row(children.{{ columns | replace(", ", ", children.") }})::text as missing
from children
where
    row(children.{{ columns | replace(", ", ", children.") }}) is not null
    and not exists (
        select
        from {{ parent }} as parents
        where
            {%- for column in columns.split(", ") %}
            parents.{{ column }} = children.{{ column }}{{ " and" if not loop.last }}
            {%- endfor %}
    )
{{ "union all" if not loop.last }}
{%- endfor %}
{% endtest %}
