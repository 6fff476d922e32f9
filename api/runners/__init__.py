"""GET /runners and below: what waits for which runners, and what runs there.

A set of labels (in lower case, sorted, each once) is what jobs ask for; who asks of one names it by
`labels`, separated by commas.
"""
