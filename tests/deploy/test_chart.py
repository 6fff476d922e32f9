"""The chart: Helm renders it, Kubernetes' schemas take it, and it agrees with what it starts."""

import re
import tomllib
from typing import Any

import pytest
import yaml
from dagster._config import process_config, resolve_to_config_type

from actionsight.local.parts import PARTS
from actionsight.settings import DAGSTER, ROOT, SETTINGS, load
from orchestration.launchers.kubernetes import LiveK8sRunLauncher
from tests.deploy.telling import KINDS, secrets_of

pytestmark = pytest.mark.unit

helm = pytest.importorskip("helm_python", reason="make .venv/deploy-installed brings Helm")
schemas = pytest.importorskip("kubernetes_validate", reason="make .venv/deploy-installed")

CHART = ROOT / "deploy" / "helm" / "actionsight"
NAMESPACE = "ci"
# The oldest that Chart.yaml lets in, and the newest that the schemas know.
OLDEST, NEWEST = "1.27", "1.37"
PLAIN: dict[str, Any] = {}
FULL: dict[str, Any] = {
    "publicUrl": "https://actions.example",
    "image": {"pullSecrets": [{"name": "pull"}]},
    "ingress": {"enabled": True, "className": "nginx", "tlsSecret": "tls"},
    "runs": {"launcher": "kubernetes"},
    "worker": {"replicas": 2},
    "prices": {"runnerPrices": "runner_class,valid_from,usd_per_minute,is_standard\n"},
    "settings": {"ACTIONSIGHT_REPOSITORIES": "octo/*"},
    "dagsterWebserver": {"exposed": True},
    "nodeSelector": {"kubernetes.io/os": "linux"},
    "podAnnotations": {"example.com/team": "ci"},
    "tolerations": [{"key": "ci", "operator": "Exists"}],
}
Objects = list[dict[str, Any]]


def rendered(values: dict[str, Any]) -> Objects:
    with helm.Chart.load(str(CHART)) as chart:
        chart.validate_schema(values)
        files = chart.render(values, name="demo", namespace=NAMESPACE)
    return [
        each
        for name, text in files.items()
        if name.endswith(".yaml")
        for each in yaml.safe_load_all(text)
        if each
    ]


@pytest.fixture(scope="module")
def plain() -> Objects:
    return rendered(PLAIN)


@pytest.fixture(scope="module")
def full() -> Objects:
    return rendered(FULL)


def pods_of(objects: Objects) -> dict[str, dict[str, Any]]:
    """The pods that the chart makes, by part."""
    return {
        each["metadata"]["labels"]["app.kubernetes.io/component"]: each["spec"]["template"]["spec"]
        for each in objects
        if each["kind"] in {"Deployment", "Job"}
    }


def named(objects: Objects, kind: str, name: str = "demo-actionsight") -> dict[str, Any]:
    [found] = [o for o in objects if o["kind"] == kind and o["metadata"]["name"] == name]
    return found


def test_helms_linter_has_nothing_to_say() -> None:
    said = [each["error"] for each in helm.lint(str(CHART))["messages"]]
    assert said == ["icon is recommended"]


@pytest.mark.parametrize("version", [pytest.param(OLDEST, marks=pytest.mark.thorough), NEWEST])
def test_kubernetes_takes_every_object(full: Objects, version: str) -> None:
    for each in full:
        schemas.validate(each, version, strict=True)
    misspelt = {**full[0], "spek": {}}
    with pytest.raises(schemas.ValidationError):
        schemas.validate(misspelt, version, strict=True)


def test_a_plain_installation_has_every_part_and_nothing_more(plain: Objects) -> None:
    pods = pods_of(plain)
    assert pods.keys() == {*PARTS, "migration"}
    for name in PARTS:
        [container] = pods[name]["containers"]
        assert container["args"] == ["actionsight", "serve", name]
    kinds = {each["kind"] for each in plain}
    assert not kinds & {"Ingress", "Role", "ServiceAccount", "Secret"}
    once = [o for o in plain if o["kind"] == "Deployment" and o["spec"]["replicas"] == 1]
    assert {o["spec"]["strategy"]["type"] for o in once} == {"Recreate"}


def test_every_pod_is_locked(full: Objects) -> None:
    pods = pods_of(full)
    assert pods.keys() == {*PARTS, "migration", "worker"}
    for name, pod in pods.items():
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["securityContext"]["runAsUser"] == 10001, name
        # Else ACTIONSIGHT_API_PORT would be the address of a Service.
        assert pod["enableServiceLinks"] is False, name
        # Dagster's two start Jobs.
        asks_kubernetes = KINDS.get(name) == DAGSTER
        assert pod["automountServiceAccountToken"] is asks_kubernetes, name
        [container] = pod["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {"/tmp", "/var/lib/actionsight"} <= {  # noqa: S108 as the image has it
            mount["mountPath"] for mount in container["volumeMounts"]
        }


