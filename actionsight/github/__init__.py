"""Asking GitHub: the client, its credentials, and the budget that all processes share."""
