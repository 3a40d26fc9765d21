"""A job for Kubernetes: its manifest by the published schemas, and how it fares, by a program in kubectl's place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from builder.launch import Ended
from builder.launch.kubernetes import (
    OUT_OF_MEMORY,
    Kubernetes,
    KubernetesJob,
    attempt_name,
    manifest,
    merged,
)
from lorekeeper.errors import BadInput, NotReachable


@pytest.mark.parametrize("nodes", [1, 3])
def test_a_manifest_is_what_kubernetes_takes(run, settings, nodes: int):
    validator = pytest.importorskip("kubernetes_validate")
    made = manifest(run, "w", settings(image="lore:1", nodes=nodes, processes=2))
    kinds = [item["kind"] for item in made["items"]]
    assert kinds == (["Job"] if nodes == 1 else ["Service", "Job"])
    for item in made["items"]:
        validator.validate(item, validator.latest_version(), strict=True)


def test_no_secret_stands_in_a_manifest(run, settings, monkeypatch):
    told = json.dumps(manifest(run, "w", settings(image="lore:1")))
    assert "very-secret" not in told
    assert "LORE_SLACK__BOT_TOKEN" not in told
    assert '"secretRef": {"name": "lorekeeper"}' in told


def test_a_pod_knows_whether_the_base_is_shared_out(run, settings):
    made = manifest(run, "w", settings(image="lore:1", processes=2, sharded=True))
    told = made["items"][0]["spec"]["template"]["spec"]["containers"][0]["env"]
    assert {"name": "LORE_LAUNCH__SHARDED", "value": "True"} in told


def test_pods_meet_at_the_first_one(run, settings):
    made = manifest(run, "w", settings(image="lore:1", nodes=3, processes=2))
    service, job = made["items"]
    name = attempt_name(run, settings())
    command = job["spec"]["template"]["spec"]["containers"][0]["command"][-1]
    assert service["metadata"]["name"] == name
    assert f"--main_process_ip {name}-0.{name} " in command
    assert "--machine_rank $JOB_COMPLETION_INDEX " in command
    assert job["spec"]["completions"] == job["spec"]["parallelism"] == 3
    labels = job["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"].items() <= labels.items()


def test_a_file_of_the_teams_own_is_merged_over_the_pod(run, settings, tmp_path: Path):
    own = {
        "nodeSelector": {"gpu": "h100"},
        "containers": [{"name": "train", "resources": {"limits": {"nvidia.com/gpu": 4}}}],
    }
    (tmp_path / "pod.json").write_text(json.dumps(own))
    rules = settings(image="lore:1", pod=str(tmp_path / "pod.json"))
    pod = manifest(run, "w", rules)["items"][0]["spec"]["template"]["spec"]
    assert pod["nodeSelector"] == {"gpu": "h100"}
    assert len(pod["containers"]) == 1
    assert pod["containers"][0]["resources"] == {"limits": {"nvidia.com/gpu": 4}}
    assert pod["containers"][0]["image"] == "lore:1"


def test_a_merge_takes_away_what_is_null():
    assert merged({"a": 1, "b": {"c": 2, "d": 3}}, {"a": None, "b": {"c": 4}}) == {
        "b": {"c": 4, "d": 3}
    }


def test_a_file_that_is_none_is_refused(run, settings, tmp_path: Path):
    (tmp_path / "pod.json").write_text("[")
    with pytest.raises(BadInput, match=r"pod\.json"):
        manifest(run, "w", settings(image="lore:1", pod=str(tmp_path / "pod.json")))


KUBECTL = """#!{python}
import json, pathlib, sys
here, words = pathlib.Path({here!r}), sys.argv[3:]
with (here / "asked").open("a") as file:
    file.write(json.dumps(words) + "\\n")
if words[0] == "create":
    (here / "created.json").write_text(sys.stdin.read())
elif words[0] == "delete":
    (here / "job.json").unlink(missing_ok=True)
elif words[0] == "logs":
    print((here / "log").read_text() if (here / "log").exists() else "", end="")
elif words[1] == "job":
    print((here / "job.json").read_text() if (here / "job.json").exists() else "")
else:
    print((here / "pods.json").read_text())
