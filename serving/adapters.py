"""What is deployed in; the adapters loaded into the running engine, without a restart and without mixing two, out."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog
from sqlalchemy import Engine

from lorekeeper.artifacts import ArtifactStore
from lorekeeper.domain import BASE_NAME, Adapter, AdapterKind, Deployment
from lorekeeper.errors import BadInput, LorekeeperError, NotReachable
from lorekeeper.store import adapters, deployments, reading
from serving import chat, fit, loading
from serving.traffic import Traffic

log = structlog.get_logger(__name__)

LOOK = 0.25  # seconds between two looks at what is deployed
OURSELVES = "adapters"  # among those for whom the engine is there
DRAIN = 60.0  # seconds
GRACE = 2.0  # seconds that who was given an adapter's name may take to ask the engine with it


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What answers now: the engine's name for it, and what people call it."""

    name: str = BASE_NAME
    called: str = BASE_NAME
    deployment_id: int | None = None


Run = Callable[[Path | None, threading.Event], None]
"""As `serving.engine.RunningEngine.run`."""


def _not_ours(_model: Path | None, _given_up: threading.Event) -> None:
    raise BadInput("Nothing can run another model here.", fix="Let `lore serve` start the engine.")


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
        run: Run = _not_ours,
        whole: Adapter | None = None,
        drain: float = DRAIN,
        grace: float = GRACE,
    ) -> None:
        """`run` runs another model in the engine, which was started with `whole` in the base's place.

        `drain`: seconds that answers may go on before that.
        """
        self._database = database
        self._artifacts = artifacts
        self._url = engine_url
        self._base = base
        self._traffic = traffic
        self._run = run
        self._whole = whole
        self._drain = drain
        self._grace = grace
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        # Deployments, and names of adapters beside; the next process tries them again.
        self._refused: set[int | str] = set()
        self._beside: dict[str, str] = {}  # channels' own and the candidate: name, engine's name
        self._leaving: dict[str, float] = {}  # engine's names that nobody is given any more: since
        self._tried: dict[str, str] = {}  # engine's names: what the canary heard
        self.served = _instead_of_the_base(whole)

    def model(self, wanted: str | None = None) -> tuple[str, str]:
        """The engine's name for an adapter, and what people call it; None: for what is current.

        One that is not loaded keeps its own name: the engine says that it does not serve it. While a whole
        model runs, it answers in the place of the base and of all adapters of the base.
        """
        served = self.served
        if wanted is None or wanted == served.called or self._whole is not None:
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
                wanted, adapter = self._wanted()
                if self._runs(_whole(adapter)):
                    self._bring_in_step(wanted, adapter)
                    return
        except chat.EngineFailed:
            return  # it makes room for a run, and gets what is deployed when it wakes
        self._change_base()

    def _runs(self, whole: Adapter | None) -> bool:
        """Whether the engine runs this model; None: the base."""
        return (self._whole and self._whole.id) == (whole and whole.id)

    def _change_base(self) -> None:
        """Run the whole model that is deployed, or the base again; answers are the sources alone meanwhile.

        What cannot be run, or says nothing, is noted, and what was deployed before it is run again.
        """
        try:
            wanted, adapter = self._wanted()
            while not (self._stop.is_set() or self._runs(whole := _whole(adapter))):
                self._run_instead(whole, wanted)
                wanted, adapter = self._wanted()
                if self._runs(_whole(adapter)):
                    self._bring_in_step(wanted, adapter)
                    wanted, adapter = self._wanted()
        finally:
            self._traffic.open(OURSELVES)

    def _run_instead(self, whole: Adapter | None, wanted: Deployment | None) -> None:
        try:
            folder = fit.whole(whole, self._artifacts) if whole else None
            self._traffic.close(OURSELVES, _changing(wanted))
            self._traffic.wait_until_quiet(self._drain)
            self._forget_loaded(whole)
            self._run(folder, self._stop)
            self.served = _instead_of_the_base(whole)
        except LorekeeperError as error:
            if whole is None or wanted is None:
                log.error(
                    "the base does not come up", what=error.what
                )  # its supervisor goes on trying
            elif not self._stop.is_set():
                self._refuse(wanted, error.what)

    def _forget_loaded(self, whole: Adapter | None) -> None:
        """Another model in the engine: no adapter is in it, and what did not fit before is tried anew."""
        self._whole = whole
        self._beside.clear()
        self._leaving.clear()
        self._tried.clear()
        self._refused = {each for each in self._refused if isinstance(each, int)}

    def _bring_in_step(self, wanted: Deployment | None, adapter: Adapter | None) -> None:
        there = loading.names(self._url)
        if BASE_NAME not in there:
            return  # it does not answer; what is deployed is loaded when it does
        name = engine_name(adapter) if adapter and not self._whole else BASE_NAME
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
            self._let_leave(name)
            self._refuse(wanted, error.what)
            return
        is_new = wanted.id != self.served.deployment_id
        self._move(Served(name=name, called=wanted.adapter, deployment_id=wanted.id))
        if is_new:
            with self._database.begin() as db:
                deployments.loaded(db, wanted.id, canary=said)
        log.info("serving", adapter=wanted.adapter, said=len(said))

    def _refuse(self, wanted: Deployment, what: str) -> None:
        self._refused.add(wanted.id)
        log.error("not served", adapter=wanted.adapter, what=what)
        with self._database.begin() as db:
            deployments.failed(db, wanted.id, what)

    def _move(self, to: Served) -> None:
        """One assignment: an answer that begins before it is written by the old one to its end."""
        before, self.served = self.served, to
        if before.name != to.name:
            self._let_leave(before.name)

    def _let_leave(self, name: str) -> None:
        if name != BASE_NAME:
            self._leaving.setdefault(name, time.monotonic())

    def _keep_beside(self, there: frozenset[str]) -> None:
        """The adapters that channels chose for themselves, and the candidate, beside the current one.

        None beside a whole model: they were trained on the base.
        """
        with reading(self._database) as db:
            held = deployments.to_hold(db) if self._whole is None else []
        wanted = {each.name: each for each in held if each.name != self.served.called}
        for gone in self._beside.keys() - wanted.keys():
            self._let_leave(self._beside.pop(gone))
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
                self._let_leave(name)
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

    def __exit__(self, *_: object) -> None:
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


def _whole(adapter: Adapter | None) -> Adapter | None:
    """The adapter, where it is a whole model."""
    return adapter if adapter and adapter.kind is AdapterKind.MODEL else None


def _instead_of_the_base(whole: Adapter | None) -> Served:
    return Served(called=whole.name) if whole else Served()


def _changing(to: Deployment | None) -> Callable[[], str]:
    name = to.adapter if to else BASE_NAME
    return lambda: f"The model is being changed to {name}, and is back as soon as that has started."


def engine_name(adapter: Adapter) -> str:
    """A name with the content's hash, so that one name never means two adapters."""
    return f"{adapter.name}-{adapter.hash[:8]}"
