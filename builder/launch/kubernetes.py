"""A run in; a Kubernetes Job that computes it in one pod or many, out. `kubectl` speaks to the cluster.

The data folder is a volume that the pods mount where the settings say it is; what is secret comes from
a Secret, and never stands in the manifest.
"""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog
from pydantic import SecretStr

from builder.launch import Ended, Launched
from builder.launch.command import PORT, Node, argv, job_name
from lorekeeper import settings as config
from lorekeeper.domain import Run
from lorekeeper.errors import BadInput, MissingPart, NotReachable
from lorekeeper.settings import Settings

logger = structlog.get_logger(__name__)

PATIENCE = 90  # seconds in which a deleted job must be gone; pods get 30 to end in good order
KEPT = 3600  # seconds for which a finished job can still be looked at
RUN, JOB = "lorekeeper/run", "lorekeeper/job"  # labels: of all attempts at a run, and of one
MAIN = "batch.kubernetes.io/job-completion-index=0"  # the pod whose process reports
OUT_OF_MEMORY = "The pod took more memory than it was given. Raise its limit with LORE_LAUNCH__POD, or use a smaller batch_size or max_tokens."


@dataclass(frozen=True, slots=True)
class Kubernetes:
    """On the cluster that `kubectl` is set up for; inside a pod, on that pod's own."""

    settings: Settings

    def start(self, run: Run, worker: str, log: Path) -> Launched:
        job = KubernetesJob(
            name=attempt_name(run, self.settings),
            namespace=self.settings.launch.namespace,
            every=self.settings.launch.look_seconds,
            log=log,
            already=log.stat().st_size if log.exists() else 0,
        )
        _delete(
            ["-l", f"{RUN}={job_name(run, self.settings)}"], job.namespace
        )  # of earlier attempts
        kubectl(
            ["create", "-f", "-"],
            job.namespace,
            text=json.dumps(manifest(run, worker, self.settings)),
        )
        return job


def manifest(run: Run, worker: str, settings: Settings) -> dict[str, Any]:
    """What `kubectl create` is given: the Job, and with several pods the Service by which they meet."""
    launch, name = settings.launch, attempt_name(run, settings)
    labels = {"app.kubernetes.io/name": "lorekeeper", RUN: job_name(run, settings), JOB: name}
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "completions": launch.nodes,
            "parallelism": launch.nodes,
            "completionMode": "Indexed",
            "backoffLimit": 0,  # the worker counts the attempts
            "ttlSecondsAfterFinished": KEPT,
            "template": {
                "metadata": {"labels": labels},
                "spec": merged(_pod(run, worker, settings), _own(launch.pod)),
            },
        },
    }
    meeting = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "labels": labels},
        "spec": {"clusterIP": "None", "selector": {JOB: name}, "publishNotReadyAddresses": True},
    }  # fmt: skip
    items = [job] if launch.nodes == 1 else [meeting, job]
    return {"apiVersion": "v1", "kind": "List", "items": items}


def attempt_name(run: Run, settings: Settings) -> str:
    """A Job of its own for each attempt, so that nobody deletes another one's."""
    return f"{job_name(run, settings)}-{run.attempt}"


def _pod(run: Run, worker: str, settings: Settings) -> dict[str, Any]:
    launch, name = settings.launch, attempt_name(run, settings)
    data = str(settings.store.data.resolve())
    node = Node(rank="$JOB_COMPLETION_INDEX", first=f"{name}-0.{name}", port=str(PORT))
    words = argv(run, worker, launch, python=launch.python or "python", node=node)
    train = " ".join(word if word.startswith("$") else shlex.quote(word) for word in words)
    return {
        "restartPolicy": "Never",
        "subdomain": name,
        "containers": [
            {
                "name": "train",
                "image": launch.image,
                "command": ["/bin/sh", "-c", f"exec {train}"],
                "env": [{"name": key, "value": value} for key, value in _shown(settings).items()],
                "envFrom": [{"secretRef": {"name": launch.secret}}],
                "volumeMounts": [
                    {"name": "data", "mountPath": data},
                    # Processes of one pod exchange tensors here; the default is 64 MiB.
                    {"name": "shared-memory", "mountPath": "/dev/shm"},  # noqa: S108
                ],
            }
        ],
        "volumes": [
            {"name": "data", "persistentVolumeClaim": {"claimName": launch.claim}},
            {"name": "shared-memory", "emptyDir": {"medium": "Memory"}},
        ],
    }


