"""The gateway's page names every scope, path, metric and reason of a refusal that the code has."""

from __future__ import annotations

from pathlib import Path

from prometheus_client.exposition import generate_latest

from lorekeeper.domain import KeyScope
from serving.metrics import Metrics
from serving.refusals import Busy, Refusal
from serving.wire import About

PAGE = (Path(__file__).parent.parent / "docs/gateway.md").read_text(encoding="utf-8")


def test_every_scope_is_explained():
    assert [scope for scope in KeyScope if f"| `{scope}` |" not in PAGE] == []


def test_every_field_of_ours_in_a_request_is_explained():
    assert [name for name in About.model_fields if f"`{name}`" not in PAGE] == []


def test_every_metric_is_explained():
    page = generate_latest(Metrics().registry).decode()
    names = {line.split()[2] for line in page.splitlines() if line.startswith("# TYPE")}
    assert names
    counted = {name for name in names if not name.endswith("_created")}
    assert [name for name in counted if name not in PAGE] == []


def test_every_reason_of_a_refusal_is_explained():
    reasons = {kind.reason for kind in (*Refusal.__subclasses__(), *Busy.__subclasses__())}
    assert {"key", "queue"} <= reasons
    assert [reason for reason in reasons if f"`{reason}`" not in PAGE] == []
