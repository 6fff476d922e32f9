"""Runs on workers: Dagster puts each into a queue of Celery's, and some worker does it."""

import warnings

from celery.exceptions import DuplicateTaskNameWarning
from dagster._core.launcher import LaunchRunContext
from dagster_celery.launcher import CeleryRunLauncher
from dagster_celery.tags import DAGSTER_CELERY_TASK_ID_TAG

from orchestration.liveness import Live


class LiveCeleryRunLauncher(Live, CeleryRunLauncher):
    """Dagster's launcher for Celery."""

    def launch_run(self, context: LaunchRunContext) -> None:
        """Put a run into the queue."""
        with warnings.catch_warnings():
            # Dagster declares the task anew for each run, and Celery takes the first.
            warnings.simplefilter("ignore", DuplicateTaskNameWarning)
            CeleryRunLauncher.launch_run(self, context)

    def terminate(self, run_id: str) -> bool:
        """Ask the run's worker to end it; gives whether there was anything to end."""
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished or DAGSTER_CELERY_TASK_ID_TAG not in run.tags:
            return False
        self._instance.report_run_canceling(run)
        CeleryRunLauncher.terminate(self, run_id)
        return True
