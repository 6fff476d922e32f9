"""The application for a WSGI server: `granian --interface wsgi api.wsgi:app`."""

import sys

from actionsight.garbage import uncollected
from actionsight.parents import end_with_server
from actionsight.settings import forget_secrets, load

end_with_server()
with uncollected():
    from api import logs
    from api.app import create_app

    logs.configure()
    app = create_app(load())
# A thread that computes lets go of the interpreter for others after so many seconds: each of them
# needs it several times for an answer, and waits for it as often.
sys.setswitchinterval(0.001)
# The server hands this process's environment on with every request, for whoever reports an error.
forget_secrets()
