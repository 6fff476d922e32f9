"""GitHub's webhook events that mean something here, by the names in their header, and where they
are delivered."""

# Below the public address.
RECEIVER_PATH = "/webhooks/github"

OBSERVED_EVENTS = ("workflow_run", "workflow_job")
# What a webhook of ours in a repository asks for, and what an App is to subscribe to.
REPOSITORY_EVENTS = (*OBSERVED_EVENTS, "repository")
# What every App is sent, asked for or not.
APP_EVENTS = ("github_app_authorization", "installation", "installation_repositories")
# What the drain reads; of any other event it keeps the delivery alone.
READ_EVENTS = frozenset({*REPOSITORY_EVENTS, *APP_EVENTS})
# What the receiver counts by its name: what comes by itself, too.
COUNTED_EVENTS = READ_EVENTS | {"check_run", "installation_target", "meta", "ping"}
