{#-
As dbt's own, but a seed's table is made once and then emptied and filled in one transaction: a build
beside this one always sees it whole. Every seed names its column types.
-#}
{% macro postgres__create_csv_table(model, agate_table) %}
    {%- set types = model["config"]["column_types"] %}
    {%- set columns = [] %}
    {%- for name in agate_table.column_names %}
        {%- do columns.append(name ~ " " ~ types[name]) %}
    {%- endfor %}
    {%- set sql = "create table if not exists " ~ this.render() ~ " (" ~ columns | join(", ") ~ ")" %}
    {%- call statement("_") -%} {{ sql }}; delete from {{ this.render() }} {%- endcall -%}
    {%- do return(sql) %}
{% endmacro %}

{% macro postgres__reset_csv_table(model, full_refresh, old_relation, agate_table) %}
    {%- do return(postgres__create_csv_table(model, agate_table)) %}
{% endmacro %}
