"""The HTTP server: credentials, limits, ETags, a log of requests, and faults on demand."""
