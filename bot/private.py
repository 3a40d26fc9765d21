"""`/lore ask` in; an answer for the asker alone, and, when they press Share, for everyone there, out."""

from __future__ import annotations

from bot import gateway, mirror, reply
from bot.blocks import answers as shown
from bot.blocks.text import FALLBACK, shorten
from bot.desk import Desk, Json
from bot.tell import profile, respond, take_away, unpinged
from lorekeeper.domain import Answer, Channel, Level, Message
from lorekeeper.errors import BadInput, LorekeeperError, NotAllowed
from lorekeeper.links import permalink
from lorekeeper.redact import redact
from lorekeeper.store import answers, messages, reading
from lorekeeper.text import mrkdwn_to_markdown

TRIES = 3  # an answer is begun again when the asker's memberships changed meanwhile


def ask(desk: Desk, body: Json, question: str) -> None:
    """Answer a command. Only the asker reads it, so it may quote whatever the asker can see."""
    if not question:
        raise BadInput("You asked nothing.", fix="Write `/lore ask` and your question.")
    where = mirror.describe_or_unknown(desk, body["channel_id"])
    respond(body, "Searching what was said…")
    clean = redact(mrkdwn_to_markdown(question), people=False).text
    made = _asked(desk, where, body["user_id"], clean, alone=True)
    text = unpinged(desk, made.text)
    people = [profile(desk, user) for user in made.people]
    for blocks in shown.only_for_you(made, text, people):
        respond(body, made.text, blocks)


def share(desk: Desk, body: Json, answer_id: str) -> None:
    """Post a private answer where it was asked for; made again where it was made from more than those
    who read there may see.

    Raises:
        NotAllowed: nothing of it may be shown there, or somebody else asked.
    """
    by = str(body["user"]["id"])
    with reading(desk.engine) as db:
        private = answers.get(db, answer_id)
    if private.asker != by:
        raise NotAllowed("Only who asked can share the answer.", fix="Ask it yourself.")
    where = mirror.channel_of(desk, private.channel)
    made = private if _all_may_see(desk, where, by, private) else _for_all(desk, where, private)
    if made.level is Level.UNKNOWN:
        raise NotAllowed(
            "Nothing was shared: I made the answer from what not everyone here may see, and from the"
            " rest I cannot answer.",
            fix="You still see it above.",
        )
    _remember(desk, where, made, _post(desk, where, made, by))
    again = "" if made is private else " It was made again, from what everyone here may see."
    take_away(body, f"Shared.{again}")


def _asked(desk: Desk, where: Channel, user: str, question: str, *, alone: bool) -> Answer:
    """The whole answer. Begun again where what it is made from may not be seen any more."""
    for _ in range(TRIES):
        asking = reply.asking_of(
            desk, where, user, [{"role": "user", "content": question}], alone=alone
        )
        made: Answer | None = None
        for piece in gateway.ask(desk.settings.serving, asking):
            made = piece.answer or made
        if made is None:
            raise LorekeeperError("The answer broke off.", fix="Ask again.")
        if reply.may_still_see(desk, asking, made.scopes):
            return made
    raise LorekeeperError("What you may see keeps changing.", fix="Ask again in a minute.")


def _all_may_see(desk: Desk, where: Channel, by: str, made: Answer) -> bool:
    """Whether everything that it was made from, the weights included, is for everyone who reads there."""
    scopes = desk.access.scopes_for(where, by)
    is_tuned = made.level is Level.TUNED
    return set(made.scopes) <= scopes and (
        not is_tuned or desk.access.may_use_tuned_weights(where, by)
    )


def _for_all(desk: Desk, where: Channel, private: Answer) -> Answer:
    return _asked(desk, where, private.asker, private.question, alone=False)


def _post(desk: Desk, where: Channel, made: Answer, by: str) -> str:
    """What is long goes on in the thread of the first message, whose `ts` this gives."""
    first: str | None = None
    text, below = unpinged(desk, made.text), reply.footer(desk, made)
    for blocks in shown.shared(made, text, by, below):
        sent = desk.client.chat_postMessage(
            channel=where.id, thread_ts=first, text=shorten(made.text, FALLBACK), blocks=blocks
        )
        first = first or str(sent["ts"])
    assert first is not None
    return first


def _remember(desk: Desk, where: Channel, made: Answer, ts: str) -> None:
    with desk.engine.begin() as db:
        answers.posted(db, made.id, channel=where.id, thread_ts=ts, message_ts=ts)
        if not where.is_direct:
            own = Message(
                channel=where.id,
                ts=ts,
                author=desk.me.user,
                text=made.text,
                permalink=permalink(desk.me.url, where.id, ts, None),
                is_bot=True,
            )
            messages.put(db, own)