def test_every_pod_is_told_the_secrets_of_its_kind_and_settings_that_there_are(
    full: Objects,
) -> None:
    shared = named(full, "ConfigMap")["data"]
    names = {setting.name for setting in SETTINGS}
    for part, pod in pods_of(full).items():
        [container] = pod["containers"]
        secret, plain = {}, {}
        for each in container["env"]:
            if "valueFrom" in each:
                reference = each["valueFrom"]["secretKeyRef"]
                assert reference["key"] == each["name"]
                secret[each["name"]] = reference
            else:
                plain[each["name"]] = each["value"]
        assert secret.keys() == secrets_of(KINDS["migrate" if part == "migration" else part]), part
        assert plain.keys() <= names
        assert not plain.keys() & {s.name for s in SETTINGS if s.secret}
    assert shared.keys() <= names
    load(environ={**shared, "ACTIONSIGHT_HOST": "0.0.0.0"})  # noqa: S104 nothing listens there
    # The hook comes before the ConfigMap.
    migration = pods_of(full)["migration"]["containers"][0]
    assert "envFrom" not in migration
    assert {e["name"]: e["value"] for e in migration["env"] if "value" in e} == shared


def test_probes_ask_under_a_name_that_is_answered(full: Objects) -> None:
    for part, pod in pods_of(full).items():
        [container] = pod["containers"]
        probes = [container.get(f"{kind}Probe") for kind in ("startup", "liveness", "readiness")]
        for probe in filter(None, probes):
            if "httpGet" in probe:
                assert probe["httpGet"]["httpHeaders"] == [{"name": "Host", "value": "localhost"}]
            elif "exec" in probe:
                assert probe["exec"]["command"] == ["actionsight", "check", part]
                assert probe["timeoutSeconds"] >= 10, "it imports Dagster"
            else:
                assert probe["grpc"] == {"port": 4000, "service": "DagsterApi"}


def test_dagsters_pages_listen_on_loopback_unless_they_are_exposed(
    plain: Objects, full: Objects
) -> None:
    def listens_at(objects: Objects) -> str:
        [container] = pods_of(objects)["dagster-webserver"]["containers"]
        [host] = [e["value"] for e in container["env"] if e["name"] == "ACTIONSIGHT_DAGSTER_HOST"]
        return str(host)

    assert listens_at(plain) == "127.0.0.1"
    assert listens_at(full) == "0.0.0.0"  # noqa: S104 nothing listens there
    services = {each["metadata"]["name"] for each in plain if each["kind"] == "Service"}
    assert services == {f"demo-actionsight-{part}" for part in ("api", "receiver", "code-server")}


def test_dagsters_two_alone_reach_the_code_server(plain: Objects) -> None:
    shared = named(plain, "ConfigMap")["data"]
    assert shared["ACTIONSIGHT_CODE_SERVER"] == "demo-actionsight-code-server:4000"
    policies = {o["metadata"]["name"]: o["spec"] for o in plain if o["kind"] == "NetworkPolicy"}
    assert "ingress" not in policies["demo-actionsight"]
    [opened] = policies["demo-actionsight-open"]["podSelector"]["matchExpressions"]
    assert opened["values"] == ["api", "receiver"]
    [rule] = policies["demo-actionsight-code-server"]["ingress"]
    [source] = rule["from"]
    assert source["podSelector"]["matchExpressions"][0]["values"] == [
        *("dagster-webserver", "dagster-daemon")
    ]


def test_the_way_of_webhooks_ends_at_the_receiver(full: Objects) -> None:
    [rule] = named(full, "Ingress")["spec"]["rules"]
    assert rule["host"] == "actions.example"
    assert [(p["path"], p["backend"]["service"]["name"]) for p in rule["http"]["paths"]] == [
        ("/webhooks/github", "demo-actionsight-receiver"),
        ("/", "demo-actionsight-api"),
    ]


def test_runs_as_jobs_are_told_what_the_shipped_file_tells(full: Objects) -> None:
    mounted = named(full, "ConfigMap", "demo-actionsight-dagster")["data"]["kubernetes.yaml"]
    told = yaml.safe_load(mounted)
    shipped = yaml.safe_load((ROOT / "orchestration/launchers/kubernetes.yaml").read_text())
    for section in ("run_monitoring", "run_retries"):
        assert told[section] == shipped[section]
    ours, theirs = told["run_launcher"]["config"], shipped["run_launcher"]["config"]
    checked = process_config(resolve_to_config_type(LiveK8sRunLauncher.config_type()), ours)
    assert checked.success, checked.errors

    def names(variables: list[str]) -> set[str]:
        return {each.partition("=")[0] for each in variables}

    assert names(ours["env_vars"]) == names(theirs["env_vars"])
    # Single secrets in place of all of them.
    assert theirs.keys() - ours.keys() == {"env_secrets"}
    container = ours["run_k8s_config"]["container_config"]
    assert {e["name"] for e in container["env"]} == secrets_of(KINDS["code-server"])
    pod = ours["run_k8s_config"]["pod_spec_config"]
    assert pod["enable_service_links"] is False
    role = named(full, "Role", "demo-actionsight-dagster")
    assert not [rule for rule in role["rules"] if "*" in str(rule) or "secrets" in str(rule)]


@pytest.mark.parametrize(
    "values",
    [
        {"ingress": {"enabled": True}},
        {"publicUrl": "http://actions.example"},
        {"replicas": 2},
        {"runs": {"launcher": "celery"}},
        {"settings": {"REPOSITORIES": "octo/app"}},
        {"settings": {"ACTIONSIGHT_PUBLIC_URL": "https://actions.example"}},
        {"api": {"replicas": 0}},
    ],
    ids=str,
)
def test_values_that_mean_nothing_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(helm.HelmError):
        rendered(values)


def test_versions_agree() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert chart["appVersion"] == version
    assert re.fullmatch(rf">={re.escape(OLDEST)}\.0-0", chart["kubeVersion"])
