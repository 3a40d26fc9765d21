"""Nothing in; a small invented workspace, for a first look at the playground, out."""

from __future__ import annotations

from bot.playground.clocks import Clock
from bot.playground.workspace import Workspace


def sample_workspace(clock: Clock | None = None) -> Workspace:
    """Four people, a guest, three channels and a few conversations of the last days."""
    workspace = Workspace("Fjordline", clock=clock)
    for name, real_name, title in (
        ("ingrid", "Ingrid Vale", "Platform lead"),
        ("tomas", "Tomas Reyes", "Backend"),
        ("mei", "Mei Okafor", "Data"),
        ("sol", "Sol Anders", "New here"),
    ):
        workspace.add_user(name, real_name=real_name, title=title, is_admin=name == "ingrid")
    workspace.add_user("pat.guest", real_name="Pat Lindqvist", guest=True)
    everyone = ["ingrid", "tomas", "mei", "sol"]
    workspace.add_channel("general", members=everyone, purpose="Everyone and everything")
    workspace.add_channel("help-platform", members=[*everyone, "pat.guest"], topic="Ask here")
    workspace.add_channel("ops-private", private=True, members=["ingrid", "tomas"])
    _talk(workspace)
    return workspace


def _talk(workspace: Workspace) -> None:
    start = workspace.clock.now() - 2 * 86_400

    def at(minutes: float) -> str:
        return f"{start + minutes * 60:.6f}"

    root = at(0)
    help_channel = "help-platform"
    workspace.post(help_channel, "sol", "How do I get a staging database?", ts=root, silent=True)
    workspace.post(
        help_channel,
        "tomas",
        "Run `make staging-db`. It copies last night's anonymised snapshot and takes about *four "
        "minutes*; the address is printed at the end.",
        ts=at(3),
        thread_ts=root,
        silent=True,
    )
    workspace.post(
        help_channel, "sol", "That worked, thank you!", ts=at(9), thread_ts=root, silent=True
    )
    workspace.react(help_channel, at(3), "sol", "white_check_mark", silent=True)
    workspace.react(help_channel, at(3), "mei", "+1", silent=True)
    workspace.post("general", "ingrid", "Release 4.2 is out :tada:", ts=at(60), silent=True)
    workspace.post(
        "ops-private",
        "ingrid",
        "The on-call phone moves to Tomas on Monday.",
        ts=at(90),
        silent=True,
    )
