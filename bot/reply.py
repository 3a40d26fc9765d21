"""A question asked in Slack in; one answer in its thread, streamed, with sources and thumbs, out. Never silence."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from enum import Enum, auto
from typing import Any

from slack_sdk.errors import SlackApiError

from bot import gateway, mirror, threads
from bot.asking import Asked
from bot.blocks import answers as shown
from bot.blocks.text import Block
from bot.desk import Desk, Json
from bot.tell import profile, unpinged, whisper
from bot.writing import Writing
from lorekeeper.domain import (
    BASE_NAME,
    PUBLIC,
    Answer,
    Channel,
    Level,
    Message,
    channel_of_public,
)
from lorekeeper.errors import LorekeeperError, NotAllowed
from lorekeeper.links import permalink
from lorekeeper.prompt import Turn
from lorekeeper.questions import asks
from lorekeeper.redact import redact
from lorekeeper.store import answers, events, messages, reading, ways
from lorekeeper.text import slack_to_markdown

TURNS = 8  # earlier messages of the thread that the model is shown
TURN_CHARACTERS = 1500

PLACE_GONE = {"thread_not_found", "channel_not_found", "not_in_channel", "is_archived"}
"""The question, or the bot's seat, was taken away while it was answered: nobody is left to tell."""

STATUS = {
    "waiting": "is waiting: {} before you…",
    "searching": "is searching what was said…",
    "writing": "is writing…",
    "": "is searching what was said…",
}


NOTHING_ASKED = "Ask me something, here or in a direct message; `/lore help` says what I can do."
ONLY_FILES = "I cannot read pictures and files. Write your question, and I look for what was said."
OFF = (
    "I do not answer in this channel. `/lore ask` answers you alone, and so does a direct message."
)


class Meant(Enum):
    """Whether a message asks the bot."""

    NOT = auto()
    PERHAPS = auto()  # a question to nobody in particular
    SURELY = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Somebody asked: where, when, and what, as Markdown."""

    channel: str
    ts: str
    user: str
    text: str
    thread_ts: str | None = None
    unmentioned: bool = (
        False  # nobody asked the bot; it answers where it knows, and else keeps quiet
    )
    has_files: bool = False

    @property
    def root(self) -> str:
        return self.thread_ts or self.ts

    @property
    def conversation(self) -> str:
        return f"{self.channel}/{self.root}"


def heard(desk: Desk, channel: str, raw: Json) -> None:
    """A message: if it asks the bot something, it is put in the inbox, once, however often it is heard.

    A mention comes as `message` and as `app_mention`; both have the same `ts`.
    """
    meant = _meant_for_us(desk, channel, raw)
    if meant is Meant.NOT:
        return
    with reading(desk.engine) as db:
        chosen = ways.of(db, channel)
    if meant is Meant.PERHAPS and not (chosen.answers and chosen.unmentioned):
        return
    if not chosen.answers:
        whisper(desk, channel=channel, user=raw["user"], thread_ts=raw.get("thread_ts"), text=OFF)
        return
    ask(desk, replace(question_of(desk, channel, raw), unmentioned=meant is Meant.PERHAPS))


def ask(desk: Desk, question: Question, *, again: str = "") -> None:
    """Put the question in the inbox. `again` names a new try, which is a question of its own."""
    desk.inbox.put(events.question_id(question.channel, question.ts) + again, _payload(question))


def answer(desk: Desk, question: Question) -> None:
    """Answer one question from the inbox, and say so when that cannot be done."""
    begun = desk.asking.begin(
        channel=question.channel, ts=question.ts, root=question.root, text=question.text
    )
    before = desk.asking.ended(question.channel, question.ts)
    with begun as asked:
        _catch_up(desk, question, asked)
        writing = _message(desk, question, over=before.messages if before else ())
        try:
            if before is not None:
                writing.start_over()
            _answer(desk, question, asked, writing)
        except LorekeeperError as error:
            if not asked.stopped:
                _say_why_not(question, writing, error)
        except SlackApiError as error:
            if error.response["error"] not in PLACE_GONE:
                raise
        finally:
            _status(desk, question, "")
    if asked.ended is not None and asked.edited:  # while its last words were on their way
        ask(desk, replace(question, text=asked.take()), again=f":{time.time():.3f}")


def edited(desk: Desk, channel: str, raw: Json) -> None:
    """The question was edited: one that is being answered, or was while it was edited, is answered as
    it reads now; one that mentions the bot only now is asked now."""
    question, event_id = question_of(desk, channel, raw), events.question_id(channel, raw["ts"])
    with desk.engine.begin() as db:
        waits = events.amend(db, event_id, _payload(question))
        begun = events.amend(db, event_id, _payload(question), state="claimed")
    asked, ended = desk.asking.about(channel, raw["ts"]), desk.asking.ended(channel, raw["ts"])
    edited_at = float((raw.get("edited") or {}).get("ts", "inf"))
    if asked is not None:
        asked.edit(question.text)
    elif waits:
        return
    elif ended is not None and edited_at <= ended.at:  # Slack tells of some edits late
        ask(desk, question, again=f":{edited_at:.6f}")
    elif ended is None and not begun:
        heard(desk, channel, raw)


def withdrawn(desk: Desk, channel: str, ts: str) -> None:
    """The question was deleted: whoever is answering it stops, or nobody begins."""
    with desk.engine.begin() as db:
        events.amend(db, events.question_id(channel, ts), None)
        events.amend(db, events.question_id(channel, ts), None, state="claimed")
    asked = desk.asking.about(channel, ts)
    if asked is not None:
        asked.withdraw()


def stopped(desk: Desk, channel: str, root: str) -> None:
    """Somebody pressed Slack's stop button in this thread."""
    for asked in desk.asking.in_thread(channel, root):
        asked.stop()
    desk.client.agents_sessions_setStatus(channel_id=channel, thread_ts=root, status="active")


