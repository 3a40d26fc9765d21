"""A job for Slurm: its script, and how it fares, by programs in Slurm's place and by a real one where it runs."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import pytest

from builder.launch import Ended
from builder.launch.slurm import OUT_OF_MEMORY, Slurm, SlurmJob, script
from lorekeeper.errors import NotReachable

PATIENCE = 120.0


def test_a_script_asks_for_what_the_settings_say(run, settings, tmp_path: Path):
    rules = settings(sbatch=["--partition=gpu", "--gpus-per-node=4"], python="/env/bin/python")
    told = script(run, "w 1", rules, tmp_path / "run-7.log")
    lines = told.splitlines()
    assert lines[0] == "#!/bin/bash"
    assert "#SBATCH --partition=gpu" in lines
    assert "#SBATCH --gpus-per-node=4" in lines
    assert f"#SBATCH --output={tmp_path}/run-7.log" in lines
    assert "#SBATCH --requeue" in lines
    assert "/env/bin/python -m builder.train 7 " in lines[-1]
    subprocess.run(["bash", "-n"], input=told, text=True, check=True)


def test_no_secret_stands_in_a_script(run, settings, tmp_path: Path):
    assert "very-secret" not in script(run, "w", settings(), tmp_path / "log")


def test_each_node_finds_the_first_one(run, settings, program, tmp_path: Path):
    """The script is run by a shell, with programs that answer as Slurm's do on the second of two nodes."""
    seen = tmp_path / "seen"
    python = program("python", f'#!/bin/bash\nprintf "%s\\n" "$@" > {seen}\n')
    program("scontrol", '#!/bin/bash\n[ "$*" = "show hostnames n[3-4]" ] && printf "n3\\nn4\\n"\n')
    program("srun", '#!/bin/bash\nshift\nexec "$@"\n')
    told = script(
        run, "it's w", settings(nodes=2, processes=4, python=str(python)), tmp_path / "log"
    )
    subprocess.run(
        ["bash"], input=told, text=True, check=True,
        env={"PATH": f"{python.parent}:/usr/bin:/bin", "SLURM_JOB_NODELIST": "n[3-4]",
             "SLURM_JOB_ID": "41", "SLURM_NODEID": "1"},
    )  # fmt: skip
    words = seen.read_text().splitlines()
    assert words[words.index("--main_process_ip") + 1] == "n3"
    assert words[words.index("--main_process_port") + 1] == "20041"
    assert words[words.index("--machine_rank") + 1] == "1"
    assert words[-2:] == ["7", "it's w"]


@pytest.mark.parametrize(
    ("accounted", "ended"),
    [
        ("COMPLETED|0:0", Ended(code=0)),
        ("FAILED|2:0", Ended(code=2)),
        ("OUT_OF_MEMORY|0:125", Ended(code=1, why=OUT_OF_MEMORY)),
        (
            "NODE_FAIL|1:0",
            Ended(code=1, why="Slurm ended the run: a node of the job failed.", may_go_on=True),
        ),
        (
            "CANCELLED by 1000|0:15",
            Ended(code=1, why="Somebody ended the job with scancel. Retrain to go on."),
        ),
    ],
)
def test_the_accounting_says_how_a_job_ended(program, accounted: str, ended: Ended):
    program("squeue", f"#!/bin/bash\necho '{accounted.partition(' ')[0].partition('|')[0]}|None'\n")
    program("sacct", f"#!/bin/bash\necho '{accounted}'\n")
    assert SlurmJob(id="41", every=0.0).ended() == ended


def test_without_accounting_the_controller_is_asked(program):
    program(
        "squeue",
        "#!/bin/bash\necho 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1\n",
    )
    program("sacct", "#!/bin/bash\necho 'Slurm accounting storage is disabled' >&2; exit 1\n")
    program(
        "scontrol", "#!/bin/bash\necho 'JobId=41 JobState=TIMEOUT Reason=TimeLimit ExitCode=0:15'\n"
    )
    ended = SlurmJob(id="41", every=0.0).ended()
    assert ended is not None
    assert ended.may_go_on
    assert "--time" in ended.why


def test_a_job_that_waits_says_why(program):
    program("squeue", "#!/bin/bash\necho 'PENDING|Resources'\n")
    job = SlurmJob(id="41", every=0.0)
    assert job.ended() is None
    assert job.waits_for() == "waiting in Slurm's queue as job 41 (Resources)"


def test_a_controller_that_does_not_answer_ends_no_run(program):
    program("squeue", "#!/bin/bash\necho 'Unable to contact slurm controller' >&2; exit 1\n")
    assert SlurmJob(id="41", every=0.0).ended() is None


def test_a_refusal_is_told_in_slurms_words(run, settings, program, tmp_path: Path):
    program("scancel", "#!/bin/bash\n")
    program("squeue", "#!/bin/bash\n")
    program(
        "sbatch",
        "#!/bin/bash\necho 'sbatch: error: invalid partition specified: gpu' >&2; exit 1\n",
    )
    with pytest.raises(NotReachable, match="invalid partition"):
        Slurm(settings()).start(run, "w", tmp_path / "log")


def _slurm_runs() -> bool:
    program = shutil.which("sinfo")
    asked = program and subprocess.run([program, "--noheader"], capture_output=True, check=False)
    return bool(asked) and asked.returncode == 0 and bool(asked.stdout.strip())


@pytest.mark.slow
@pytest.mark.skipif(not _slurm_runs(), reason="no Slurm cluster answers here")
def test_a_real_cluster_runs_stops_and_accounts_for_a_job(run, settings, program, tmp_path: Path):
    log = tmp_path / "log"
    python = program(
        "stub", '#!/bin/bash\necho "$LORE_STORE__DATABASE $@"; [ -e go ] || sleep 1000; exit 3\n'
    )
    launcher = Slurm(settings(python=str(python), look_seconds=0.2, sbatch=[f"--chdir={tmp_path}"]))
    lost = launcher.start(run, "first", log)  # its worker dies
    until(
        lambda: lost.ended() is None and not lost.waits_for() and log.exists() and log.read_text()
    )
    assert "very-secret" in log.read_text(), "the settings reach the job"
    job = launcher.start(run, "second", log)
    assert lost.ended() is not None, "a run has one job"
    until(lambda: job.ended() is None and not job.waits_for() and "second" in log.read_text())
    job.stop()
    ended = until(job.ended)
    assert "scancel" in ended.why
    (tmp_path / "go").touch()
    assert until(launcher.start(run, "third", log).ended).code == 3


def until(found):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if value := found():
            return value
        time.sleep(0.05)
    raise AssertionError("it did not come to that")
