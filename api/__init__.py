"""The HTTP API: answers from the marts, within what the principal may see."""
