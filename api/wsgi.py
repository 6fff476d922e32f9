"""The application for a WSGI server: `granian --interface wsgi api.wsgi:app`."""

import gc
import sys

from actionsight.parents import end_with_server
from actionsight.settings import forget_secrets, load
from api import logs
from api.app import create_app

end_with_server()
logs.configure()
# A thread that computes lets go of the interpreter for others after so many seconds: each of them
# needs it several times for an answer, and waits for it as often.
sys.setswitchinterval(0.001)
app = create_app(load())
# What is there by now stays: whoever looks for garbage between requests need not look at it.
gc.freeze()
# The server hands this process's environment on with every request, for whoever reports an error.
forget_secrets()
