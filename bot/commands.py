"""What stands after `/lore` in; done, with an answer that only the person sees, out."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bot import capture, comparison, forget, history, private, report, runs, ways
from bot.access import Right
from bot.blocks import decisions, modals
from bot.blocks import people as people_blocks
from bot.blocks import runs as run_blocks
from bot.blocks.home import served
from bot.blocks.text import escaped, section
from bot.desk import Desk, Json
from bot.tell import respond
from lorekeeper import engines
from lorekeeper.domain import BASE_NAME, Goal, Origin
from lorekeeper.errors import BadInput
from lorekeeper.links import place_of
from lorekeeper.store import adapters, deployments, reading
from lorekeeper.store import events as stored_events
from lorekeeper.store import runs as stored_runs


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A command as a person typed it."""

    by: str
    channel: str
    rest: str
    body: Json

    @property
    def words(self) -> list[str]:
        return self.rest.split()


def run(desk: Desk, body: Json) -> None:
    """Do what `/lore …` asks for; an unknown word gets the list."""
    word, _, rest = body.get("text", "").strip().partition(" ")
    command = COMMANDS.get(word.lower() or "help")
    if command is None:
        respond(body, f"There is no `/lore {escaped(word, 40)}`.\n{_list()}")
        return
    command.do(
        desk,
        Given(by=body["user_id"], channel=body["channel_id"], rest=rest.strip(), body=body),
    )


def help_(desk: Desk, given: Given) -> None:
    emoji = desk.settings.bot.save_emoji[0]
    respond(
        given.body,
        f"React with :{emoji}: on a good answer to save it; mention me to ask.\n{_list()}",
    )


def ask(desk: Desk, given: Given) -> None:
    private.ask(desk, given.body, given.rest)


def channel(desk: Desk, given: Given) -> None:
    ways.open_modal(desk, given.body)


def save(desk: Desk, given: Given) -> None:
    channel, ts = place_of(given.rest)
    try:
        capture.propose(desk, channel=channel, ts=ts, by=given.by, origin=Origin.COMMAND)
    except capture.NoQuestion as error:
        respond(
            given.body, str(error), modals.offer_to_word(error.what, channel, ts, Origin.COMMAND)
        )


def import_(desk: Desk, given: Given) -> None:
    """The history of a channel, this one where none is named, as one job."""
    channel = _channel(given.rest) if given.rest else given.channel
    history.begin(desk, channel, by=given.by, told_in=given.channel)
    respond(given.body, f"Reading <#{channel}>'s history; its message here says how far it is.")


def forget_(desk: Desk, given: Given) -> None:
    if not given.rest:
        raise BadInput(
            "Forget what?", fix="Write `/lore forget @me`, or paste a message's link after it."
        )
    respond(given.body, people_blocks.forgotten(forget.forget(desk, given.rest, by=given.by)))


def opt_out(desk: Desk, given: Given) -> None:
    is_new = forget.opt_out(desk, by=given.by)
    respond(given.body, "You opted out.", people_blocks.opted_out(is_new))


def opt_in(desk: Desk, given: Given) -> None:
    had = forget.opt_in(desk, by=given.by)
    respond(
        given.body,
        "Welcome back: from now on your answers can be saved again."
        if had
        else "You never opted out.",
    )


def retrain(desk: Desk, given: Given) -> None:
    from builder.retrain import request

    if given.rest == "help":
        respond(given.body, "Recipes and options", run_blocks.recipes(desk.settings.store.data))
        return
    desk.access.require(given.by, Right.TRAIN, given.channel)
    goal, words = _goal(given.words)
    recipe, options = _recipe_and_options(words)
    queued = request(
        desk.engine,
        desk.settings,
        by=given.by,
        recipe=recipe,
        options=options,
        channel=given.channel,
        goal=goal,
    )
    respond(given.body, f"Run {queued.id} is queued. Its message here is edited as it goes on.")


