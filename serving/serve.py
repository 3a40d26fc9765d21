"""Settings in; the engine, the index, the adapters and the gateway running together out."""

from __future__ import annotations

import signal
import sys
import threading
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import structlog
import uvicorn
from sqlalchemy import Engine

from lorekeeper import engines, identity, models, store
from lorekeeper.artifacts import ArtifactStore
from lorekeeper.domain import Adapter
from lorekeeper.errors import LorekeeperError
from lorekeeper.settings import Settings
from lorekeeper.store import deployments, reading
from retrieval import embed
from retrieval.documents.web import Follower
from retrieval.refresh import Refresher
from serving import engine, fit, gateway
from serving.adapters import Keeper
from serving.assistant import Assistant
from serving.connection import Bounded
from serving.plan import slots
from serving.sharing import Sharing
from serving.traffic import Traffic

log = structlog.get_logger(__name__)


SWITCH = 0.0005  # seconds that a thread may keep the others from running


def run(settings: Settings) -> None:
    """Serve until SIGTERM or Ctrl-C; everything that was started ends with it."""
    # The loop that passes on the words of all answers waits that long for a search that computes.
    sys.setswitchinterval(SWITCH)
    database = store.open_database(settings.database_url)
    traffic = Traffic()
    try:
        with _sharing(settings, database, traffic) as sharing:
            _serve(settings, database, traffic, sharing)
    finally:
        database.dispose()


def _sharing(
    settings: Settings, database: Engine, traffic: Traffic
) -> AbstractContextManager[Sharing | None]:
    """Whether and how a run may have the engine's memory."""
    if not engines.shares_card(settings):
        return nullcontext()
    silence = settings.train.lease_seconds
    return Sharing(database, traffic, drain=settings.serving.drain_seconds, silence=silence)


def _serve(settings: Settings, database: Engine, traffic: Traffic, sharing: Sharing | None) -> None:
    artifacts = ArtifactStore(settings.store.data)
    with reading(database) as db:
        held, whole = deployments.to_hold(db), deployments.whole(db)
    folder, whole = _runnable(whole, artifacts)
    asleep = sharing is not None and sharing.is_asleep
    running = engine.start(settings, settings.store.data, held, model=folder, asleep=asleep)
    watch = threading.Thread(target=running.keep_up, name="engine")
    watch.start()
    try:
        if sharing is not None:
            sharing.follow(running)
        embedder = embed.load(settings.models.embedder_name, settings.store.data)
        keeper = Keeper(
            database,
            artifacts,
            engine_url=running.url,
            base=_base(settings, slots(settings, held).rank),
            traffic=traffic,
            run=running.run,
            whole=whole,
            drain=settings.serving.drain_seconds,
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
                speak=traffic.speak,
                relay=traffic.relay,
                no_tools=running.no_tools,
            )

            def missing() -> dict[str, str]:
                rests = sharing is not None and sharing.is_asleep  # answers are the sources alone
                found = (
                    {}
                    if rests or running.is_up()
                    else {"engine": f"{running.url} does not answer."}
                )
                if not index.status.looked_at:
                    found["index"] = index.status.error or "It is being read for the first time."
                return found

            def health() -> dict[str, Any]:
                return {
                    "status": "ok" if running.is_up() else "degraded",
                    "engine": running.kind,
                    "asleep": sharing.why() if sharing is not None and sharing.is_asleep else "",
                    "model": models.base_spec(settings),
                    "adapter": keeper.served.called,
                    "adapters": keeper.names(),
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


def _runnable(
    whole: Adapter | None, artifacts: ArtifactStore
) -> tuple[Path | None, Adapter | None]:
    """The whole model that is deployed, with its folder. One that cannot run is left to the keeper to refuse."""
    if whole is None:
        return None, None
    try:
        return fit.whole(whole, artifacts), whole
    except LorekeeperError as error:
        log.error("not served", adapter=whole.name, what=error.what)
        return None, None


def _base(settings: Settings, rank: int) -> fit.Base:
    """What adapters must fit. An engine elsewhere has a model that need not lie on this machine."""
    spec = models.base_spec(settings)
    if settings.serving.engine_url:
        return fit.Base(name=spec, max_rank=rank)
    folder = models.get(spec, settings.store.data)
    return fit.Base(name=spec, identity=identity.of(folder, settings.store.data), max_rank=rank)


def _listen(app: Any, settings: Settings) -> None:
    """uvicorn ends in good order on SIGTERM and SIGINT; what is being answered is finished."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    serving = settings.serving
    try:
        uvicorn.run(
            app,
            host=serving.gateway_host,
            port=serving.gateway_port,
            http=Bounded,
            log_level="warning",
            timeout_graceful_shutdown=5,
        )
    except KeyboardInterrupt:
        log.info("stopped")