"""


@pytest.fixture
def cluster(program, tmp_path: Path):
    """What the cluster answers: a job's conditions, and the state of its only container."""
    import sys

    program("kubectl", KUBECTL.format(python=sys.executable, here=str(tmp_path)))

    def answer(conditions=(), state=None, pod=(), log=""):
        (tmp_path / "job.json").write_text(json.dumps({"status": {"conditions": list(conditions)}}))
        status = {"conditions": list(pod), "containerStatuses": [{"state": state or {}}]}
        pods = [{"metadata": {"name": "p"}, "status": status}]
        (tmp_path / "pods.json").write_text(json.dumps({"items": pods}))
        (tmp_path / "log").write_text(log)

    return answer


FAILED = {
    "type": "Failed",
    "status": "True",
    "reason": "BackoffLimitExceeded",
    "message": "It failed.",
}


def job(tmp_path: Path) -> KubernetesJob:
    return KubernetesJob(name="j", namespace="n", every=0.0, log=tmp_path / "run.log", already=0)


@pytest.mark.parametrize(
    ("answers", "ended"),
    [
        ({"conditions": [{"type": "Complete", "status": "True"}]}, Ended(code=0)),
        ({"state": {"running": {}}}, None),
        ({"conditions": [FAILED], "state": {"terminated": {"exitCode": 2}}}, Ended(code=2)),
        (
            {"conditions": [FAILED], "state": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}},
            Ended(code=137, why=OUT_OF_MEMORY),
        ),
        (
            {"conditions": [FAILED], "pod": [{"type": "DisruptionTarget", "status": "True"}]},
            Ended(
                code=1,
                why="Kubernetes ended the run: its node had to be given up.",
                may_go_on=True,
            ),
        ),
        ({"conditions": [FAILED]}, Ended(code=1, why="Kubernetes ended the run: It failed.")),
    ],
)  # fmt: skip
def test_the_cluster_says_how_a_job_ended(cluster, tmp_path: Path, answers, ended):
    cluster(**answers)
    assert job(tmp_path).ended() == ended


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        (
            {"state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}},
            "waiting for the pod p: ImagePullBackOff: no such image",
        ),
        (
            {
                "pod": [
                    {"type": "PodScheduled", "status": "False", "message": "0/3 nodes have a GPU"}
                ]
            },
            "waiting for a node: 0/3 nodes have a GPU",
        ),
        ({"state": {"running": {}}}, ""),
    ],
)
def test_a_job_that_waits_says_why(cluster, tmp_path: Path, answers, told: str):
    cluster(**answers)
    waiting = job(tmp_path)
    assert waiting.ended() is None
    assert waiting.waits_for() == told


def test_what_a_pod_prints_is_copied_below_what_was_there(cluster, run, settings, tmp_path: Path):
    log = tmp_path / "run.log"
    log.write_text("first attempt\n")
    made = Kubernetes(settings(image="lore:1")).start(run, "w", log)
    cluster(state={"running": {}}, log="step 1\n")
    assert made.ended() is None
    cluster(conditions=[{"type": "Complete", "status": "True"}], log="step 1\nstep 2\n")
    made._asked_at = -1e9
    assert made.ended() == Ended(code=0)
    assert log.read_text() == "first attempt\nstep 1\nstep 2\n"
    assert json.loads((tmp_path / "created.json").read_text())["kind"] == "List"
    asked = [json.loads(line) for line in (tmp_path / "asked").read_text().splitlines()]
    assert asked[0][0] == "delete", "earlier attempts are ended first"


def test_a_job_that_is_gone_may_go_on(cluster, tmp_path: Path):
    cluster()
    (tmp_path / "job.json").unlink()
    ended = job(tmp_path).ended()
    assert ended is not None
    assert ended.may_go_on


def test_a_refusal_is_told_in_kubernetes_words(run, settings, program, tmp_path: Path):
    program("kubectl", "#!/bin/bash\necho 'Error: jobs.batch is forbidden' >&2; exit 1\n")
    with pytest.raises(NotReachable, match="forbidden"):
        Kubernetes(settings(image="lore:1")).start(run, "w", tmp_path / "log")
