"""GET /branches/health and /branches/health/intervals: since when is a branch red?"""
