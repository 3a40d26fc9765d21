"""One process, several, several machines: what is started, and under which name."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder import launch
from builder.launch.command import Node, argv, job_name
from lorekeeper import settings as config
from lorekeeper.errors import BadInput

TRAIN = ["-m", "builder.train", "7", "w"]


def test_one_process_is_started_as_it_is(run, settings):
    assert argv(run, "w", settings().launch, python="py") == ["py", *TRAIN]


def test_several_processes_are_started_by_accelerate(run, settings):
    told = argv(run, "w", settings(processes=2).launch, python="py")
    assert told[:3] == ["py", "-m", "accelerate.commands.launch"]
    assert told[-4:] == TRAIN
    assert "--multi_gpu" in told
    assert told[told.index("--num_processes") + 1] == "2"


def test_machines_meet_at_the_first_one(run, settings):
    node = Node(rank="1", first="n0", port="2000")
    told = argv(run, "w", settings(processes=4, nodes=2).launch, python="py", node=node)
    values = {told[at]: told[at + 1] for at in range(len(told) - 1)}
    assert values["--num_processes"] == "8"
    assert values["--num_machines"] == "2"
    assert values["--machine_rank"] == "1"
    assert values["--main_process_ip"] == "n0"
    assert values["--main_process_port"] == "2000"


def test_accelerate_takes_every_flag_that_is_written(run, settings):
    """Its own parser reads the command."""
    commands = pytest.importorskip("accelerate.commands.launch")
    told = argv(run, "w", settings(processes=2, nodes=2).launch, python="py")
    parsed = commands.launch_command_parser().parse_args(told[3:])
    assert (parsed.num_processes, parsed.num_machines, parsed.machine_rank) == (4, 2, 0)
    assert parsed.training_script_args == TRAIN[2:]


def test_a_job_is_named_after_its_run_and_installation(run, settings, tmp_path: Path):
    here = job_name(run, settings())
    assert here.endswith("-7")
    elsewhere = config.Settings(store=config.Store(data=tmp_path / "other"))
    assert job_name(run, elsewhere) != here


@pytest.mark.parametrize("launcher", ["slurm", "kubernetes"])
def test_a_job_elsewhere_needs_a_database_that_it_reaches(launcher, data: Path):
    rules = config.Settings(store=config.Store(data=data), train=config.Train(launcher=launcher))
    with pytest.raises(BadInput, match="SQLite"):
        launch.of(rules)


def test_a_kubernetes_job_needs_an_image(settings):
    rules = settings().model_copy(update={"train": config.Train(launcher="kubernetes")})
    with pytest.raises(BadInput, match="image"):
        launch.of(rules)
