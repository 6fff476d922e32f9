{#-
A mart's table and how it comes to be as its contract says: made once, and altered where the contract
has changed since. `marts.models` tells of each mart which version its rows are of, by which definition
(contract, `meta` and SQL) its table was last looked after, and since when all its rows are there.
-#}

{#-
Before the first pass: makes the table, or its new columns, and puts all scopes into the queue where
they are owed. Parents may not change anything meanwhile: they tell only marts that are in use.
-#}
{% macro prepare_mart(relation, definition, sql) %}
    {%- if is_current(relation, definition) and not flags.FULL_REFRESH %}
        {%- do return("") %}
    {%- endif %}
    {%- do run_query(
        "commit; begin; select pg_advisory_xact_lock(" ~ lock_key("build") ~ ");"
        ~ " select pg_advisory_xact_lock(" ~ lock_key(relation.schema ~ "." ~ relation.identifier) ~ ")"
    ) %}
    {%- set version = config.get("meta").version %}
    {%- set is_kept = has_its_key(relation) %}
    {%- set has_version = is_kept and run_query(
        "select exists (select from marts.models where model = '" ~ model.name ~ "' and version = " ~ version ~ ")"
    ).rows[0][0] %}
    {%- if is_kept %}
        {%- do run_query("alter table " ~ relation ~ " set (" ~ storage_parameters() ~ ")") %}
        {%- do run_query(change_columns(relation)) %}
    {%- else %}
        {%- do run_query(create_mart(relation)) %}
    {%- endif %}
    {#- Now, since a mart may read of itself. -#}
    {%- do get_assert_columns_equivalent(
        "with touched as (select " ~ queue_columns(config.get("meta")) | join(", ")
        ~ " from " ~ queue_of(model.name) ~ ")"
        ~ " select * from (" ~ sql ~ ") as computed"
    ) %}
    {%- set owe -%}
        insert into marts.models as known (model, version) values ('{{ model.name }}', {{ version }})
        on conflict (model) do update set
            version = excluded.version,
            definition = null,
            built_at = case when {{ has_version }} then known.built_at end;
    {%- endset %}
    {%- do run_query(owe) %}
    {%- if flags.FULL_REFRESH or not has_version %}
        {%- do run_query(touch_everything(relation)) %}
    {%- endif %}
    {%- do run_query("commit") %}
    {%- if is_hot_build() %}
        {#- A rebuild goes on for long and looks for rows of its scopes. -#}
        {%- do change_indexes(relation) %}
    {%- endif %}
{%- endmacro %}

{#-
After the last pass, once no rebuild goes on, of it or of what it reads: what it had to be without, and
its description.
-#}
{% macro finish_mart(relation, definition) %}
    {%- set parents = all_marts() | selectattr("unique_id", "in", model.depends_on.nodes) | map(attribute="name") %}
    {%- set what_goes_on -%}
        select
            exists (select from {{ queue_of(model.name) }} where reason = 'rebuild')
            or exists (
                select from marts.models
                where built_at is null and model in ('{{ parents | join("', '") }}')
            )
    {%- endset %}
    {%- if is_current(relation, definition) or run_query(what_goes_on).rows[0][0] %}
        {%- do return("") %}
    {%- endif %}
    {%- do change_indexes(relation) %}
    {%- do change_constraints(relation) %}
    {%- do persist_docs(relation, model) %}
    {%- set note -%}
        update marts.models
        set definition = '{{ definition }}', built_at = coalesce(built_at, now())
        where model = '{{ model.name }}' and version = {{ config.get("meta").version }};
        commit
    {%- endset %}
    {%- do run_query(note) %}
{%- endmacro %}

{% macro is_current(relation, definition) %}
    {%- do return(run_query(definition_of(model)).rows[0][0] == definition) %}
{%- endmacro %}

{#- By which definition the table of a mart was last looked after; null where not all its rows are there. -#}
{% macro definition_of(mart) -%}
    select min(definition)
    from marts.models
    where
        model = '{{ mart.name }}'
        and version = {{ mart.config.meta.version }}
        and built_at is not null
        and to_regclass('{{ mart.schema }}.{{ mart.alias }}') is not null
{%- endmacro %}

{#-
Whether the table is one that this materialization made, and has the primary key of its contract. A key
that only gained columns tells the same rows apart: the table gets it as it stands, without its
children's foreign keys, which come back once they are as defined.
-#}
{% macro has_its_key(relation) %}
    {%- set query -%}
        select conname, (
            select string_agg(attname, ' ' order by place)
            from unnest(conkey) with ordinality as key (attnum, place)
            inner join pg_attribute on attrelid = conrelid and pg_attribute.attnum = key.attnum
        )
        from pg_constraint
        where
            conrelid = to_regclass('{{ relation.schema }}.{{ relation.identifier }}')
            and contype = 'p'
            and exists (select from marts.models where model = '{{ model.name }}')
    {%- endset %}
    {%- for name, columns in run_query(query).rows %}
        {%- if columns.split() == primary_key() %}
            {%- do return(true) %}
        {%- elif not columns.split() | reject("in", primary_key()) | list %}
            {%- do run_query(
                "alter table " ~ relation ~ " drop constraint " ~ name ~ " cascade; alter table " ~ relation
                ~ " add primary key (" ~ primary_key() | join(", ") ~ ")"
            ) %}
            {%- do return(true) %}
        {%- endif %}
    {%- endfor %}
    {%- do return(false) %}
{%- endmacro %}

{#-
Updates find room on their page. A vacuum comes after some thousand changes and not after a fifth of
the table: what was written last is what people ask for, by indexes alone. Indexes are cleaned each time:
else a page stays one to be looked at while fewer than a fiftieth of all pages are such.
-#}
{% macro storage_parameters() -%}
    fillfactor = 90,
    vacuum_index_cleanup = on,
    autovacuum_vacuum_scale_factor = 0.001,
    autovacuum_vacuum_threshold = 500,
    autovacuum_vacuum_insert_scale_factor = 0,
    autovacuum_vacuum_insert_threshold = 20000,
    autovacuum_analyze_scale_factor = 0.01
{%- endmacro %}

{% macro create_mart(relation) %}
    drop table if exists {{ relation }} cascade;
    create table {{ relation }} (
        {{ adapter.render_raw_columns_constraints(raw_columns=model.columns) | join(", ") }},
        primary key ({{ primary_key() | join(", ") }})
    ) with ({{ storage_parameters() }});
    {{ rebuild_children() }}
{%- endmacro %}

{#-
With the table that was there its children's foreign keys went, and what no new row will tell them of:
scopes that its old rows touched. So all rows that they have are computed again. Until the table has all
its rows, whatever descends from it lacks some, too.
-#}
{% macro rebuild_children() %}
    {%- set marts = marts_in_use() %}
    {%- for mart in marts if model.unique_id in mart.depends_on.nodes %}
        {%- set table = mart.schema ~ "." ~ mart.alias %}
        {%- if run_query("select to_regclass('" ~ table ~ "') is not null").rows[0][0] %}
    {{ insert_scopes(mart, "select " ~ mart.config.meta.scope | join(", ") ~ " from " ~ table, "rebuild") }};
        {%- endif %}
    {%- endfor %}
    update marts.models set definition = null, built_at = null
    where model in ('{{ descendants_among(marts) | join("', '") }}')
{%- endmacro %}

{#- The names of the marts that read this one, or one that does. -#}
{% macro descendants_among(marts) %}
    {%- set ids = [model.unique_id] %}
    {%- set names = [] %}
    {#- Grows while it is read. -#}
    {%- for id in ids %}
        {%- for mart in marts if id in mart.depends_on.nodes and mart.unique_id not in ids %}
            {%- do ids.append(mart.unique_id) %}
            {%- do names.append(mart.name) %}
        {%- endfor %}
    {%- endfor %}
    {%- do return(names) %}
{%- endmacro %}

{#- Columns come and go by the contract; one that may not be null is, until its rows are there. -#}
{% macro change_columns(relation) %}
    {%- set query -%}
        select attname, format_type(atttypid, atttypmod)
        from pg_attribute
        where attrelid = '{{ relation }}'::regclass and attnum > 0 and not attisdropped
    {%- endset %}
    {%- set found = {} %}
    {%- for row in run_query(query).rows %}
        {%- do found.update({row[0]: row[1]}) %}
    {%- endfor %}
    {%- for name in found if name not in model.columns %}
    alter table {{ relation }} drop column {{ name }} cascade;
    {%- endfor %}
    {%- for name, column in model.columns.items() if name not in found %}
    alter table {{ relation }} add column {{ name }} {{ column.data_type }};
    {%- endfor %}
    {%- for name, column in model.columns.items() if found.get(name, column.data_type) != column.data_type %}
    alter table {{ relation }} alter column {{ name }} type {{ column.data_type }} using {{ name }}::{{ column.data_type }};
    {%- endfor %}
    select
{%- endmacro %}

{#-
Checks and foreign keys of the contract, each under a name that says what it is by its hash. Validated
apart: meanwhile others read and write the table.
-#}
{% macro change_constraints(relation) %}
    {%- set wanted = {} %}
    {%- for constraint in model.constraints if constraint.type != "primary_key" %}
        {%- set rendered = adapter.render_raw_model_constraints(raw_constraints=[constraint])[0] %}
        {#- What goes of a parent goes of its children: they are computed anew anyway. -#}
        {%- set rendered = rendered ~ (" on delete cascade" if constraint.type == "foreign_key" else "") %}
        {%- do wanted.update({short_name(model.name, rendered): rendered}) %}
    {%- endfor %}
    {#- Else another build may have altered it since this one looked. -#}
    {%- do run_query("commit; begin; " ~ lock_with_ancestors(relation)) %}
    {%- set query -%}
        select conname, convalidated
        from pg_constraint
        where conrelid = '{{ relation }}'::regclass and contype in ('c', 'f')
    {%- endset %}
    {%- set found = {} %}
    {%- for row in run_query(query).rows %}
        {%- do found.update({row[0]: row[1]}) %}
    {%- endfor %}
    {%- set changes -%}
        {%- for name in found if name not in wanted %}
        alter table {{ relation }} drop constraint {{ name }};
        {%- endfor %}
        {%- for name, rendered in wanted.items() if name not in found %}
        alter table {{ relation }} add constraint {{ name }} {{ rendered }} not valid;
        {%- endfor %}
        {%- for name, column in model.columns.items() if column.constraints | selectattr("type", "equalto", "not_null") | list %}
        alter table {{ relation }} alter column {{ name }} set not null;
        {%- endfor %}
        commit;
    {%- endset %}
    {%- do run_query(changes) %}
    {%- for name in wanted if not found.get(name) %}
        {%- do run_query("alter table " ~ relation ~ " validate constraint " ~ name) %}
    {%- endfor %}
{%- endmacro %}

{#-
The indexes of `meta.indexes`; one with another definition has another name. Readers go on while they are
made; other builds of the mart wait. Made concurrently, an index waits for every transaction that looks at
anything, so that of two builds that wait for each other's indexes PostgreSQL ends one.
-#}
{% macro change_indexes(relation) %}
    {%- set wanted = {} %}
    {%- for key, index in (config.get("meta").indexes or {}).items() %}
        {%- do wanted.update({short_name(model.name ~ "_" ~ key, index): index}) %}
    {%- endfor %}
    {%- set query -%}
        select class.relname, found.indisvalid
        from pg_index as found
        inner join pg_class as class on found.indexrelid = class.oid
        where
            found.indrelid = '{{ relation }}'::regclass
            and not exists (select from pg_constraint where conindid = found.indexrelid)
    {%- endset %}
    {%- do run_query("commit") %}
    {%- set found = [] %}
    {%- for name, is_valid in run_query(query).rows %}
        {%- if name in wanted and is_valid %}
            {%- do found.append(name) %}
        {%- else %}
            {#- Else it would wait for readers, and others behind it. -#}
            {%- do run_query("drop index concurrently if exists " ~ relation.schema ~ "." ~ name) %}
        {%- endif %}
    {%- endfor %}
    {%- if wanted.keys() | reject("in", found) | list %}
        {%- set create %}
        begin;
        lock table {{ relation }} in share row exclusive mode;
        {%- for name, index in wanted.items() %}
        create index if not exists {{ name }} on {{ relation }} {{ index }};
        {%- endfor %}
        commit
        {%- endset %}
        {%- do run_query(create) %}
    {%- endif %}
{%- endmacro %}

{#- PostgreSQL cuts names at 63 bytes. -#}
{% macro short_name(name, definition) %}
    {%- do return(name[:54] ~ "_" ~ local_md5(definition)[:8]) %}
{%- endmacro %}
