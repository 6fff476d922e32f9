"""When GitHub may be asked: one budget for each credential, shared by all processes."""
