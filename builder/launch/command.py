"""A run in; the command that computes it, in one process or in many on many nodes, out."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from lorekeeper.domain import Run
from lorekeeper.settings import Launch, Settings

PORT = 29_500  # where the first node's first process listens, as torchrun's default


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """Which of several nodes a command is for. A shell may fill the fields in on the node itself."""

    rank: str = "0"
    first: str = "127.0.0.1"  # the host of the node with rank 0
    port: str = str(PORT)


def argv(
    run: Run, worker: str, launch: Launch, *, python: str, node: Node | None = None
) -> list[str]:
    """`python -m builder.train RUN WORKER`, below `accelerate launch` where there are several processes."""
    train = ["-m", "builder.train", str(run.id), worker]
    if launch.processes * launch.nodes == 1:
        return [python, *train]
    return [
        python,
        "-m",
        "accelerate.commands.launch",
        *_accelerate(launch, node or Node()),
        *train,
    ]


def job_name(run: Run, settings: Settings) -> str:
    """The name of a run's job, the same at each attempt, and another one in each installation."""
    here = hashlib.sha256(str(settings.store.data.resolve()).encode()).hexdigest()[:8]
    return f"lorekeeper-{here}-{run.id}"


def _accelerate(launch: Launch, node: Node) -> list[str]:
    """Everything that `accelerate launch` would otherwise ask its own configuration file on that node."""
    flags = {
        "num_processes": str(launch.processes * launch.nodes),
        "num_machines": str(launch.nodes),
        "mixed_precision": "no",  # the recipe's own compute type holds
        "dynamo_backend": "no",
    }
    if launch.nodes > 1:
        flags |= {
            "machine_rank": node.rank,
            "main_process_ip": node.first,
            "main_process_port": node.port,
            "rdzv_backend": "static",
        }
    else:
        flags["main_process_port"] = "0"  # any that is free
    # Data parallelism, on processors as well: there torch chooses gloo.
    return [
        "--multi_gpu",
        *(word for name, value in flags.items() for word in (f"--{name}", value)),
    ]