def retry(desk: Desk, value: str) -> None:
    """The button under a failed answer: the question is asked again, as it reads now.

    Raises:
        BadInput: it was deleted meanwhile.
    """
    channel, ts, root = value.split(":")
    raw = threads.raw_message(desk, channel, ts, root)
    ask(desk, question_of(desk, channel, raw), again=f":{time.time():.3f}")


def question_of(desk: Desk, channel: str, raw: Json) -> Question:
    """Secrets are removed before anything is sent anywhere."""
    said = threads.without_mention(desk.me, slack_to_markdown(raw))
    return Question(
        channel=channel,
        ts=raw["ts"],
        user=raw.get("user", ""),
        text=redact(said, people=False).text,
        thread_ts=raw.get("thread_ts"),
        has_files=bool(raw.get("files")),
    )


def asking_of(
    desk: Desk, where: Channel, user: str, turns: list[Turn], *, alone: bool = False, **more: Any
) -> gateway.Asking:
    """What may be quoted to this person here, and by which model.

    Raises:
        NotAllowed: nothing may be.
    """
    scopes = desk.access.scopes_for(where, user, alone=alone)
    if not scopes:
        raise NotAllowed(
            "Guests and people of other organisations read here, so I quote nothing.",
            fix="A member of this workspace can ask me in a direct message.",
        )
    tuned = desk.access.may_use_tuned_weights(where, user)
    with reading(desk.engine) as db:
        chosen = ways.of(db, where.id)
    return gateway.Asking(
        turns=turns,
        scopes=scopes,
        asker=user,
        channel=where.id,
        # Nothing that was trained on can come out of the base.
        model=(chosen.adapter or gateway.ASSISTANT) if tuned else BASE_NAME,
        kinds=chosen.sources,
        style=chosen.style,
        **more,
    )


def _payload(question: Question) -> Json:
    return {"type": "question", **asdict(question)}


