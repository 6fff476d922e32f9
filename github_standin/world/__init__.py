"""What the fake GitHub consists of, and what happens in it."""
