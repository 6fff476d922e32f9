"""GET /stats: the statistics of the runs that a filter chooses."""
