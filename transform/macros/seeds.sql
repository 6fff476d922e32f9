{#-
A seed's table is made once and then emptied and filled in one transaction: a build beside this one
always sees it whole. Nothing is read or written while its file is the one that the table was filled
from; `seed_files` remembers which that was. Every seed names its column types.
-#}
{% materialization seed, adapter="postgres" %}
    {%- set relation = this.incorporate(type="table") -%}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}

    {%- if is_filled_from_its_file(relation) %}
        {%- call statement("main", fetch_result=true) -%} select 'unchanged' as file {%- endcall %}
        {%- do store_result("agate_table", response="OK", agate_table=load_result("main").table) -%}
    {%- else %}
        {%- set rows = load_agate_table() -%}
        {%- do store_result("agate_table", response="OK", agate_table=rows) -%}
        {%- call statement("main") -%} {{ empty_seed_table(relation, rows.column_names) }} {%- endcall %}
        {%- do load_csv_rows(model, rows) %}
        {%- do remember_file(relation) %}
    {%- endif %}
    {%- do persist_docs(relation, model) %}

    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {%- do adapter.commit() %}
    {{ run_hooks(post_hooks, inside_transaction=False) }}

    {{ return({"relations": [relation]}) }}
{% endmaterialization %}

{% macro empty_seed_table(relation, names) %}
    {%- set columns = [] %}
    {%- for name in names %}
        {%- do columns.append(name ~ " " ~ model["config"]["column_types"][name]) %}
    {%- endfor %}
    create table if not exists {{ relation }} ({{ columns | join(", ") }});
    delete from {{ relation }}
{%- endmacro %}

{% macro is_filled_from_its_file(relation) %}
    {%- set memory = this.incorporate(path={"identifier": "seed_files"}) %}
    {%- if should_full_refresh() or tables_that_exist([relation, memory]) | length < 2 %}
        {%- do return(false) %}
    {%- endif %}
    {%- set query %}
        select exists (
            select from {{ memory }} where seed = '{{ relation.identifier }}' and checksum = '{{ model.checksum.checksum }}'
        )
    {%- endset %}
    {%- do return(run_query(query).rows[0][0]) %}
{%- endmacro %}

{% macro remember_file(relation) %}
    {%- set memory = this.incorporate(path={"identifier": "seed_files"}) %}
    {%- do run_query(
        "select pg_advisory_xact_lock(" ~ lock_key("schemas") ~ ");"
        ~ "create table if not exists " ~ memory ~ " (seed text primary key, checksum text not null);"
        ~ "insert into " ~ memory ~ " values ('" ~ relation.identifier ~ "', '" ~ model.checksum.checksum ~ "')"
        ~ " on conflict (seed) do update set checksum = excluded.checksum"
    ) %}
{%- endmacro %}
