"""What a change of level is, apart from how it is found."""

# Two levels are apart from here on.
LEAST_PERCENT = 20
LEAST_SECONDS = 10
LEAST_RUNS = 8
# Of each series, the last ones.
MOST_RUNS = 2000
