"""How an installation is watched: alert rules for Prometheus and a board for Grafana.

`python -m monitoring` makes both files anew, of the table of metrics that `GET /metrics` shows.
"""
