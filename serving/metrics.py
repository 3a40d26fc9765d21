"""What the gateway does in; what Prometheus reads at `/metrics` out."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest

SECONDS = (0.1, 0.25, 0.5, 1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """What `/metrics` counts."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.answers = Counter(
            "lorekeeper_answers_total", "Answers by level", ["level"], registry=self.registry
        )
        self.thumbs = Gauge(
            "lorekeeper_feedback", "Thumbs on answers", ["thumb"], registry=self.registry
        )
        self.first_text = Histogram(
            "lorekeeper_first_text_seconds",
            "Seconds from the question to the first piece of text",
            registry=self.registry,
            buckets=SECONDS,
        )
        self.waited = Histogram(
            "lorekeeper_queue_seconds",
            "Seconds that a question waited for its turn",
            registry=self.registry,
            buckets=SECONDS,
        )
        self.waiting = Gauge(
            "lorekeeper_questions_waiting", "Questions in the queue", registry=self.registry
        )
        self.answering = Gauge(
            "lorekeeper_questions_answering", "Questions being answered", registry=self.registry
        )
        self.refusals = Counter(
            "lorekeeper_refusals_total", "Requests refused", ["reason"], registry=self.registry
        )
        self.tokens = Counter(
            "lorekeeper_tokens_total",
            "Tokens that the engine and the embedder read and wrote",
            ["kind"],
            registry=self.registry,
        )

    def page(self) -> bytes:
        return generate_latest(self.registry)
