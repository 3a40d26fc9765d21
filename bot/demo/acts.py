"""A stage in; the whole loop played on it, one act after the other, each checked by what a member sees."""

from __future__ import annotations

import time
from dataclasses import dataclass

from rich.markup import escape

from bot.demo.show import Act, Show
from bot.demo.stage import Stage, StepFailed
from bot.playground.forms import interactive
from bot.playground.markup import unescaped
from bot.playground.member import Member, Seen
from lorekeeper import engines
from lorekeeper.domain import Adapter, Arm, Outcome, PairState, Run, RunState
from lorekeeper.domain import Stage as RunStage
from lorekeeper.store import adapters, deployments, events, messages, pairs, reading, runs
from lorekeeper.text import shorten

TRAINING = 1800.0  # seconds that a run may take on a slow machine
ANSWER = 120.0  # seconds that one answer may take
ENOUGH = 0.8  # share of the reactions that must become candidates


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One question and what the bot said, as the asker saw it."""

    question: Seen
    reply: Seen

    @property
    def text(self) -> str:
        """The answer alone, what stands before the sources, as it is read and not as Slack writes it."""
        return unescaped(self.reply.text.strip() or self.reply.said)


def play(stage: Stage, show: Show) -> None:
    """Play the loop from the first reaction to the answer that was learned from it.

    Raises:
        StepFailed: a member did not see what they should have; says what.
    """
    with show.act("A workspace opens, and Lorekeeper joins it over Socket Mode") as act:
        connect(stage, act)
    with show.act("Members react to good answers; each becomes a candidate") as act:
        capture(stage, act)
    with show.act("A reviewer decides in the review channel") as act:
        review(stage, act)
    with show.act("A member asks, before anything was learned") as act:
        before = ask_all(stage, act)
    with show.act("An engineer types /lore retrain effort=low, and a QLoRA run begins") as act:
        run = retrain(stage, act)
    with show.act("The gate judges the arms on held-out questions") as act:
        adapter = judge(stage, act, run)
    with show.act("The adapter is loaded into the running engine") as act:
        load_adapter(stage, act, adapter)
    with show.act("A member asks again") as act:
        after = ask_all(stage, act)
    with show.act("A thumbs-down, a better answer, a new candidate") as act:
        correct(stage, act)
    show.side_by_side(
        [(unescaped(b.question.text), b.text, a.text) for b, a in zip(before, after, strict=True)],
        f"{adapter.name}, with sources",
    )


def connect(stage: Stage, act: Act) -> None:
    """Every process is up, and what was said before the bot came is known to it."""
    stage.start()
    workspace = stage.playground.workspace
    act.update(0, None, "the bot connects")
    app = stage.playground.app
    stage.until("connection of the bot", lambda: stage.playground.sockets.count(app) or None)
    said = sum(
        1
        for message in stage.reviewer.sees(stage.script.channel)
        if not message.is_ephemeral and "subtype" not in message.raw
    )

    def read() -> bool | None:
        with reading(stage.database) as db:
            known = messages.count(db)
        act.update(min(known, said), said, f"{known} messages read")
        return known >= said or None

    stage.until("history in the database", read, seconds=300)
    people = sum(1 for user in workspace.users.values() if not user.is_bot)
    act.say(
        f"{said} messages of {people} people; the page is at [link]{stage.playground.page_url}[/link]"
    )


def capture(stage: Stage, act: Act) -> None:
    """Each reaction is answered with a note that only the person who reacted sees."""
    emoji = stage.settings.bot.save_emoji[0]
    wanted = stage.script.reactions
    for reaction in wanted:
        member = stage.member(reaction.user)
        member.react(Seen(reaction.channel, {"ts": reaction.ts}), emoji)

    told = {
        event["event_id"]
        for event in stage.playground.workspace.events
        if event["event"]["type"] == "reaction_added"
    }

    def answered() -> int | None:
        with reading(stage.database) as db:
            done, stored = events.worked_on(db, told), pairs.counts(db)[PairState.CANDIDATE]
        act.update(done, len(told), f"{stored} candidates")
        return stored if done == len(told) else None

    stored = stage.until(f"answer to each of {len(wanted)} reactions", answered, seconds=300)
    if stored < ENOUGH * len(wanted):
        raise StepFailed(
            f"Only {stored} of {len(wanted)} reactions became candidates.",
            fix="The bot's log says why.",
        )
    missed = len(wanted) - stored
    act.say(f"{stored} candidates" + (f"; {missed} need their question written" if missed else ""))
    note = stage.until("note about what was saved", lambda: _a_note(stage))
    act.say(f"Only the reactor sees: [italic]{escape(shorten(unescaped(note.said), 110))}[/italic]")
    redacted = _redactions(stage)
    if redacted:
        act.say(f"Redacted before anything was stored: {', '.join(redacted)}")


def review(stage: Stage, act: Act) -> None:
    """The reviewer approves every card but the last one, and rejects that with a reason."""
    cards = stage.until("card for every candidate", lambda: _cards(stage), seconds=300)
    reviewer = stage.reviewer
    for number, card in enumerate(cards[:-1], 1):
        press(reviewer, card, "Approve")
        act.update(number, len(cards), f"{number} approved")
    reviewer.press(cards[-1], "pair_reject", "Not a question")

    def decided() -> dict[PairState, int] | None:
        with reading(stage.database) as db:
            counts = pairs.counts(db)
        return counts if counts[PairState.CANDIDATE] == 0 else None

    counts = stage.until("decision about every candidate", decided)
    act.say(
        f"{counts[PairState.APPROVED]} approved, {counts[PairState.REJECTED]} rejected with a reason"
    )


def ask_all(stage: Stage, act: Act) -> list[Told]:
    """Each showcase question is asked in the channel and answered in its thread."""
    told = []
    questions = stage.script.questions
    act.update(0, len(questions), "the engine and the index come up")
    now = time.time()
    stage.until("index that holds what was approved", lambda: _is_fresh(stage, now), seconds=600)
    for number, question in enumerate(questions, 1):
        act.update(number - 1, len(questions), shorten(question, 60))
        told.append(ask(stage, question))
    cited = sum(1 for t in told if links(t.reply))
    act.say(f"{len(told)} answers streamed into their threads, {cited} with sources")
    return told


def ask(stage: Stage, question: str) -> Told:
    """Mention the bot and wait for the finished answer."""
    member = stage.member(stage.script.asker)
    bot = stage.playground.workspace.user(stage.playground.bot_user)
    asked = member.post(stage.script.channel, f"<@{bot.id}> {question}")
    reply = member.wait_for_answer(asked, ANSWER)
    if reply.streaming != "completed":
        raise StepFailed(
            f"The answer to {question!r} was not streamed: {reply.said}",
            fix="The bot's log says why.",
        )
    return Told(question=Seen(asked.channel, asked.raw | {"text": question}), reply=reply)


def retrain(stage: Stage, act: Act) -> Run:
    """Follow the one message that the bot edits while the run goes on."""
    stage.reviewer.command("/lore retrain effort=low", stage.review_channel)

    def started() -> Run | None:
        with reading(stage.database) as db:
            return next(iter(runs.latest(db, limit=1)), None)

    run = stage.until("run in the queue", started)
    seen: list[str] = []

    def over() -> Run | None:
        with reading(stage.database) as db:
            now = runs.get(db, run.id)
        _show_progress(act, now)
        if now.message_ts:
            message = stage.reviewer.again(Seen(stage.review_channel, {"ts": now.message_ts}))
            if not seen or seen[-1] != message.said:
                seen.append(message.said)
        return now if now.is_over else None

    run = stage.until("end of the run", over, seconds=TRAINING)
    if run.state is not RunState.DONE:
        raise StepFailed(
            f"Run {run.id} {run.state}: {run.error or 'no reason was recorded'}.",
            fix=f"The log is {stage.settings.store.data / 'logs' / 'worker.log'}.",
        )
    if len(seen) < 3:
        raise StepFailed(
            f"The run's message was edited only {len(seen)} times.", fix="The bot's log says why."
        )
    act.say(f"One Slack message, edited {len(seen) - 1} times while the run went on")
    return run


def judge(stage: Stage, act: Act, run: Run) -> Adapter:
    """Show the arms and the verdict; a verdict other than promote is overruled on record."""
    with reading(stage.database) as db:
        adapter = adapters.get(db, run.adapter_id or 0)
    evaluation, verdict = adapter.evaluation, adapter.verdict
    for arm in Arm:
        score = evaluation.arm(arm)
        act.say(f"{arm.value:<18} {score.mean_nll:.3f} nats per answer token")
    act.say(f"[bold]{verdict.outcome.upper()}[/bold] on {len(evaluation.questions)} questions")
    for reason in verdict.reasons:
        act.say(f"– {escape(reason)}")
    if verdict.outcome is not Outcome.PROMOTE:
        stage.reviewer.command(
            f"/lore promote {adapter.name} shown in the demo, against the gate",
            stage.review_channel,
        )
        act.say("A person with the right overrules it, and that is recorded with the reason.")
    return adapter


def load_adapter(stage: Stage, act: Act, adapter: Adapter) -> None:
    """The deployment is confirmed by the engine, which went on answering meanwhile."""

    def loaded() -> bool | None:
        with reading(stage.database) as db:
            current = deployments.current(db)
        if current is None or current.adapter_id != adapter.id:
            return None
        if current.error:
            raise StepFailed(
                f"The engine did not load {adapter.name}: {current.error}",
                fix="The log of `lore serve` says more.",
            )
        return True if current.loaded_at else None

    stage.until(f"{adapter.name} in the engine", loaded)
    act.say(f"{adapter.name} answers from now on; `/lore rollback` would undo it")


def correct(stage: Stage, act: Act) -> None:
    """Thumbs-down opens a modal; the better answer is a candidate that knows what it replaces."""
    correction = stage.script.correction
    told = ask(stage, correction.question)
    member = stage.member(stage.script.asker)
    block, element = next(
        (b, e) for b, e in interactive(told.reply.blocks) if e["type"] == "feedback_buttons"
    )
    member.press(told.reply, element["action_id"], "negative", block_id=block.get("block_id"))
    modal = member.wait_for_modal()
    better = next(
        e["action_id"] for _, e in interactive(modal["blocks"]) if "answer" in e["action_id"]
    )
    errors = member.fill_and_submit(modal, {better: correction.answer})
    if errors:
        raise StepFailed(f"The modal refused the correction: {errors}.", fix="See the bot's log.")

    def candidate() -> bool | None:
        with reading(stage.database) as db:
            found = pairs.in_state(db, PairState.CANDIDATE)
        return True if any(pair.rejected_answer for pair in found) else None

    stage.until("candidate made from the correction", candidate)
    act.say("The correction waits for review, beside the answer that it replaces")


def links(message: Seen) -> list[str]:
    """The addresses that the message's sources open."""
    found: list[str] = []

    def walk(value: object) -> None:
        if isinstance(value, dict):
            if isinstance(value.get("url"), str):
                found.append(value["url"])
            for item in value.values():
                walk(item)
        elif isinstance(value, list):
            for item in value:
                walk(item)

    walk(message.blocks)
    return found


