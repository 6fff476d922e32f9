"""Runs as jobs of Kubernetes: each is a pod of its own."""

from dagster_k8s.launcher import K8sRunLauncher

from orchestration.liveness import Live


class LiveK8sRunLauncher(Live, K8sRunLauncher):
    """Dagster's launcher for Kubernetes.

    Whether a pod is there is not asked: the run's lock says whether it works.
    """
