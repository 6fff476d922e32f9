"""GET /repositories: what is monitored, and how far its collection has come."""