def button(message: Seen, label: str) -> str | None:
    """The action id of the button with this label."""
    for _, element in interactive(message.blocks):
        text = element.get("text")
        if isinstance(text, dict) and label in text.get("text", ""):
            return str(element["action_id"])
    return None


def press(member: Member, message: Seen, label: str) -> None:
    """Press the button that says `label`."""
    found = button(message, label)
    if found is None:
        raise StepFailed(f"There is no button {label!r} in {message}.", fix="See the bot's log.")
    member.press(message, found)


def _a_note(stage: Stage) -> Seen | None:
    """What one of those who reacted was told, for their eyes only."""
    for reaction in stage.script.reactions:
        for message in stage.member(reaction.user).sees(reaction.channel):
            if message.is_ephemeral and button(message, "Undo") is not None:
                return message
    return None


def _cards(stage: Stage) -> list[Seen] | None:
    """The cards that can be decided, when there is one for each candidate."""
    with reading(stage.database) as db:
        candidates = pairs.counts(db)[PairState.CANDIDATE]
    seen = [m for m in stage.reviewer.sees(stage.review_channel) if button(m, "Approve")]
    return seen if len(seen) >= candidates else None


def _redactions(stage: Stage) -> list[str]:
    with reading(stage.database) as db:
        found = pairs.in_state(db, PairState.CANDIDATE)
    return sorted({kind for pair in found for kind in pair.redactions})


def _is_fresh(stage: Stage, since: float) -> bool | None:
    """Whether the gateway answers, with an index that knows everything up to `since`."""
    told = engines.health(stage.settings.serving)
    return True if told is not None and told["index"]["looked_at"] >= since else None


def _show_progress(act: Act, run: Run) -> None:
    progress = run.progress
    loss = f", loss {progress.loss:.3f}" if progress.loss is not None else ""
    speed = f", {progress.tokens_per_second:.0f} tokens/s" if progress.tokens_per_second else ""
    note = progress.note or progress.stage.value
    if progress.stage is RunStage.TRAINING:
        note = f"step {progress.step} of {progress.steps}{loss}{speed}"
    act.update(progress.step, progress.steps or None, note)
