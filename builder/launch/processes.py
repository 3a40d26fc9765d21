"""Several processes of one run in; the same training in all of them, and everything else in the first alone, out.

The first process plans, reads, judges and writes, as it would alone. The others do what it tells them:
`tell` names a function and its arguments, `follow` calls it. torchrun, which `accelerate launch` starts,
tells each process which one it is by environment variables.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from datetime import timedelta
from functools import cache
from typing import Any, NoReturn

from lorekeeper import hardware
from lorekeeper import settings as config
from lorekeeper.domain import Progress
from lorekeeper.errors import BadInput

PATIENCE = timedelta(days=30)  # the others wait while the first one plans, or judges


def count() -> int:
    """How many processes train this run, on all machines."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_main() -> bool:
    return int(os.environ.get("RANK", "0")) == 0


def is_sharded() -> bool:
    """Whether the processes share the base model out among them (`LORE_LAUNCH__SHARDED`)."""
    return count() > 1 and config.load().launch.sharded


def share(batch_size: int, accumulation: int) -> tuple[int, int]:
    """Rows at once and batches a step, for each process, so that a step learns the same rows as in one.

    Raises:
        BadInput: they cannot be shared out among the processes.
    """
    rows, processes = batch_size * accumulation, count()
    if rows % processes:
        raise BadInput(
            f"A step of {rows} rows cannot be shared out among {processes} processes.",
            fix=f"Set batch_size times accumulation to a multiple of {processes}.",
        )
    each = rows // processes
    size = max(size for size in range(1, min(batch_size, each) + 1) if each % size == 0)
    return size, each // size


def tell(work: Callable[..., object], *arguments: object) -> None:
    """Let the other processes call `work` with the arguments; nothing where there is only this one.

    What is told must be importable and can be pickled.
    """
    if count() > 1 and is_main():
        same((work, arguments))


def follow() -> None:
    """Do what the first process tells, until it says that all is done."""
    while order := same(None):
        work, arguments = order
        work(*arguments)


def meet() -> None:
    """Wait until every process has come here."""
    if count() > 1:
        import torch.distributed as torch_distributed

        torch_distributed.barrier(group=_words())


def silent(progress: Progress) -> NoReturn:
    """Only the first process reports."""
    raise AssertionError(f"a process beside the first one reports {progress}")


def dismiss() -> None:
    """All is done: the other processes may end."""
    if count() > 1:
        import torch.distributed as torch_distributed

        if is_main():
            same(None)
        # A group that something holds beyond this would end its threads after Python has ended, and abort.
        _words.cache_clear()
        gc.collect()
        torch_distributed.destroy_process_group()


def same(value: Any) -> Any:
    """What the first process calls this with, in all of them. It can be pickled, and is none of the large tensors."""
    if count() == 1:
        return value
    import torch.distributed as torch_distributed

    held = [value]
    torch_distributed.broadcast_object_list(held, src=0, group=_words())
    return held[0]


@cache
def _words() -> Any:
    """A group for words alone: tensors go through the default one, whose patience is shorter."""
    import torch.distributed as torch_distributed
    from accelerate import PartialState

    PartialState(cpu=not hardware.gpus())
    return torch_distributed.new_group(backend="gloo", timeout=PATIENCE)
