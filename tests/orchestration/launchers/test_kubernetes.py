"""The job of Kubernetes that a run becomes, as Dagster's launcher sends it; no cluster ran it."""

import dataclasses
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import kubernetes
import pytest
import yaml
from dagster import DagsterRun, DagsterRunStatus
from dagster._core.launcher import WorkerStatus
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from actionsight.local.installation import environment
from actionsight.settings import COLLECTION, ROOT, Settings
from orchestration import liveness
from orchestration.launchers.kubernetes import LiveK8sRunLauncher
from tests.orchestration.launchers.conftest import Configured, Launched

pytestmark = pytest.mark.integration

KUBERNETES = "1.36"
SHIPPED = ROOT / "orchestration" / "launchers" / "kubernetes.yaml"


@dataclasses.dataclass
class Cluster:
    """What a cluster's API was asked; it takes every job."""

    url: str = ""
    asked: list[tuple[str, str, Any]] = dataclasses.field(default_factory=list)

    def answer(self, request: Request) -> Response:
        body = request.get_json() if request.method == "POST" else None
        self.asked.append((request.method, request.path, body))
        return Response(json.dumps(body), 201, content_type="application/json")


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    made = Cluster()
    server = make_server("127.0.0.1", 0, Request.application(made.answer))
    made.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def in_kubernetes(settings: Settings, cluster: Cluster, tmp_path: Path) -> Settings:
    """The shipped file, but for where the cluster is."""
    access = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "it", "cluster": {"server": cluster.url}}],
        "users": [{"name": "me", "user": {}}],
        "contexts": [{"name": "here", "context": {"cluster": "it", "user": "me"}}],
        "current-context": "here",
    }
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(access))
    sections = yaml.safe_load(SHIPPED.read_text())
    sections["run_launcher"]["config"] |= {
        "load_incluster_config": False,
        "kubeconfig_file": str(tmp_path / "kubeconfig"),
    }
    (tmp_path / "kubernetes.yaml").write_text(yaml.safe_dump(sections))
    return dataclasses.replace(settings, dagster_yaml=tmp_path / "kubernetes.yaml")


def known_to_kubernetes(job: dict[str, Any]) -> Any:
    """The same after Kubernetes' own model of a job: without what that does not know."""
    client = kubernetes.client.ApiClient()
    model = client.deserialize(SimpleNamespace(data=json.dumps(job)), "V1Job")
    return client.sanitize_for_serialization(model)


def without_empty(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: without_empty(v) for k, v in value.items() if v is not None}
    return [without_empty(each) for each in value] if isinstance(value, list) else value


def test_a_run_becomes_a_job_that_kubernetes_knows(
    in_kubernetes: Settings,
    configured: Configured,
    launched: Launched,
    cluster: Cluster,
    empty_database_url: str,
) -> None:
    instance = configured(in_kubernetes)
    assert isinstance(instance.run_launcher, LiveK8sRunLauncher)
    run = launched(instance)
    [(method, path, job)] = cluster.asked
    assert (method, path) == ("POST", "/apis/batch/v1/namespaces/actionsight/jobs")
    assert known_to_kubernetes(job) == without_empty(job)
    assert known_to_kubernetes({**job, "spek": 1}) != without_empty({**job, "spek": 1})

    assert job["metadata"]["name"] == f"dagster-run-{run.run_id}"
    # Dagster alone tries again.
    assert job["spec"]["backoffLimit"] == 0
    pod = job["spec"]["template"]["spec"]
    assert pod["restartPolicy"] == "Never"
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False
    [container] = pod["containers"]
    *program, what = container["args"]
    # The image of a run has the code server's interpreter at the same path.
    assert program == [sys.executable, "-m", "dagster", "api", "execute_run"]
    assert run.run_id in what
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert str(urlsplit(empty_database_url).password) not in json.dumps(job)


def test_the_job_is_valid_by_kubernetes_schemas(
    in_kubernetes: Settings, configured: Configured, launched: Launched, cluster: Cluster
) -> None:
    schemas = pytest.importorskip("kubernetes_validate", reason="requirements/deploy.txt")
    launched(configured(in_kubernetes))
    [(_, _, job)] = cluster.asked
    schemas.validate(job, KUBERNETES, strict=True)
    with pytest.raises(schemas.ValidationError, match="spek"):
        schemas.validate({**job, "spek": 1}, KUBERNETES, strict=True)


def test_a_pod_is_told_what_other_processes_are_told(
    in_kubernetes: Settings, configured: Configured, launched: Launched, cluster: Cluster
) -> None:
    launched(configured(in_kubernetes))
    [(_, _, job)] = cluster.asked
    [container] = job["spec"]["template"]["spec"]["containers"]
    told = {each["name"]: each["value"] for each in container["env"]}
    elsewhere = environment(in_kubernetes, COLLECTION)
    prefixes = ("DBT_", "DLT_", "DAGSTER_", "DO_NOT_", "RUNTIME_")
    assert {name for name in elsewhere if name.startswith(prefixes)} <= told.keys()
    mounted = [each["mountPath"] for each in container["volumeMounts"]]
    for name in ("DBT_TARGET_PATH", "DBT_LOG_PATH", "DLT_DATA_DIR", "ACTIONSIGHT_DATA_DIR"):
        assert any(told[name].startswith(path) for path in mounted), name
    assert {"secretRef": {"name": "actionsight"}} in container["envFrom"]


def test_whether_a_run_works_its_lock_says_and_not_its_pod(
    in_kubernetes: Settings,
    configured: Configured,
    cluster: Cluster,
    empty_database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    instance = configured(in_kubernetes)
    run = instance.add_run(DagsterRun(job_name="build", status=DagsterRunStatus.STARTED))
    health = instance.run_launcher.check_run_worker_health
    with liveness.alive(empty_database_url, run.run_id):
        # It waited for its lock; from here on nobody waits.
        monkeypatch.setattr(liveness, "ABSENT_SECONDS", 0)
        assert health(run).status == WorkerStatus.RUNNING
    assert health(run).status == WorkerStatus.FAILED
    assert cluster.asked == []
