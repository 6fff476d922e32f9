"""What is in deploy/, read by the tools that will read it."""
