"""What is deployed in; the adapter loaded into the running engine, without a restart, out."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import httpx2
import structlog
from sqlalchemy import Connection, Engine

from lorekeeper.artifacts import ArtifactStore
from lorekeeper.domain import BASE_NAME, Adapter, Deployment
from lorekeeper.errors import BadInput, LorekeeperError, NotReachable
from lorekeeper.store import adapters, deployments, reading, ways

log = structlog.get_logger(__name__)

LOOK = 1.0  # seconds between two looks at what is deployed
LOAD = 300.0  # seconds that the engine may take to load an adapter


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What answers now: the engine's name for it, and what people call it."""

    name: str = BASE_NAME
    called: str = BASE_NAME
    deployment_id: int | None = None


class Keeper:
    """Follows the deployments, and keeps the engine in step. What serves goes on until the next is in."""

    def __init__(
        self, database: Engine, artifacts: ArtifactStore, *, engine_url: str, base_model: str
    ) -> None:
        self._database = database
        self._artifacts = artifacts
        self._url = engine_url
        self._base_model = base_model
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._refused: set[int] = set()  # deployments; the next process tries them again
        self._beside: dict[str, str] = {}  # a channel's own adapter: its name, and the engine's
        self.served = Served()

    def model(self, wanted: str | None = None) -> tuple[str, str]:
        """The engine's name for an adapter, and what people call it; None: for what is current.

        One that is not loaded keeps its own name: the engine says that it does not serve it.
        """
        if wanted is None:
            return self.served.name, self.served.called
        if wanted == self.served.called:
            return self.served.name, wanted
        return self._beside.get(wanted, wanted), wanted

    def names(self) -> list[str]:
        """The adapters that are loaded, by the names that `model` takes."""
        return sorted({self.served.called, *self._beside} - {BASE_NAME})

    def look(self) -> None:
        """Bring the engine in step with the newest deployment, once."""
        if not self._is_loaded(BASE_NAME):
            return  # it does not answer; what is deployed is loaded when it does
        wanted, adapter = self._wanted()
        name = engine_name(adapter) if adapter else BASE_NAME
        if wanted is None:
            self.served = Served()
        elif wanted.id != self.served.deployment_id or not self._is_loaded(name):
            self._change(wanted, adapter, name)
        self._keep_beside()

    def _keep_beside(self) -> None:
        """The adapters that channels chose for themselves, beside the current one."""
        with reading(self._database) as db:
            chosen = ways.adapters(db)
            made = {one.name: one for one in adapters.all(db) if one.name in chosen}
        for gone in self._beside.keys() - made.keys():
            name = self._beside.pop(gone)
            if name != self.served.name:
                self._unload(name)
        for called, adapter in made.items():
            name = engine_name(adapter)
            try:
                if not self._is_loaded(name):
                    self._load(adapter, name)
                self._beside[called] = name
            except LorekeeperError as error:
                self._beside.pop(called, None)
                log.error("a channel's adapter is not loaded", adapter=called, what=error.what)

    def _wanted(self) -> tuple[Deployment | None, Adapter | None]:
        """The newest deployment that this process has not seen refused."""
        with reading(self._database) as db:
            newest = deployments.history(db, limit=None)
            wanted = next((each for each in newest if each.id not in self._refused), None)
            if wanted is None or wanted.adapter_id is None:
                return wanted, None
            return wanted, adapters.get(db, wanted.adapter_id)

    def _change(self, wanted: Deployment, adapter: Adapter | None, name: str) -> None:
        before = self.served
        try:
            if adapter is not None and not self._is_loaded(name):
                self._load(adapter, name)
        except NotReachable as error:
            log.warning("adapter not loaded yet", adapter=wanted.adapter, what=error.what)
            return
        except LorekeeperError as error:
            self._refused.add(wanted.id)
            log.error("adapter not loaded", adapter=wanted.adapter, what=error.what)
            with self._database.begin() as db:
                deployments.failed(db, wanted.id, error.what)
            return
        self.served = Served(name=name, called=wanted.adapter, deployment_id=wanted.id)
        if wanted.loaded_at is None or wanted.error is not None:
            with self._database.begin() as db:
                deployments.loaded(db, wanted.id)
        log.info("serving", adapter=wanted.adapter)
        if before.name not in {BASE_NAME, name, *self._beside.values()}:
            self._unload(before.name)

    def _load(self, adapter: Adapter, name: str) -> None:
        if adapter.base_model != self._base_model:
            raise BadInput(
                f"{adapter.name} was trained on {adapter.base_model}, and {self._base_model} is served.",
                fix="Train on the model that is served, or set LORE_MODELS__BASE back.",
            )
        folder: Path = self._artifacts.open(adapter.folder)
        body = {"lora_name": name, "lora_path": str(folder.absolute())}
        answer = self._post("/v1/load_lora_adapter", body)
        if not answer.is_success or not self._is_loaded(name):
            raise BadInput(
                f"The engine refused {adapter.name}: {answer.text[:300]}",
                fix="`lore rollback` goes back; the engine's log says more.",
            )

    def _unload(self, name: str) -> None:
        """An answer that is being written with it ends first: both engines see to that."""
        try:
            self._post("/v1/unload_lora_adapter", {"lora_name": name})
        except NotReachable as error:
            log.warning("adapter not unloaded", adapter=name, what=error.what)

    def _is_loaded(self, name: str) -> bool:
        try:
            answer = httpx2.get(f"{self._url}/v1/models", timeout=5.0, trust_env=False)
        except httpx2.HTTPError:
            return False
        return answer.is_success and name in {entry["id"] for entry in answer.json()["data"]}

    def _post(self, path: str, body: dict[str, str]) -> httpx2.Response:
        try:
            return httpx2.post(f"{self._url}{path}", json=body, timeout=LOAD, trust_env=False)
        except httpx2.HTTPError as error:
            raise NotReachable(
                f"The engine does not answer: {error}.", fix="`lore doctor` says what runs."
            ) from error

    def __enter__(self) -> Keeper:
        self._thread = threading.Thread(target=self._follow, name="adapters")
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _follow(self) -> None:
        while not self._stop.is_set():
            try:
                self.look()
            except Exception:
                log.exception("following the deployments failed")
            self._stop.wait(LOOK)


def engine_name(adapter: Adapter) -> str:
    """A name with the content's hash, so that one name never means two adapters."""
    return f"{adapter.name}-{adapter.hash[:8]}"


def promote(db: Connection, name: str, *, by: str, why: str) -> Deployment:
    """Serve this adapter (`base`: none) from now on. Raises NotFound."""
    if name == BASE_NAME:
        return deployments.deploy(db, adapter_id=None, by=by, why=why)
    adapter = adapters.by_name(db, name)
    return deployments.deploy(db, adapter_id=adapter.id, by=by, why=why)
