{#-
Two builds may run at once (a person's beside the schedule's), and dbt opens a connection per model, so
no lock can span a build. Instead each pass of a mart takes two locks in its transaction:

1. `build`, shared; exclusively where a table is made or altered and all its scopes are put into its
   queue, and by who deletes a repository's rows (`actionsight/purging.py`)
2. the mart's own, so that two builds compute the same table one after the other

Always in this order: no deadlock. Who alters a table that is in use takes, by name, those of its
ancestors, too: what a pass deletes there takes rows of the table along.
-#}

{% macro lock_key(name) -%}
    hashtext('actionsight dbt'), hashtext('{{ name }}')
{%- endmacro %}

{% macro lock_pass(relation) -%}
    select pg_advisory_xact_lock_shared({{ lock_key("build") }});
    select pg_advisory_xact_lock({{ lock_key(relation.schema ~ "." ~ relation.identifier) }});
{%- endmacro %}

{% macro lock_with_ancestors(relation) -%}
    {%- set ids = [model.unique_id] %}
    {%- set names = [relation.schema ~ "." ~ relation.identifier] %}
    {#- Grows while it is read. -#}
    {%- for id in ids %}
        {%- for mart in all_marts() if mart.unique_id in graph.nodes[id].depends_on.nodes and mart.unique_id not in ids %}
            {%- do ids.append(mart.unique_id) %}
            {%- do names.append(mart.schema ~ "." ~ mart.alias) %}
        {%- endfor %}
    {%- endfor %}
    select pg_advisory_xact_lock_shared({{ lock_key("build") }});
    {%- for name in names | sort %}
    select pg_advisory_xact_lock({{ lock_key(name) }});
    {%- endfor %}
{%- endmacro %}
