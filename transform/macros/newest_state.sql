{#-
The newest state of something that was observed several times, as aggregates over its observations;
`place` is an observation's place in the order of the newest state, from 1.
-#}

{#- What the newest observation says, unknown or not. -#}
{% macro newest(column) -%}
    (array_agg({{ column }} order by place))[1]
{%- endmacro %}

{#- What the newest of the observations that know it says. -#}
{% macro newest_known(column) -%}
    (array_agg({{ column }} order by place) filter (where {{ column }} is not null))[1]
{%- endmacro %}

{#- The same for an array; an empty one knows less than others. As text, since lengths differ. -#}
{% macro newest_known_array(column, data_type) -%}
    (
        array_agg({{ column }}::text order by ({{ column }} = '{}')::integer, place)
        filter (where {{ column }} is not null)
    )[1]::{{ data_type }}
{%- endmacro %}

{#- What the newest of the webhooks said, unknown or not. -#}
{% macro newest_told(column) -%}
    (array_agg({{ column }} order by place) filter (where delivery_id is not null))[1]
{%- endmacro %}

{#- How something was seen of which at least one webhook told. -#}
{% macro how_seen() -%}
    true as was_seen_by_webhook,
        bool_or(delivery_id is null) as was_seen_by_poll,
        coalesce({{ newest('status') }}, '') != coalesce({{ newest_told('status') }}, '')
        or coalesce({{ newest('conclusion') }}, '') != coalesce({{ newest_told('conclusion') }}, '')
            as was_corrected
{%- endmacro %}

{#- The same of something that polling alone saw. -#}
{% macro seen_by_poll_alone() -%}
    false as was_seen_by_webhook,
        true as was_seen_by_poll,
        false as was_corrected
{%- endmacro %}
