"""The HTTP API: answers from the marts, within what the viewer may see."""
