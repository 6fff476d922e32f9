"""GET /metrics, read by Prometheus' own parser."""

from dataclasses import dataclass
from typing import Any

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from tests.api.client import ValidatingClient


@dataclass(frozen=True)
class Exposition:
    """The families of a scrape, by name; a counter's family has no `_total`."""

    families: dict[str, Any]

    @property
    def samples(self) -> list[Sample]:
        return [sample for family in self.families.values() for sample in family.samples]

    @property
    def names(self) -> set[str]:
        return {sample.name for sample in self.samples}

    def value(self, name: str, **labels: str) -> float | None:
        """The value of the one series with these labels; None: there is none."""
        found = [
            sample.value
            for sample in self.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        ]
        assert len(found) <= 1, found
        return found[0] if found else None

    def by(self, name: str, label: str) -> dict[str, float]:
        """The values of a name by one of its labels."""
        return {s.labels[label]: s.value for s in self.samples if s.name == name}


def parse(text: str) -> Exposition:
    """Families of an exposition; fails where a series comes twice, or a family has no help."""
    families = list(text_string_to_metric_families(text))
    assert len({family.name for family in families}) == len(families)
    exposition = Exposition({family.name: family for family in families})
    series = [(sample.name, *sorted(sample.labels.items())) for sample in exposition.samples]
    assert len(set(series)) == len(series)
    assert all(family.documentation for family in families)
    return exposition


def scrape(client: ValidatingClient, headers: dict[str, str] | None = None) -> Exposition:
    """What a scrape that must succeed gives."""
    response = client.get("/metrics", headers=headers or {})
    assert response.status_code == 200, response.text
    assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert response.headers["Cache-Control"] == "private, no-store"
    return parse(response.text)
