{#- information_schema calls every array ARRAY, which unit tests then cannot cast to; ours hold text. -#}
{% macro postgres__safe_cast(field, type) %}
    cast({{ field }} as {{ "text[]" if type == "ARRAY" else type }})
{%- endmacro %}
