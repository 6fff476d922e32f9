"""From GitHub to the raw tables."""

import os

# dlt reads it while it is imported, before it can be told anything else.
os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
