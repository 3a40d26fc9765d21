"""A queued run in; the run seen through by this process, with a live view in the terminal, out.

The training itself is in a child process, as under `lore worker`. Ctrl-C asks the run to stop in good
order, once; a second one ends the child, and the run goes back to the queue.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text
from sqlalchemy import Engine

from builder.plan.told import told
from builder.worker import Worker
from lorekeeper.domain import Plan, Run, RunState
from lorekeeper.errors import StaleDecision
from lorekeeper.quantities import duration, size
from lorekeeper.settings import Settings
from lorekeeper.store import reading, runs

LOOK = 0.25  # seconds between two looks at the run's row
CURVE = "▁▂▃▄▅▆▇█"
SHOWN = 48  # losses in the curve


def see_through(
    engine: Engine, settings: Settings, run_id: int, *, show: Callable[[Run], None], by: str
) -> Run:
    """Work on the run until it is over, and `show` it as it goes on; the run as it ended.

    From Python: `see_through(engine, settings, request(engine, settings, by="me").id, show=print,
    by="me")`. A worker that claims the run first does the work; then this only looks on.
    KeyboardInterrupt cancels the run in the name of `by`.
    """
    worker = Worker(engine, settings)
    with ThreadPoolExecutor(1, thread_name_prefix="run") as threads:
        working = threads.submit(_work, worker, run_id)
        try:
            try:
                return _look_on(engine, run_id, working, show)
            except KeyboardInterrupt:
                _cancel(engine, run_id, by)
                return _look_on(engine, run_id, working, show)
        finally:
            worker.stopping.set()


class View:
    """The run in the terminal: what is done, the loss so far, and what is left."""

    def __init__(self, console: Console) -> None:
        self._losses: list[float] = []
        self._step = -1
        self._live = Live(console=console, refresh_per_second=4, transient=True)

    def __enter__(self) -> View:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, run: Run) -> None:
        progress = run.progress
        if progress.loss is not None and progress.step != self._step:
            self._step = progress.step
            self._losses.append(progress.loss)
        self._live.update(drawn(run, self._losses))


def drawn(run: Run, losses: list[float]) -> RenderableType:
    """Everything that is known about a run that goes on."""
    progress = run.progress
    head = Text.assemble((f"Run {run.id} ", "bold"), f"{run.state} · {progress.stage}")
    numbers = Table.grid(padding=(0, 3))
    numbers.add_row(*(Text(name, "dim") for name, _ in _numbers(run)))
    numbers.add_row(*(Text(value) for _, value in _numbers(run)))
    lines: list[RenderableType] = [head]
    if progress.steps:
        lines.append(ProgressBar(total=progress.steps, completed=progress.step, width=SHOWN))
    lines.append(numbers)
    if len(losses) > 1:
        lines.append(Text(_curve(losses)))
    if progress.note:
        lines.append(Text(progress.note, "italic"))
    if run.cancel_requested_by:
        lines.append(Text("It stops after this step; its last checkpoint is kept."))
    else:
        lines.append(Text("Ctrl-C stops it in good order.", "dim"))
    return Group(*lines)


def plan_table(plan: Plan) -> Table:
    table = Table("", "The plan", box=None, show_header=False)
    for name, text in told(plan):
        table.add_row(Text(name, "bold"), Text(text))
    return table


def _look_on(
    engine: Engine, run_id: int, working: Future[None], show: Callable[[Run], None]
) -> Run:
    while True:
        with reading(engine) as db:
            run = runs.get(db, run_id)
        show(run)
        if run.is_over:
            return run
        if working.done():
            working.result()  # raises what ended it
        time.sleep(LOOK)


def _work(worker: Worker, run_id: int) -> None:
    """Until this run is over; no other run is begun after it."""
    while not worker.stopping.is_set():
        with reading(worker.engine) as db:
            if runs.get(db, run_id).is_over:
                return
        if not worker.work_once():
            worker.stopping.wait(LOOK)


def _cancel(engine: Engine, run_id: int, by: str) -> None:
    try:
        with engine.begin() as db:
            runs.request_cancel(db, run_id, by)
    except StaleDecision:
        return  # it ended meanwhile


def _numbers(run: Run) -> list[tuple[str, str]]:
    progress = run.progress
    told = [("step", f"{progress.step}/{progress.steps}" if progress.steps else "–")]
    if progress.loss is not None:
        told.append(("loss", f"{progress.loss:.3f}"))
    if progress.tokens_per_second is not None:
        told.append(("tokens/s", f"{progress.tokens_per_second:.0f}"))
    if progress.memory is not None:
        told.append(("memory", size(progress.memory)))
    if progress.seconds_left is not None:
        told.append(("left", duration(progress.seconds_left)))
    if run.started_at is not None:
        told.append(("running for", duration(time.time() - run.started_at)))
    return told


def _curve(losses: list[float]) -> str:
    """The losses as bars, neighbours averaged where there are more than fit."""
    width = max(1, -(-len(losses) // SHOWN))
    shown = [sum(part) / len(part) for part in _parts(losses, width)]
    low, high = min(shown), max(shown)
    span = (high - low) or 1.0
    bars = "".join(CURVE[round((one - low) / span * (len(CURVE) - 1))] for one in shown)
    return f"{bars} {low:.3f} to {high:.3f}"


def _parts(values: list[float], width: int) -> list[list[float]]:
    return [values[begin : begin + width] for begin in range(0, len(values), width)]


def ended(run: Run) -> str:
    """How the run ended, in a sentence."""
    if run.state is RunState.FAILED:
        return f"Run {run.id} failed: {run.error}"
    if run.state is RunState.CANCELLED:
        return (
            f"Run {run.id} was cancelled by {run.cancel_requested_by}. Its last checkpoint is kept."
        )
    return run.found or f"Run {run.id} is done."
