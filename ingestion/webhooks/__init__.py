"""GitHub's webhooks from the event buffer to the raw tables.

    event buffer → drain → raw.webhook_events (the ledger), webhook_runs, webhook_jobs
                         → raw.webhook_dead_letters (what could not be read), app.repositories

A delivery stands in exactly one of ledger and dead letters. No address in a payload is ever asked.
"""
