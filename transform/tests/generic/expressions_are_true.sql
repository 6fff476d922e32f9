{#- Every condition holds, or is unknown, in every row; a failing row says first which do not. -#}
{% test expressions_are_true(model, expressions) %}
select
    concat_ws(
        ', ',
        {%- for expression in expressions %}
        case when not ({{ expression }}) then '{{ expression | replace("'", "''") }}' end{{ "," if not loop.last }}
        {%- endfor %}
    ) as broken,
    *
from {{ model }}
where
    {%- for expression in expressions %}
    not ({{ expression }}){{ " or" if not loop.last }}
    {%- endfor %}
{% endtest %}
