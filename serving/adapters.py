"""What is deployed in; the adapters loaded into the running engine, without a restart and without mixing two, out."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from types import TracebackType

import structlog
from sqlalchemy import Engine

from lorekeeper.artifacts import ArtifactStore
from lorekeeper.domain import BASE_NAME, Adapter, Deployment
from lorekeeper.errors import LorekeeperError, NotReachable
from lorekeeper.store import adapters, deployments, reading
from serving import chat, fit, loading
from serving.traffic import Traffic

log = structlog.get_logger(__name__)

LOOK = 0.5  # seconds between two looks at what is deployed
OURSELVES = "adapters"  # among those for whom the engine is there
GRACE = 2.0  # seconds that who was given an adapter's name may take to ask the engine with it


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What answers now: the engine's name for it, and what people call it."""

    name: str = BASE_NAME
    called: str = BASE_NAME
    deployment_id: int | None = None


class Keeper:
    """Follows the deployments, and keeps the engine in step. What serves goes on until the next is in."""

    def __init__(
        self,
        database: Engine,
        artifacts: ArtifactStore,
        *,
        engine_url: str,
        base: fit.Base,
        traffic: Traffic,
        grace: float = GRACE,
    ) -> None:
        self._database = database
        self._artifacts = artifacts
        self._url = engine_url
        self._base = base
        self._traffic = traffic
        self._grace = grace
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        # Deployments, and names of adapters beside; the next process tries them again.
        self._refused: set[int | str] = set()
        self._beside: dict[str, str] = {}  # channels' own and the candidate: name, engine's name
        self._leaving: dict[str, float] = {}  # engine's names that nobody is given any more: since
        self._tried: dict[str, str] = {}  # engine's names: what the canary heard
        self.served = Served()

    def model(self, wanted: str | None = None) -> tuple[str, str]:
        """The engine's name for an adapter, and what people call it; None: for what is current.

        One that is not loaded keeps its own name: the engine says that it does not serve it.
        """
        served = self.served
        if wanted is None or wanted == served.called:
            return served.name, served.called
        return self._beside.get(wanted, wanted), wanted

    def names(self) -> list[str]:
        """The adapters that are loaded, by the names that `model` takes."""
        return sorted({self.served.called, *self._beside} - {BASE_NAME})

    def is_held(self, called: str) -> bool:
        """Whether the engine still has it, also when nobody is given it any more."""
        leaving = any(name.startswith(f"{called}-") for name in self._leaving)
        return leaving or called in self.names()

    def look(self) -> None:
        """Bring the engine in step with the newest deployment, once. One that sleeps is let be."""
        try:
            with self._traffic.through(OURSELVES):
                self._bring_in_step()
        except chat.EngineFailed:
            return  # it makes room for a run, and gets what is deployed when it wakes

    def _bring_in_step(self) -> None:
        there = loading.names(self._url)
        if BASE_NAME not in there:
            return  # it does not answer; what is deployed is loaded when it does
        wanted, adapter = self._wanted()
        name = engine_name(adapter) if adapter else BASE_NAME
        if wanted is None:
            self._move(Served())
        elif wanted.id != self.served.deployment_id or name not in there:
            self._promote(wanted, adapter, name, there)
        self._keep_beside(there)
        self._let_go()

    def _wanted(self) -> tuple[Deployment | None, Adapter | None]:
        """The newest deployment that this process has not seen refused."""
        with reading(self._database) as db:
            newest = deployments.history(db, limit=None)
            wanted = next((each for each in newest if each.id not in self._refused), None)
            if wanted is None or wanted.adapter_id is None:
                return wanted, None
            return wanted, adapters.get(db, wanted.adapter_id)

    def _promote(
        self, wanted: Deployment, adapter: Adapter | None, name: str, there: frozenset[str]
    ) -> None:
        """Load, try, and only then move the alias. A refusal leaves what serves serving."""
        said = ""
        try:
            if adapter is not None and name not in there:
                self._load(adapter, name)
            if wanted.id != self.served.deployment_id:
                said = self._try(name)
        except NotReachable as error:
            log.warning("adapter not loaded yet", adapter=wanted.adapter, what=error.what)
            return
        except LorekeeperError as error:
            self._refused.add(wanted.id)
            self._leaving.setdefault(name, time.monotonic())
            log.error("adapter not loaded", adapter=wanted.adapter, what=error.what)
            with self._database.begin() as db:
                deployments.failed(db, wanted.id, error.what)
            return
        is_new = wanted.id != self.served.deployment_id
        self._move(Served(name=name, called=wanted.adapter, deployment_id=wanted.id))
        if is_new:
            with self._database.begin() as db:
                deployments.loaded(db, wanted.id, canary=said)
        log.info("serving", adapter=wanted.adapter, said=len(said))

    def _move(self, to: Served) -> None:
        """One assignment: an answer that begins before it is written by the old one to its end."""
        before, self.served = self.served, to
        if before.name not in {BASE_NAME, to.name}:
            self._leaving[before.name] = time.monotonic()

    def _keep_beside(self, there: frozenset[str]) -> None:
        """The adapters that channels chose for themselves, and the candidate, beside the current one."""
        with reading(self._database) as db:
            held = deployments.to_hold(db)
        wanted = {each.name: each for each in held if each.name != self.served.called}
        for gone in self._beside.keys() - wanted.keys():
            self._leaving.setdefault(self._beside.pop(gone), time.monotonic())
        for called, adapter in wanted.items():
            name = engine_name(adapter)
            if called in self._refused:
                continue
            try:
                if name not in there:
                    self._load(adapter, name)
                self._try(name)
                self._beside[called] = name
            except NotReachable as error:
                log.warning("adapter not loaded yet", adapter=called, what=error.what)
            except LorekeeperError as error:
                self._refused.add(called)
                self._beside.pop(called, None)
                self._leaving.setdefault(name, time.monotonic())
                log.error("an adapter beside is not loaded", adapter=called, what=error.what)

    def _try(self, name: str) -> str:
        """The canary's answer; asked once, so that promoting what is held beside takes no time."""
        if name not in self._tried:
            self._tried[name] = loading.canary(self._url, name)
        return self._tried[name]

    def _load(self, adapter: Adapter, name: str) -> None:
        folder = fit.refuse(adapter, self._artifacts, self._base)
        loading.load(self._url, name, folder)

    def _let_go(self) -> None:
        """Unload what nobody is given any more, once the last answer by it has ended."""
        for name, since in list(self._leaving.items()):
            if name == self.served.name or name in self._beside.values():
                del self._leaving[name]
            elif time.monotonic() - since >= self._grace and not self._traffic.count(name):
                try:
                    loading.unload(self._url, name)
                except NotReachable as error:
                    log.warning("adapter not unloaded", adapter=name, what=error.what)
                else:
                    del self._leaving[name]
                    self._tried.pop(name, None)

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
