"""What neighbours on the machine and web pages try on Dagster's port, and how each is refused."""

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from actionsight.loopback import HOST

JSON = {"Content-Type": "application/json"}
_COLLECT = {
    "repositoryLocationName": "actionsight",
    "repositoryName": "__repository__",
    "jobName": "collect",
}
_SHUTDOWN = (
    'mutation { shutdownRepositoryLocation(repositoryLocationName: "actionsight") { __typename } }'
)
_SENSOR = (
    '{repositoryLocationName: "actionsight", repositoryName: "__repository__", '
    'sensorName: "drain_and_build"}'
)


@dataclass(frozen=True)
class Request:
    """A request, and the status that refuses it."""

    what: str
    status: int
    method: str = "POST"
    path: str = "/graphql"
    headers: Mapping[str, str] = field(default_factory=lambda: JSON)
    body: str = '{"query": "{ version }"}'


def _graphql(what: str, query: str, **variables: object) -> Request:
    return Request(what, 400, body=json.dumps({"query": query, "variables": variables}))


def _launch(name: str, secret: str) -> Request:
    config = {"ops": {"github": {"config": {"loops": [{"env": secret}]}}}}
    return _graphql(
        f"{name} with the secret {secret} as configuration",
        f"mutation ($p: ExecutionParams!) {{ {name}(executionParams: $p) {{ __typename }} }}",
        p={"selector": _COLLECT, "runConfigData": config},
    )


# Refused by any webserver of ours.
REFUSED = [
    Request("another name for this machine", 400, headers={**JSON, "Host": "rebound.example"}),
    Request("no name", 400, headers={**JSON, "Host": ""}),
    Request("another site's page", 403, headers={**JSON, "Origin": "https://evil.example"}),
    Request("a page of another port", 403, headers={**JSON, "Origin": "http://127.0.0.1:1"}),
    Request("a page without an origin", 403, headers={**JSON, "Origin": "null"}),
    Request(
        "a page of this machine's by another name",
        403,
        headers={**JSON, "Origin": "http://localhost"},
    ),
    Request("GET", 405, method="GET", path="/graphql?query={version}", body=""),
    Request("HEAD", 405, method="HEAD", path="/graphql?query={version}", body=""),
    Request("a preflight", 405, method="OPTIONS", body=""),
    Request(
        "a form whose query stands in the address",
        415,
        path=f"/graphql?query={quote(_SHUTDOWN)}",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
        body="",
    ),
    Request("no type of content", 415, headers={}, path=f"/graphql?query={quote(_SHUTDOWN)}"),
    Request("plain text", 415, headers={"Content-Type": "text/plain"}),
    Request("text that pretends", 415, headers={"Content-Type": "text/plain; application/json"}),
    Request("bare GraphQL", 415, headers={"Content-Type": "application/graphql"}, body="{version}"),
    *(
        Request("a report from outside", 404, path=f"/report_asset_{kind}/raw/polls", body="{}")
        for kind in ("materialization", "check", "observation")
    ),
    *(
        Request("a file", 404, method="GET", path=path, body="")
        for path in (
            "/notebook?repoLocName=actionsight&path=/etc/passwd.ipynb",
            "/dagit/notebook?repoLocName=actionsight&path=/etc/passwd.ipynb",
            "/logs/%2e%2e/%2e%2e/dagster.yaml",
        )
    ),
]

# Refused unless ACTIONSIGHT_DAGSTER_WRITABLE is set.
REFUSED_READ_ONLY = [
    *(
        _launch(name, secret)
        for name in ("launchRun", "launchPipelineExecution")
        for secret in ("ACTIONSIGHT_SECRET_KEY", "ACTIONSIGHT_DATABASE_URL")
    ),
    _graphql("the end of the code server", _SHUTDOWN),
    *(
        _graphql(f"the mutation {mutation}", f"mutation {{ {mutation} }}")
        for mutation in (
            'reloadRepositoryLocation(repositoryLocationName: "actionsight") { __typename }',
            "reloadWorkspace { __typename }",
            'terminateRun(runId: "none") { __typename }',
            'deleteRun(runId: "none") { __typename }',
            'wipeAssets(assetPartitionRanges: [{assetKey: {path: ["raw"]}}]) { __typename }',
            'setConcurrencyLimit(concurrencyKey: "github", limit: 0)',
            "setAutoMaterializePaused(paused: true)",
            "setNuxSeen",
            f"resetSensor(sensorSelector: {_SENSOR}) {{ __typename }}",
            f"sensorDryRun(selectorData: {_SENSOR}) {{ __typename }}",
        )
    ),
    _graphql(
        "a sensor that a query evaluates",
        f"{{ sensorOrError(sensorSelector: {_SENSOR}) {{ ... on Sensor {{"
        " nextTick { evaluationResult { skipReason } } } } }",
    ),
]


def send(port: int, request: Request) -> tuple[int, str]:
    """The status and the body of the answer."""
    connection = http.client.HTTPConnection(HOST, port, timeout=30)
    try:
        connection.putrequest(request.method, request.path, skip_host="Host" in request.headers)
        for name, value in request.headers.items():
            connection.putheader(name, value)
        connection.putheader("Content-Length", str(len(request.body.encode())))
        connection.endheaders(request.body.encode())
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def websocket_status(port: int, **headers: str) -> int:
    """The status with which GraphQL's WebSocket answers; 101: it opened."""
    try:
        with connect(
            f"ws://{HOST}:{port}/graphql",
            additional_headers=headers,
            subprotocols=[Subprotocol("graphql-ws")],
            proxy=None,
        ):
            return 101
    except InvalidStatus as refusal:
        return refusal.response.status_code
