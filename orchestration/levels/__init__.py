"""Changes of level: since which run a series of durations is slower, or faster."""
