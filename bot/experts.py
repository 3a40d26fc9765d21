"""An answer that did not help in; the question put before people who may know, out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from slack_sdk.errors import SlackApiError

from bot import mirror
from bot.access import is_group
from bot.blocks import answers as shown
from bot.desk import Desk, Json
from bot.tell import respond
from lorekeeper.domain import Answer, Channel
from lorekeeper.errors import BadInput, NotAllowed
from lorekeeper.links import permalink
from lorekeeper.store import answers, cards, pairs, reading, ways

CALLED = 3  # people; a user group that was chosen counts as one


def call(desk: Desk, body: Json, answer_id: str) -> None:
    """Tag the channel's experts in the thread; of a private question, ask them in direct messages.

    Raises:
        NotAllowed: somebody else asked privately.
        BadInput: there is nobody to ask, or they were asked already.
    """
    by = str(body["user"]["id"])
    with reading(desk.engine) as db:
        answer = answers.get(db, answer_id)
    where = mirror.describe_or_unknown(desk, answer.channel)
    is_open = answer.thread_ts is not None and not where.is_direct
    if not is_open and answer.asker != by:
        raise NotAllowed("Only who asked can hand this question on.", fix="Ask it yourself.")
    experts = of(desk, where, answer, but=by)
    if not experts:
        raise BadInput(
            "I know nobody here who answered something like it.",
            fix="Curators can name experts with `/lore channel`.",
        )
    with _once(desk, answer):
        if is_open:
            _in_thread(desk, answer, by, experts)
            respond(body, "I asked, in the thread.")
            return
        people = [one for one in experts if not is_group(one)]
        for one in people:
            _post(desk, one, None, answer, by, [one], url="")
        told = ", ".join(f"<@{one}>" for one in people)
        respond(body, f"I sent your question to {told}. They write to you.")


def of(desk: Desk, where: Channel, answer: Answer, *, but: str) -> list[str]:
    """Whom to ask: those the channel named, else who answered alike, else who answered most there."""
    with reading(desk.engine) as db:
        named = ways.of(db, where.id).experts
        known = named or answer.people or pairs.answerers(db, where.id, limit=CALLED + 1)
    return [one for one in known if one != but and _is_there(desk, one)][:CALLED]


def _is_there(desk: Desk, one: str) -> bool:
    return is_group(one) or (one != desk.me.user and not desk.access.person(one).is_gone)


def _in_thread(desk: Desk, answer: Answer, by: str, experts: list[str]) -> None:
    url = permalink(desk.me.url, answer.channel, answer.thread_ts or "", None)
    ts = _post(desk, answer.channel, answer.thread_ts, answer, by, experts, url=url)
    with desk.engine.begin() as db:
        cards.put(db, _subject(answer), channel=answer.channel, ts=ts)


@contextmanager
def _once(desk: Desk, answer: Answer) -> Iterator[None]:
    """However often and by whomever the button is pressed. Raises BadInput for all but the first."""
    with desk.engine.begin() as db:
        is_first = cards.claim(db, _subject(answer))
    if not is_first:
        raise BadInput("People were asked already.", fix="They answer as soon as they can.")
    try:
        yield
    except SlackApiError:
        with desk.engine.begin() as db:
            cards.give_up(db, _subject(answer))
        raise


def _post(
    desk: Desk,
    channel: str,
    thread: str | None,
    answer: Answer,
    by: str,
    experts: list[str],
    *,
    url: str,
) -> str:
    sent = desk.client.chat_postMessage(
        channel=channel,
        thread_ts=thread,
        text=f"<@{by}> asks for a person's answer.",
        blocks=shown.handed_on(answer, by, experts, url),
    )
    return str(sent["ts"])


def _subject(answer: Answer) -> str:
    return f"human:{answer.id}"