def list_runs(desk: Desk, given: Given) -> None:
    with reading(desk.engine) as db:
        latest = stored_runs.latest(db, 10)
    lines = "\n".join(run_blocks.line(one) for one in latest)
    respond(given.body, lines or "There was no run yet. `/lore retrain` starts one.")


def cancel(desk: Desk, given: Given) -> None:
    with reading(desk.engine) as db:
        open_runs = stored_runs.unfinished(db)
    if not given.rest and not open_runs:
        raise BadInput("No run waits or works.", fix="`/lore runs` lists the last ones.")
    run_id = _number(given.rest) if given.rest else open_runs[-1].id
    stopped = runs.cancel(desk, run_id, by=given.by)
    respond(given.body, f"Run {stopped.id} {'is cancelled' if stopped.is_over else 'stops soon'}.")


def list_adapters(desk: Desk, given: Given) -> None:
    with reading(desk.engine) as db:
        made, current = adapters.all(db), deployments.current(db)
    if not made:
        respond(given.body, "No adapter was trained yet. `/lore retrain` starts a run.")
        return
    name = current.adapter if current is not None else BASE_NAME
    respond(
        given.body,
        f"{len(made)} adapters; {name} is served.",
        [section(served(current)), *run_blocks.adapters_table(made, name)],
    )


def promote(desk: Desk, given: Given) -> None:
    name, _, why = given.rest.partition(" ")
    if not name:
        raise BadInput("Promote which adapter?", fix="Write `/lore promote v2 why`.")
    against = runs.needs_reason(desk, name, by=given.by) if not why else None
    if against is not None:
        desk.client.views_open(
            trigger_id=given.body["trigger_id"], view=decisions.overrule(against)
        )
        return
    deployment = runs.promote(desk, name, by=given.by, why=why)
    respond(given.body, f"`{deployment.adapter}` is being loaded; I say when it answers.")


def roll_back(desk: Desk, given: Given) -> None:
    deployment = runs.roll_back(desk, by=given.by, why=given.rest)
    respond(given.body, f"Back to `{deployment.adapter}`; I say when it answers.")


def compare(desk: Desk, given: Given) -> None:
    """`v3 v4`, then how many questions, and `recent` for those that were asked lately."""
    names = [word for word in given.words if not word.isdigit() and word != "recent"]
    numbers = [int(word) for word in given.words if word.isdigit()]
    if len(names) != 2 or len(numbers) > 1:
        raise BadInput(
            "Compare which two?", fix="Write `/lore compare v3 v4`, or `base` for one of them."
        )
    made = comparison.begin(
        desk,
        *names,
        by=given.by,
        channel=given.channel,
        wanted=numbers[0] if numbers else comparison.QUESTIONS,
        recent="recent" in given.words,
    )
    respond(given.body, f"{made.one} and {made.other} are asked; the vote opens here.")


def dataset(desk: Desk, given: Given) -> None:
    """Where the dataset stands, and what the next version would change; `report` sends its quality."""
    if given.rest == "report":
        desk.access.require(given.by, Right.REVIEW)
        respond(given.body, "Looking at every pair; the report comes as a direct message.")
        report.send(desk, to=given.by)
        return
    if given.rest:
        raise BadInput(
            f"There is no `/lore dataset {escaped(given.rest, 40)}`.",
            fix="Write `/lore dataset`, or `/lore dataset report`.",
        )
    respond(given.body, "The dataset", report.standing(desk))


