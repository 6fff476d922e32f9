"""Asking GitHub: the client, its credentials, and the rate limits that all processes share."""
