"""The alert rules: what `actionsight status` says, for Prometheus."""

from dataclasses import dataclass
from typing import Any

from actionsight.disk import FULL_SHARE, NEARLY_FULL_SHARE
from actionsight.doctor import LATE_SECONDS, STUCK_SECONDS
from actionsight.status import STALE
from monitoring.metrics import help_of

CRITICAL = "critical"
WARNING = "warning"


@dataclass(frozen=True)
class Alert:
    """One rule.

    Attributes:
        expression: of PromQL; the alert is on for what it gives.
        lasting: for so long.
        severity: `critical` is what `status` calls wrong, `warning` what it calls worth a look.
        summary: in the words of templates of Prometheus.
    """

    name: str
    expression: str
    lasting: str
    severity: str
    summary: str

    def rule(self) -> dict[str, Any]:
        """As Prometheus reads it; the description is the metric's own help."""
        return {
            "alert": f"Actionsight{self.name}",
            "expr": self.expression,
            "for": self.lasting,
            "labels": {"severity": self.severity},
            "annotations": {"summary": self.summary, "description": help_of(self.expression)},
        }


_REFUSALS = "actionsight_webhook_refusals_total"
_OURS = "buffer_.*|disk_full|busy|not_configured"
_REPOSITORY = "{{ $labels.repository }}"

ALERTS = (
    Alert("Away", "absent(actionsight_database_up)", "5m", CRITICAL, "Actionsight cannot be read"),
    Alert("DatabaseAway", "actionsight_database_up == 0", "2m", CRITICAL, "PostgreSQL is away"),
    Alert(
        "EventBufferAway",
        "actionsight_event_buffer_up == 0",
        "2m",
        CRITICAL,
        "The event buffer is away, and webhooks are refused",
    ),
    Alert("CacheAway", "actionsight_cache_up == 0", "5m", CRITICAL, "The cache server is away"),
    Alert(
        "ReadReplicaAway",
        "actionsight_read_replica_up == 0",
        "5m",
        WARNING,
        "The read replica is away",
    ),
    Alert(
        "Draining",
        f"actionsight_event_buffer_oldest_event_age_seconds > {LATE_SECONDS}",
        "5m",
        WARNING,
        "Webhooks wait for {{ $value | humanizeDuration }}",
    ),
    Alert(
        "NotDraining",
        f"actionsight_event_buffer_oldest_event_age_seconds > {STUCK_SECONDS}",
        "1m",
        CRITICAL,
        "Webhooks wait for {{ $value | humanizeDuration }}",
    ),
    Alert(
        "EventBufferFills",
        "actionsight_event_buffer_memory_bytes"
        " > 0.7 * (actionsight_event_buffer_memory_limit_bytes > 0)",
        "5m",
        WARNING,
        "The event buffer fills up",
    ),
    Alert(
        "DiskFills",
        f"actionsight_disk_used_bytes > {NEARLY_FULL_SHARE} * actionsight_disk_limit_bytes",
        "5m",
        WARNING,
        "The disk fills up, and payloads of webhooks go early",
    ),
    Alert(
        "DiskFull",
        f"actionsight_disk_used_bytes > {FULL_SHARE} * actionsight_disk_limit_bytes",
        "1m",
        CRITICAL,
        "The disk is nearly full, and webhooks are refused",
    ),
    Alert(
        "WebhooksRefused",
        f'sum by (reason) (increase({_REFUSALS}{{reason=~"{_OURS}"}}[10m])) > 0',
        "0m",
        WARNING,
        "Webhooks are refused: {{ $labels.reason }}",
    ),
    Alert(
        "DeadLetters",
        "actionsight_webhook_dead_letters > 0",
        "5m",
        WARNING,
        "{{ $value }} webhooks could not be processed",
    ),
    Alert(
        "DeliveriesGivenUp",
        "actionsight_webhook_deliveries_given_up > 0",
        "5m",
        WARNING,
        "{{ $value }} deliveries of webhooks were given up",
    ),
    Alert(
        "WebhookSilent",
        "actionsight_repository_webhook_silent_since_timestamp_seconds > 0",
        "30m",
        WARNING,
        f"The webhook of {_REPOSITORY} tells nothing",
    ),
    Alert(
        "Stale",
        f"actionsight_observation_age_seconds > {STALE.total_seconds():.0f}",
        "10m",
        WARNING,
        "The numbers are {{ $value | humanizeDuration }} old",
    ),
    Alert(
        "RepositoryInTrouble",
        "actionsight_repository_up == 0",
        "30m",
        WARNING,
        f"{_REPOSITORY} is not collected",
    ),
    Alert(
        "SelectionsRefused",
        "actionsight_selections_refused > 0",
        "1h",
        WARNING,
        "GitHub refuses {{ $value }} of the selected names",
    ),
    Alert(
        "GitHubBudgetLow",
        "actionsight_github_budget_remaining < 0.05 * actionsight_github_budget_limit",
        "45m",
        WARNING,
        "GitHub's hourly limit of {{ $labels.credential }} is used up",
    ),
    Alert(
        "Failing",
        'sum(rate(actionsight_http_requests_total{status=~"5.."}[5m]))'
        " > 0.01 * sum(rate(actionsight_http_requests_total[5m]))",
        "10m",
        WARNING,
        "More than 1 % of the API's answers are faults of its own",
    ),
)


def groups() -> dict[str, Any]:
    """The file of rules."""
    return {"groups": [{"name": "actionsight", "rules": [alert.rule() for alert in ALERTS]}]}