def status(desk: Desk, given: Given) -> None:
    health = engines.health(desk.settings.serving)
    with reading(desk.engine) as db:
        current, waiting = deployments.current(db), stored_events.unfinished(db)
    answering = (
        ":warning: The answering service does not answer."
        if health is None
        else f"Answering service: {escaped(str(health.get('status')), 60)}, engine"
        f" {escaped(str(health.get('engine')), 60)}, model `{escaped(str(health.get('model')), 100)}`,"
        f" {escaped(str((health.get('index') or {}).get('passages', 0)), 20)} passages."
    )
    respond(
        given.body, f"{answering}\n{served(current)}\n{waiting} events wait or are being worked on."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    do: Callable[[Desk, Given], None]
    usage: str
    help: str


COMMANDS: dict[str, Command] = {
    "help": Command(do=help_, usage="help", help="this list"),
    "ask": Command(do=ask, usage="ask TEXT", help="an answer that only you see"),
    "channel": Command(
        do=channel, usage="channel", help="how I answer in this channel, and for curators the form"
    ),
    "save": Command(do=save, usage="save LINK", help="save the linked message as an answer"),
    "import": Command(
        do=import_,
        usage="import [#CHANNEL]",
        help="look through a channel's past for answers to review",
    ),
    "status": Command(do=status, usage="status", help="what is served, and whether it works"),
    "dataset": Command(
        do=dataset,
        usage="dataset [report]",
        help="where the dataset stands and what the next version would change; its quality",
    ),
    "forget": Command(
        do=forget_, usage="forget LINK|@me", help="delete what was kept of a message, or of you"
    ),
    "optout": Command(
        do=opt_out, usage="optout", help="nothing that you write is kept from now on"
    ),
    "optin": Command(do=opt_in, usage="optin", help="take that back"),
    "retrain": Command(
        do=retrain,
        usage="retrain [plan|curve|help] [RECIPE] [KEY=VALUE …]",
        help="train an adapter, and judge it; `plan` says what that would take, `curve` whether more answers would help, `help` lists recipes and options",
    ),
    "runs": Command(do=list_runs, usage="runs", help="the last runs"),
    "cancel": Command(do=cancel, usage="cancel [ID]", help="stop a run"),
    "adapters": Command(do=list_adapters, usage="adapters", help="the adapters, compared"),
    "compare": Command(
        do=compare,
        usage="compare vN vM|base [QUESTIONS] [recent]",
        help="a blind vote on two adapters' answers",
    ),
    "promote": Command(do=promote, usage="promote vN [WHY]", help="serve an adapter"),
    "rollback": Command(do=roll_back, usage="rollback [WHY]", help="serve what was served before"),
}


def _list() -> str:
    return "\n".join(f"• `/lore {command.usage}` {command.help}" for command in COMMANDS.values())


def _goal(words: list[str]) -> tuple[Goal, list[str]]:
    """What the run is for, where the first word says it, and the words after that."""
    if words and words[0] in {Goal.PLAN, Goal.CURVE}:
        return Goal(words[0]), words[1:]
    return Goal.ADAPTER, words


def _recipe_and_options(words: list[str]) -> tuple[str | None, dict[str, Any]]:
    """Raises BadInput for a second word without a value."""
    names = [word for word in words if "=" not in word]
    if len(names) > 1:
        raise BadInput(
            f"`{escaped(names[1], 40)}` has no value.", fix="Write options as `key=value`."
        )
    options = dict(word.split("=", 1) for word in words if "=" in word)
    return (names[0] if names else None), {key: _value(text) for key, text in options.items()}


def _value(text: str) -> Any:
    """A number, true or false as such; everything else is a word."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _channel(text: str) -> str:
    """`<#C123|name>`, as Slack sends it, or an id."""
    found = re.fullmatch(r"<#([A-Z0-9]+)(?:\|[^>]*)?>|([CG][A-Z0-9]{2,})", text.strip())
    if found is None:
        raise BadInput(
            f"`{escaped(text, 40)}` is not a channel.", fix="Write `/lore import #help`."
        )
    return found[1] or found[2]


def _number(text: str) -> int:
    digits = text.strip().lstrip("#")
    if not digits.isdigit():
        raise BadInput(
            f"`{escaped(text, 40)}` is not the number of a run.", fix="`/lore runs` lists them."
        )
    return int(digits)