def _shown(settings: Settings) -> dict[str, str]:
    """The settings that anybody may read who can read the Job."""
    secret = {
        config.variable(f"{section}.{name}")
        for section in config.sections()
        for name, value in getattr(settings, section)
        if isinstance(value, SecretStr)
    } | {config.variable("store.database")}
    everything = config.environment(settings)
    shown = {name: value for name, value in everything.items() if name not in secret and value}
    data = {config.variable("store.data"): str(settings.store.data.resolve())}
    return shown | data | {"TOKENIZERS_PARALLELISM": "false"}


def _own(path: str) -> dict[str, Any]:
    """What `LORE_LAUNCH__POD` adds to the pod's specification."""
    if not path:
        return {}
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(
            f"{path} cannot be used: {error}.", fix="Correct LORE_LAUNCH__POD."
        ) from None
    if not isinstance(found, dict):
        raise BadInput(f"{path} holds no JSON object.", fix="Correct LORE_LAUNCH__POD.")
    return found


def merged(base: Any, patch: Any) -> Any:
    """JSON merge patch (RFC 7386), where a list of named things is merged by name as kubectl would."""
    if isinstance(base, dict) and isinstance(patch, dict):
        kept = {key: value for key, value in base.items() if patch.get(key, value) is not None}
        changed = {key: value for key, value in patch.items() if value is not None}
        return kept | {key: merged(base.get(key), value) for key, value in changed.items()}
    if _is_named(base) and _is_named(patch):
        by_name = {one["name"]: one for one in base}
        changed = {one["name"]: merged(by_name.get(one["name"]), one) for one in patch}
        return list((by_name | changed).values())
    return patch


def _is_named(found: Any) -> bool:
    return isinstance(found, list) and all(isinstance(one, dict) and "name" in one for one in found)


@dataclass(slots=True, kw_only=True)
class KubernetesJob:
    """A Job, by its name. What its first pod prints is copied to the run's log."""

    name: str
    namespace: str
    every: float  # seconds between two questions to the cluster
    log: Path
    already: int  # bytes that earlier attempts have written to the log
    _asked_at: float = -1e9
    _waits: str = "waiting for Kubernetes"
    _ended: Ended | None = field(default=None)

    def ended(self) -> Ended | None:
        if self._ended is None and time.monotonic() - self._asked_at >= self.every:
            try:
                self._look()
            except NotReachable as error:  # the job goes on without us
                logger.warning("Kubernetes does not answer", job=self.name, what=error.what)
            self._asked_at = time.monotonic()
        return self._ended

    def waits_for(self) -> str:
        return self._waits

    def stop(self) -> None:
        """The pods get SIGTERM, and are gone when the job is."""
        if self._ended is None:
            _delete([self.name], self.namespace)

    def _look(self) -> None:
        told = kubectl(
            ["get", "job", self.name, "--ignore-not-found", "-o", "json"], self.namespace
        )
        found = json.loads(told) if told.strip() else {}
        pods = json.loads(
            kubectl(["get", "pods", "-l", f"job-name={self.name}", "-o", "json"], self.namespace)
        )["items"]
        self._waits = _waits_for(pods)
        if pods and not self._waits:
            with suppress(NotReachable):  # what it says is not worth missing its end
                self._copy_log()
        self._ended = _how_it_ended(found, pods)

    def _copy_log(self) -> None:
        which = f"job-name={self.name},{MAIN}"
        told = kubectl(["logs", "-l", which, "--tail=-1", "--container=train"], self.namespace)
        if not told:
            return  # the pod is gone; what it said before stands there
        with self.log.open("r+b" if self.log.exists() else "w+b") as file:
            file.truncate(self.already)
            file.seek(self.already)
            file.write(told.encode())