def _meant_for_us(desk: Desk, channel: str, raw: Json) -> Meant:
    if not threads.is_spoken(raw) or raw.get("bot_id") or not raw.get("user"):
        return Meant.NOT
    text = raw.get("text", "")
    if channel.startswith("D") or f"<@{desk.me.user}" in text:
        return Meant.SURELY
    if "<@" in text or not asks(text):
        return Meant.NOT
    if raw.get("thread_ts") in (None, raw["ts"]):
        return Meant.PERHAPS
    return Meant.SURELY if _spoke_last(desk, channel, raw) else Meant.NOT


def _spoke_last(desk: Desk, channel: str, raw: Json) -> bool:
    """Whether this follows the bot's own words; when people talk with each other, it keeps out."""
    said = threads.thread(desk, channel, raw["thread_ts"])
    earlier = [message for message in said if message.ts < raw["ts"]]
    return bool(earlier) and earlier[-1].author in {desk.me.user, desk.me.bot}


def _catch_up(desk: Desk, question: Question, asked: Asked) -> None:
    """What was edited or deleted after the question was claimed, and before anybody could be told."""
    with reading(desk.engine) as db:
        now = events.asked(db, events.question_id(question.channel, question.ts))
    if now:
        asked.edit(now["text"])
    elif now is not None:
        asked.withdraw()


def _message(desk: Desk, question: Question, *, over: tuple[str, ...]) -> Writing:
    return Writing(
        desk.client,
        channel=question.channel,
        thread_ts=question.root,
        team=desk.me.team,
        user=question.user,
        over=over,
        at_once=desk.asking.count,
    )


def _answer(desk: Desk, question: Question, asked: Asked, writing: Writing) -> None:
    """Until an answer to the question as it reads now is written, or somebody stops it."""
    where = mirror.channel_of(desk, question.channel)
    while not asked.stopped:
        text = asked.take()
        if not question.unmentioned:
            _status(desk, question, "searching")
        turns = _turns(desk, question, text)
        if not turns:
            writing.write(ONLY_FILES if question.has_files else NOTHING_ASKED)
            writing.finish([])
            return
        asking = asking_of(
            desk,
            where,
            question.user,
            turns,
            thread_ts=question.root,
            exclude=frozenset({question.conversation}),
        )
        made = _write(desk, question, asked, writing, asking)
        if made is not None:
            if writing.messages or not _is_better_unsaid(question, made):
                _finish(desk, question, writing, made)
                asked.end(writing.messages)
            return
        if asked.edited and not asked.stopped:
            writing.start_over()
    _leave_off(desk, asked, writing)


def _write(
    desk: Desk, question: Question, asked: Asked, writing: Writing, asking: gateway.Asking
) -> Answer | None:
    """Stream one answer; None when it was interrupted, or may not be made from this any more."""
    made: Answer | None = None
    is_shown = not question.unmentioned
    with closing(gateway.ask(desk.settings.serving, asking)) as pieces:
        for piece in pieces:
            if asked.interrupted or not may_still_see(desk, asking, piece.scopes):
                return None
            is_shown = is_shown or piece.status == "writing"
            if piece.status and not piece.text and is_shown:
                _status(desk, question, _doing(piece))
            if piece.text and is_shown:
                writing.write(unpinged(desk, piece.text))
            made = piece.answer or made
    if made is None:
        raise LorekeeperError("The answer broke off.", fix="Try again.")
    if not may_still_see(desk, asking, made.scopes):
        made = replace(made, people=())  # nothing was quoted; nor is anybody named
    return None if asked.interrupted else made


def _doing(piece: gateway.Piece) -> str:
    """Whoever waits is told the place."""
    return STATUS.get(piece.status, piece.status).format(piece.before)


