select
    poll_id,
    repository_id,
    loop,
    (started_at at time zone 'UTC')::date as day,
    started_at,
    ended_at,
    request_count,
    error
from {{ source('raw', 'polls') }}
