{#-
Every key names a row of its parent; `parents`: by column, which is named alike in both. The real foreign
keys say the same, but come last: where tables are new, this stops the models that follow.
-#}
{% test parents_exist(model, parents) %}
with children as not materialized (
    select * from {{ model }}
)
{% for column, parent in parents.items() %}
select
    '{{ column }}' as key,
    children.{{ column }} as missing
from children
left join {{ parent }} as parents on children.{{ column }} = parents.{{ column }}
where children.{{ column }} is not null and parents.{{ column }} is null
{{ "union all" if not loop.last }}
{%- endfor %}
{% endtest %}
