"""People: who signed in, with which grant, their sessions and tokens, and what they did."""

from alembic import op

revision = "0003"
down_revision = "0002"

STATEMENTS = (
    """
    create table app.users (
        user_id bigint primary key,
        login text not null,
        name text,
        avatar_url text,
        created_at timestamptz not null default now(),
        last_seen_at timestamptz not null default now(),
        rights_invalid_before timestamptz not null default '-infinity'
    )
    """,
    """
    comment on table app.users is
        'Everyone who signed in, by GitHub''s id; rights that were read before rights_invalid_before
        count no more'
    """,
    """
    create table app.sign_ins (
        state_hash bytea primary key,
        browser_hash bytea not null,
        verifier bytea not null,
        next_path text,
        created_at timestamptz not null default now(),
        used_at timestamptz
    )
    """,
    """
    comment on table app.sign_ins is
        'Sign-ins under way: used once, within minutes, by the browser that began them'
    """,
    "create index on app.sign_ins (created_at)",
    """
    create table app.sign_in_grants (
        grant_id bigint generated always as identity primary key,
        user_id bigint not null references app.users on delete cascade,
        access_token bytea not null,
        access_expires_at timestamptz,
        refresh_token bytea,
        refresh_expires_at timestamptz,
        created_at timestamptz not null default now(),
        revoked_at timestamptz
    )
    """,
    "comment on table app.sign_in_grants is 'Tokens that GitHub gave at a sign-in, encrypted'",
    "create index on app.sign_in_grants (user_id)",
    """
    create table app.sessions (
        session_hash bytea primary key,
        user_id bigint not null references app.users on delete cascade,
        grant_id bigint not null references app.sign_in_grants on delete cascade,
        created_at timestamptz not null default now(),
        last_seen_at timestamptz not null default now(),
        expires_at timestamptz not null,
        ended_at timestamptz
    )
    """,
    "create index on app.sessions (user_id)",
    "create index on app.sessions (grant_id)",
    "create index on app.sessions (expires_at)",
    "alter table app.api_tokens add column user_id bigint references app.users on delete cascade",
    "create index on app.api_tokens (user_id)",
    """
    create table app.audit_log (
        entry_id bigint generated always as identity primary key,
        happened_at timestamptz not null default now(),
        action text not null,
        user_id bigint,
        token_id bigint,
        repository_id bigint,
        details jsonb not null default '{}'
    )
    """,
    """
    comment on table app.audit_log is
        'Who did what; it outlives users, tokens and repositories, so it has no foreign keys'
    """,
    "create index on app.audit_log (happened_at)",
    """
    alter table app.repositories
        add column hook_id bigint,
        add column added_by bigint references app.users on delete set null
    """,
    "comment on column app.repositories.hook_id is 'The webhook that we made there, if we did'",
    "create index on app.repositories (added_by)",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
