"""The board: rows from "is all well" to each repository, every panel with its metric's help."""

import math
from dataclasses import dataclass

from grafana_foundation_sdk.builders import dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.builders.common import VizLegendOptions
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import LegendDisplayMode, LegendPlacement
from grafana_foundation_sdk.models.dashboard import DataSourceRef, Threshold, ThresholdsMode

from monitoring.metrics import help_of

_SOURCE = DataSourceRef(type_val="prometheus", uid="${source}")
_COLUMNS = 24
_MOST_BESIDE_EACH_OTHER = 6


@dataclass(frozen=True)
class Panel:
    """One query: a number of now (`is_number`), or a line for each series over time.

    Attributes:
        unit: Grafana's id of it: `s`, `bytes`, `short`, `reqps`, `percentunit`.
        legend: of a series, in Grafana's templates.
        bad_from: a number from which on it is red; 1 - it where less is worse (`is_up`).
    """

    title: str
    expression: str
    unit: str = "short"
    legend: str = ""
    is_number: bool = False
    bad_from: float | None = None
    is_up: bool = False


ROWS: dict[str, tuple[Panel, ...]] = {
    "Is all well?": (
        Panel("PostgreSQL", "actionsight_database_up", is_number=True, is_up=True),
        Panel("Event buffer", "actionsight_event_buffer_up", is_number=True, is_up=True),
        Panel("Cache", "actionsight_cache_up", is_number=True, is_up=True),
        Panel(
            "Repositories in trouble",
            "count(actionsight_repository_up == 0) or vector(0)",
            is_number=True,
            bad_from=1,
        ),
        Panel("Dead letters", "actionsight_webhook_dead_letters", is_number=True, bad_from=1),
        Panel("Silent webhooks", "actionsight_silent_webhooks", is_number=True, bad_from=1),
        Panel(
            "Deliveries given up",
            "actionsight_webhook_deliveries_given_up",
            is_number=True,
            bad_from=1,
        ),
        Panel(
            "Age of the numbers",
            "actionsight_observation_age_seconds",
            "s",
            is_number=True,
            bad_from=3600,
        ),
    ),
    "Webhooks": (
        Panel(
            "Accepted",
            "sum by (event) (rate(actionsight_webhook_deliveries_total[$__rate_interval]))",
            "reqps",
            "{{event}}",
        ),
        Panel(
            "Refused",
            "sum by (reason) (rate(actionsight_webhook_refusals_total[$__rate_interval]))",
            "reqps",
            "{{reason}}",
        ),
        Panel("Waiting", "actionsight_event_buffer_events", legend="webhooks"),
        Panel(
            "Wait of the oldest",
            "actionsight_event_buffer_oldest_event_age_seconds",
            "s",
            "oldest",
        ),
        Panel(
            "Memory of the event buffer", "actionsight_event_buffer_memory_bytes", "bytes", "used"
        ),
        Panel("Disk", "actionsight_disk_used_bytes", "bytes", "used"),
    ),
    "GitHub": (
        Panel(
            "Left of the hourly limit",
            "actionsight_github_budget_remaining / actionsight_github_budget_limit",
            "percentunit",
            "{{credential}}",
        ),
        Panel(
            "Requests",
            "rate(actionsight_github_requests_total[$__rate_interval])",
            "reqps",
            "all",
        ),
        Panel(
            "Answered 304",
            "rate(actionsight_github_unchanged_responses_total[$__rate_interval])",
            "reqps",
            "free",
        ),
        Panel(
            "Refused for its limits",
            "rate(actionsight_github_refusals_total[$__rate_interval])",
            "reqps",
            "refused",
        ),
    ),
    "API": (
        Panel(
            "Answers",
            "sum by (status) (rate(actionsight_http_requests_total[$__rate_interval]))",
            "reqps",
            "{{status}}",
        ),
        Panel(
            "p95 by route",
            "histogram_quantile(0.95, sum by (le, route) "
            "(rate(actionsight_http_request_duration_seconds_bucket[$__rate_interval])))",
            "s",
            "{{route}}",
        ),
    ),
    "Repositories": (
        Panel("By state", "actionsight_repositories", legend="{{state}}"),
        Panel(
            "Age of their numbers",
            "topk(20, actionsight_repository_observation_age_seconds)",
            "s",
            "{{repository}}",
        ),
        Panel(
            "History read",
            "sum(actionsight_repository_backfill_windows_completed)"
            " / sum(actionsight_repository_backfill_windows)",
            "percentunit",
            "of the windows",
        ),
        Panel(
            "Attempts whose jobs are owed",
            "topk(20, actionsight_repository_job_listings_owed)",
            legend="{{repository}}",
        ),
    ),
}


def text() -> str:
    """The board as JSON, to be imported or provisioned; it asks for the source of its data."""
    board = (
        dashboard.Dashboard("Actionsight")
        .uid("actionsight")
        .tags(["actionsight"])
        .time("now-24h", "now")
        .refresh("1m")
        .timezone("browser")
        .with_variable(
            dashboard.DatasourceVariable("source").label("Prometheus").type("prometheus")
        )
    )
    for title, panels in ROWS.items():
        board = board.with_row(dashboard.Row(title))
        width = _COLUMNS // _beside_each_other(len(panels))
        for panel in panels:
            drawn = _number(panel) if panel.is_number else _lines(panel)
            board = board.with_panel(
                drawn.title(panel.title)
                .description(help_of(panel.expression))
                .datasource(_SOURCE)
                .unit(panel.unit)
                .span(width)
                .height(4 if panel.is_number else 8)
                .with_target(
                    prometheus.Dataquery()
                    .datasource(_SOURCE)
                    .ref_id("A")
                    .expr(panel.expression)
                    .legend_format(panel.legend)
                )
            )
    return str(JSONEncoder(sort_keys=True, indent=2).encode(board.build())) + "\n"


def _beside_each_other(count: int) -> int:
    """How many of so many panels stand in a line; no line is much shorter than another."""
    return math.ceil(count / math.ceil(count / _MOST_BESIDE_EACH_OTHER))


def _number(panel: Panel) -> stat.Panel:
    steps = [Threshold(value=None, color="green")]
    if panel.is_up:
        steps = [Threshold(value=None, color="red"), Threshold(value=1, color="green")]
    elif panel.bad_from is not None:
        steps.append(Threshold(value=panel.bad_from, color="red"))
    return stat.Panel().thresholds(
        dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps)
    )


def _lines(_: Panel) -> timeseries.Panel:
    legend = VizLegendOptions().display_mode(LegendDisplayMode.LIST)
    return timeseries.Panel().fill_opacity(10).legend(legend.placement(LegendPlacement.BOTTOM))
