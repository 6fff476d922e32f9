"""Collection by webhooks: the event buffer to the raw tables."""
