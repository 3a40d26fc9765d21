"""A folder in; what git knows of its files (a link to each at its last commit, its author and time) out."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

PATIENCE = 60.0  # seconds; reading the log of a large history takes some
# How the sites that keep repositories address a file at a commit, told by a part of the host's name.
_PLACES = {
    "gitlab": "{base}/-/blob/{commit}/{path}",
    "bitbucket": "{base}/src/{commit}/{path}",
    "codeberg": "{base}/src/commit/{commit}/{path}",
    "gitea": "{base}/src/commit/{commit}/{path}",
    "forgejo": "{base}/src/commit/{commit}/{path}",
    "github": "{base}/blob/{commit}/{path}",
}
_REMOTE = re.compile(
    r"(?:(?:https?|ssh)://(?:[^@/\s]+@)?(?P<host>[\w.-]+)(?::\d+)?/|(?:[\w.-]+@)(?P<scp>[\w.-]+):)"
    r"(?P<path>[\w./~-]+?)(?:\.git)?/?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """The last one that changed a file."""

    hash: str
    author: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """A git working tree's last commits, by file."""

    top: Path
    remote: str = ""  # how a file is addressed: "https://…/blob/{commit}/{path}"; "" where unknown
    commits: dict[Path, Commit] = field(default_factory=dict)

    def commit_of(self, path: Path) -> Commit | None:
        """None for a file that was never committed, or that was changed since."""
        return self.commits.get(path)

    def url(self, path: Path) -> str:
        """Where the file, as it was at its last commit, can be opened by everyone; "" where nowhere."""
        commit = self.commit_of(path)
        if commit is None or not self.remote:
            return ""
        inside = quote(path.relative_to(self.top).as_posix())
        return self.remote.format(commit=commit.hash, path=inside)


def head(folder: Path) -> str:
    """The commit that is checked out, "" where the folder is in no checkout."""
    return _git(folder, "rev-parse", "--verify", "--quiet", "HEAD").strip()


def checkout(folder: Path) -> Checkout | None:
    """What git knows of the files below the folder; None where it is in no checkout, or git is not here."""
    top = _git(folder, "rev-parse", "--show-toplevel").rstrip("\n")
    if not top or not head(folder):
        return None
    return Checkout(
        top=Path(top),
        remote=address(_git(folder, "remote", "get-url", "origin").strip()),
        commits=_last_commits(folder, Path(top)),
    )


def address(remote: str) -> str:
    """`git@github.com:team/docs.git`, or its https form, as the address of a file at a commit.

    "" for a remote that is no https or ssh address, or on a host whose addresses are not known.
    """
    found = _REMOTE.fullmatch(remote)
    host = (found["host"] or found["scp"] or "").lower() if found else ""
    form = next((form for part, form in _PLACES.items() if part in host), "")
    path = found["path"].strip("/") if found else ""
    return form.replace("{base}", f"https://{host}/{path}") if form and path else ""


def _last_commits(folder: Path, top: Path) -> dict[Path, Commit]:
    """One walk through the log: the first commit that names a file is its last."""
    log = _git(folder, "log", "--format=%x00%H%x00%an%x00%ct%x00", "--name-only", "-z", "--", ".")
    changed = _git(folder, "status", "--porcelain", "-z", "--no-renames", "--", ".")
    unsettled = {line[3:] for line in changed.split("\0")}
    found = dict[Path, Commit]()
    parts = log.split("\0")
    commit: Commit | None = None
    at = 0
    while at < len(parts):
        part = parts[at].strip("\n")
        if (
            re.fullmatch(r"[0-9a-f]{40,64}", part)
            and parts[at + 2 : at + 3]
            and parts[at + 2].isdigit()
        ):
            commit = Commit(hash=part, author=parts[at + 1], at=float(parts[at + 2]))
            at += 3
            continue
        if part and commit is not None and part not in unsettled:
            found.setdefault(top / part, commit)
        at += 1
    return found


def _git(folder: Path, *arguments: str) -> str:
    """What git prints, "" where it fails. The checkout is data: none of its hooks and filters run."""
    asked = ["git", "-C", str(folder), "-c", "core.fsmonitor=false", "-c", "core.quotePath=false"]
    asked += ["-c", f"core.hooksPath={os.devnull}", "-c", "log.showSignature=false", *arguments]
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}
    try:
        done = subprocess.run(
            asked, capture_output=True, timeout=PATIENCE, env=environment, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("utf-8", "surrogateescape") if done.returncode == 0 else ""
