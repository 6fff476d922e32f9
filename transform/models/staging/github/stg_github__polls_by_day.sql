select
    repository_id,
    day,
    poll_count,
    failed_poll_count,
    request_count
from {{ source('raw', 'polls_by_day') }}
