select
    label_pattern,
    position,
    runner_class,
    source,
    load_id
from {{ source('raw', 'runner_labels') }}
where not is_removed
