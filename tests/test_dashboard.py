"""The dashboard that operators import; every metric that it asks for is one that the gateway counts."""

from __future__ import annotations

import json
import re
from pathlib import Path

from prometheus_client.exposition import generate_latest

from serving.metrics import Metrics

DASHBOARD = Path(__file__).parent.parent / "deploy/grafana.json"


def test_the_dashboard_shows_what_the_gateway_counts():
    metrics = Metrics()
    metrics.answers.labels("base").inc()
    metrics.thumbs.labels("up").set(1)
    metrics.first_text.observe(0.1)
    counted = set(re.findall(r"^(\w+)", generate_latest(metrics.registry).decode(), re.MULTILINE))
    panels = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    asked = {
        name
        for panel in panels
        for target in panel["targets"]
        for name in re.findall(r"lorekeeper_\w+", target["expr"])
    }
    assert asked
    assert asked <= counted
