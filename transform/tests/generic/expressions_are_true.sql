{#- Every condition holds, or is unknown, in every row; a failing row says first which do not. -#}
{% test holds(model, conditions) %}
select
    concat_ws(
        ', ',
        {%- for condition in conditions %}
        case when not ({{ condition }}) then '{{ condition | replace("'", "''") }}' end{{ "," if not loop.last }}
        {%- endfor %}
    ) as broken,
    *
from {{ model }}
where
    {%- for condition in conditions %}
    not ({{ condition }}){{ " or" if not loop.last }}
    {%- endfor %}
{% endtest %}
