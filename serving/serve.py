"""Settings in; the engine, the index, the adapters and the gateway running together out."""

from __future__ import annotations

import signal
import sys
import threading
from typing import Any

import structlog
import uvicorn

from lorekeeper import models, store
from lorekeeper.artifacts import ArtifactStore
from lorekeeper.settings import Settings
from retrieval import embed
from retrieval.refresh import Refresher
from retrieval.web import Follower
from serving import engine, gateway
from serving.adapters import Keeper
from serving.assistant import Assistant

log = structlog.get_logger(__name__)


SWITCH = 0.0005  # seconds that a thread may keep the others from running


def run(settings: Settings) -> None:
    """Serve until SIGTERM or Ctrl-C; everything that was started ends with it."""
    # A search that goes in and out of native code waits that long for every thread that streams.
    sys.setswitchinterval(SWITCH)
    database = store.open_database(settings.database_url)
    artifacts = ArtifactStore(settings.store.data)
    running = engine.start(settings, settings.store.data)
    log.info("engine is up", kind=running.kind, url=running.url)
    watch = threading.Thread(target=running.keep_up, name="engine")
    watch.start()
    try:
        embedder = embed.load(settings.models.embedder, settings.store.data)
        keeper = Keeper(
            database,
            artifacts,
            engine_url=running.url,
            base_model=models.base_spec(settings),
        )
        with (
            Follower(settings),
            Refresher(database, settings, embedder, artifacts) as index,
            keeper,
        ):
            assistant = Assistant(
                search=index,
                engine_url=running.url,
                model=keeper.model,
                retrieval=settings.retrieval,
                serving=settings.serving,
            )

            def missing() -> dict[str, str]:
                found = {} if running.is_up() else {"engine": f"{running.url} does not answer."}
                if not index.status.looked_at:
                    found["index"] = index.status.error or "It is being read for the first time."
                return found

            def health() -> dict[str, Any]:
                return {
                    "status": "ok" if running.is_up() else "degraded",
                    "engine": running.kind,
                    "model": models.base_spec(settings),
                    "adapter": keeper.served.called,
                    "index": {
                        "passages": len(index.index),
                        "looked_at": index.status.looked_at,
                        "error": index.status.error,
                    },
                }

            key = settings.serving.gateway_key.get_secret_value()
            behind = gateway.Behind(
                health=health, missing=missing, adapters=keeper.names, embedder=embedder
            )
            _listen(gateway.create(assistant, database, key=key, behind=behind), settings)
    finally:
        running.stop()
        watch.join()
        database.dispose()


def _listen(app: Any, settings: Settings) -> None:
    """uvicorn ends in good order on SIGTERM and SIGINT; what is being answered is finished."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    serving = settings.serving
    try:
        uvicorn.run(
            app,
            host=serving.gateway_host,
            port=serving.gateway_port,
            log_level="warning",
            timeout_graceful_shutdown=5,
        )
    except KeyboardInterrupt:
        log.info("stopped")
