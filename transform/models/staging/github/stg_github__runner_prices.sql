select
    runner_class,
    valid_from,
    usd_per_minute,
    is_standard,
    source,
    load_id
from {{ source('raw', 'runner_prices') }}
where not is_removed