def _finish(desk: Desk, question: Question, writing: Writing, made: Answer) -> None:
    if not writing.text.strip():
        writing.write(unpinged(desk, made.text))
    ts = writing.finish(footer(desk, made, retry=_retry(question)))
    with desk.engine.begin() as db:
        answers.posted(
            db, made.id, channel=question.channel, thread_ts=question.root, message_ts=ts
        )
        if not question.channel.startswith("D"):
            messages.put(db, _own(desk, question, made, ts))


def footer(desk: Desk, made: Answer, *, retry: str = "") -> list[Block]:
    """What stands under an answer, with the people by name: naming somebody wakes nobody."""
    return shown.footer(made, people=[profile(desk, user) for user in made.people], retry=retry)


def _is_better_unsaid(question: Question, made: Answer) -> bool:
    """Nobody asked the bot, and it doesn't know."""
    return question.unmentioned and made.level is Level.UNKNOWN


def may_still_see(desk: Desk, asking: gateway.Asking, scopes: Iterable[str]) -> bool:
    """What is about to be quoted may be seen only through a membership: it is looked up again."""
    closed = {scope for scope in scopes if scope not in {PUBLIC, asking.channel}}
    if PUBLIC in scopes:  # a guest sees the public part of single channels only
        closed |= {place for scope in asking.scopes if (place := channel_of_public(scope))}
    return desk.access.still_in(asking.asker, closed - {asking.channel})


def _own(desk: Desk, question: Question, made: Answer, ts: str) -> Message:
    """The bot's own turn, so that the thread is known whole; it is never quoted nor trained on."""
    return Message(
        channel=question.channel,
        ts=ts,
        author=desk.me.user,
        text=made.text,
        thread_ts=question.root,
        permalink=permalink(desk.me.url, question.channel, ts, question.root),
        is_bot=True,
    )


def _leave_off(desk: Desk, asked: Asked, writing: Writing) -> None:
    """Stopped by a person: what was written stays, marked; of a deleted question nothing stays."""
    if asked.withdrawn and writing.ts is not None:
        writing.replace("_The question was deleted._", [])
    elif not asked.withdrawn:
        writing.write("\n\n_Stopped._" if writing.text else "_Stopped._")
        writing.finish([])


def _say_why_not(question: Question, writing: Writing, error: LorekeeperError) -> None:
    words = f":warning: {error.what} {error.fix}"
    if isinstance(error, NotAllowed):
        writing.replace(words, [])
        return
    blocks = shown.unanswered("Nothing was lost: your question is still here.", _retry(question))
    writing.replace(f"{writing.text}\n\n{words}".strip(), blocks)


def _retry(question: Question) -> str:
    return f"{question.channel}:{question.ts}:{question.root}"


def _turns(desk: Desk, question: Question, text: str) -> list[Turn]:
    """What was said before in the thread, and the question; a bare mention asks about what came before."""
    earlier: Iterable[Message] = ()
    if question.thread_ts and question.thread_ts != question.ts:
        said = threads.thread(desk, question.channel, question.root)
        earlier = [message for message in said if message.ts < question.ts]
    turns = [_turn(desk, message) for message in earlier if message.text.strip()][-TURNS:]
    if text.strip():
        return [*turns, {"role": "user", "content": text}]
    while turns and turns[-1]["role"] != "user":
        turns.pop()
    return turns


def _turn(desk: Desk, message: Message) -> Turn:
    is_ours = message.author in {desk.me.user, desk.me.bot}
    content = threads.without_mention(desk.me, message.text)[:TURN_CHARACTERS]
    return {"role": "assistant" if is_ours else "user", "content": content}


def _status(desk: Desk, question: Question, status: str) -> None:
    """What the bot is doing, under its name; "" takes it away. Slack may not show it, which is no loss."""
    words = STATUS.get(status, status) if status else ""
    try:
        desk.client.assistant_threads_setStatus(
            channel_id=question.channel, thread_ts=question.root, status=words
        )
    except SlackApiError:
        return
