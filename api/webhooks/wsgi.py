"""The receiver alone for a WSGI server: `granian --interface wsgi api.webhooks.wsgi:app`."""

from actionsight.parents import end_with_server
from actionsight.settings import forget_secrets, load
from api import logs
from api.app import create_receiver

end_with_server()
logs.configure()
app = create_receiver(load())
# As in `api.wsgi`.
forget_secrets()