def _delete(which: Sequence[str], namespace: str) -> None:
    flags = ["--ignore-not-found", "--cascade=foreground", "--wait", f"--timeout={PATIENCE}s"]
    kubectl(["delete", "job,service", *which, *flags], namespace)


def _waits_for(pods: Sequence[Mapping[str, Any]]) -> str:
    """Why the first pod that is not there yet is not; "" once all of them have begun."""
    if not pods:
        return "waiting for Kubernetes to make a pod"
    for pod in pods:
        for state in _states(pod):
            if "waiting" in state:
                about = state["waiting"]
                told = ": ".join(filter(None, (about.get("reason"), about.get("message"))))
                return f"waiting for the pod {pod['metadata']['name']}: {told}"
        for condition in pod.get("status", {}).get("conditions", []):
            if condition["type"] == "PodScheduled" and condition["status"] == "False":
                return f"waiting for a node: {condition.get('message', 'none is free')}"
    return ""


def _how_it_ended(job: Mapping[str, Any], pods: Sequence[Mapping[str, Any]]) -> Ended | None:
    if not job:
        return Ended(code=1, why="The run's Job is gone from the cluster.", may_go_on=True)
    conditions = {
        one["type"]: one
        for one in job.get("status", {}).get("conditions", [])
        if one["status"] == "True"
    }
    if "Complete" in conditions:
        return Ended(code=0)
    if "Failed" not in conditions:
        return None
    for pod in pods:
        if ended := _of_pod(pod):
            return ended
    about = conditions["Failed"]
    why = str(about.get("message") or about.get("reason")).rstrip(".")
    return Ended(code=1, why=f"Kubernetes ended the run: {why}.")


def _of_pod(pod: Mapping[str, Any]) -> Ended | None:
    """What a pod that failed says about it."""
    status = pod.get("status", {})
    if any(
        one["type"] == "DisruptionTarget" and one["status"] == "True"
        for one in status.get("conditions", [])
    ):
        why = f"Kubernetes ended the run: {status.get('message') or 'its node had to be given up'}."
        return Ended(code=1, why=why, may_go_on=True)
    for state in _states(pod):
        about = state.get("terminated", {})
        if about.get("reason") == "OOMKilled":
            return Ended(code=about.get("exitCode", 137), why=OUT_OF_MEMORY)
        if about.get("exitCode"):
            return Ended(code=about["exitCode"])
    return None


def _states(pod: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [one.get("state", {}) for one in pod.get("status", {}).get("containerStatuses", [])]


def kubectl(words: Sequence[str], namespace: str, *, text: str = "") -> str:
    """What `kubectl` answers.

    Raises:
        MissingPart: it is not installed.
        NotReachable: it, or the cluster, refused; says what it said.
    """
    if shutil.which("kubectl") is None:
        raise MissingPart(
            "There is no kubectl here, which LORE_TRAIN__LAUNCHER=kubernetes needs.",
            fix="Install it where `lore worker` runs.",
        )
    try:
        done = subprocess.run(
            ["kubectl", "--namespace", namespace, *words],
            input=text,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE + 10,
        )
    except subprocess.TimeoutExpired:
        raise NotReachable("kubectl did not answer.", fix="Look at the cluster.") from None
    if done.returncode:
        raise NotReachable(
            f"kubectl {words[0]} refused: {done.stderr.strip() or done.returncode}.",
            fix="Look at LORE_LAUNCH__… and at what this account may do: `kubectl auth can-i create jobs`.",
        )
    return done.stdout
