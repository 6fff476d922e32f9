"""GET /flaky-jobs and /flaky-jobs/occurrences: which jobs fail and pass without a change?"""
