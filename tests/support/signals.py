"""What a process inherits of its parent's signals."""

import signal


def as_in_the_background() -> None:
    """For `Popen(preexec_fn=…)`: start as a shell without job control starts `command &`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
