"""The receiver alone for a WSGI server: `granian --interface wsgi api.webhooks.wsgi:app`."""

from actionsight.garbage import uncollected
from actionsight.parents import end_with_server
from actionsight.settings import forget_secrets, load

end_with_server()
with uncollected():
    from api import logs
    from api.webhooks.application import create_receiver

    logs.configure()
    app = create_receiver(load())
# As in `api.wsgi`.
forget_secrets()
