"""One box for everything: names, numbers, commits, and GitHub's own addresses."""
