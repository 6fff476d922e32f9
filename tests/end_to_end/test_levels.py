"""From GitHub's API to `marts.level_changes`, by one `actionsight sync`."""

import pytest

from tests.end_to_end.conftest import Installation

pytestmark = pytest.mark.end_to_end


def test_a_sync_tells_since_when_a_job_is_faster(synced: Installation) -> None:
    assert synced.rows(
        """
        select
            changed_at::text, first_sha, median_before_seconds, median_after_seconds,
            run_count_before, run_count_after, still_holds
        from marts.level_changes
        where job_name = 'Windows native, fuzz, VS 2022'
        """
    ) == [
        (
            "2025-09-08 12:50:57+00",
            "0a7206436d2d94e26e5979c2b817068e0ef1c167",
            2692.5,
            1899.5,
            40,
            190,
            True,
        )
    ]
    assert synced.rows("select load_id from raw.unbuilt_loads") == []
