"""Talk of any kind in; pairs of a question with somebody else's later answer, found in bounded memory, out."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from lorekeeper.domain import Message
from lorekeeper.questions import SURE, mine, mine_flat, mine_thread


def said(at, author, text, thread_ts=None):
    return Message(
        channel="C1",
        ts=f"{1_700_000_000 + at}.000100",
        author=author,
        text=text,
        thread_ts=thread_ts,
    )


ADA, GRACE, SAM = "U1", "U2", "U3"
TALK = st.lists(
    st.tuples(
        st.integers(0, 900),
        st.sampled_from([ADA, GRACE, SAM, "U4"]),
        st.sampled_from(
            [
                "How do I restart it?",
                "Run restart.",
                "<@U1> use the console",
                "Thanks!",
                "any idea?",
            ]
        )
        | st.text(max_size=30),
        st.booleans(),
    ),
    max_size=60,
)


def channel(talk) -> list[Message]:
    """The talk by time, some of it as replies to an earlier message."""
    messages: list[Message] = []
    at = 0
    for gap, author, text, is_reply in talk:
        at += gap + 1
        root = messages[-1].root if is_reply and messages else None
        messages.append(said(at, author, text, root))
    return messages


@given(TALK)
def test_nobody_answers_themselves_nor_before_they_were_asked(talk):
    for found in mine(channel(talk)):
        assert found.question.author != found.answer.author
        assert found.question.at < found.answer.at
        assert 0 <= found.confidence <= 1


@given(TALK)
def test_every_question_is_in_one_pair_at_most(talk):
    parts = [part for found in mine(channel(talk)) for part in found.question_parts]
    assert len(parts) == len(set(parts))


@given(TALK)
def test_the_words_are_those_of_the_named_messages(talk):
    messages = {message.ts: message.text for message in channel(talk)}
    for found in mine(channel(talk)):
        assert found.question.text == "\n".join(messages[ts] for ts in found.question_parts)
        assert found.answer.text == "\n".join(messages[ts] for ts in found.answer_parts)


@given(TALK, st.integers(0, 60))
def test_what_comes_much_later_changes_nothing_that_was_found(talk, cut):
    messages = [m for m in channel(talk) if m.thread_ts is None]
    later = [said(10_000_000 + n * 10, SAM, "What else?") for n in range(cut)]
    early = [f for f in mine_flat([*messages, *later]) if f.question.at < 1_705_000_000]
    assert [(f.question, f.answer) for f in early] == [
        (f.question, f.answer) for f in mine_flat(messages)
    ]


def test_a_channel_of_any_length_is_read_as_it_comes():
    taken = 0

    def endless() -> Iterator[Message]:
        nonlocal taken
        for number in range(10**9):
            taken += 1
            asker = number % 2 == 0
            yield said(number * 60, ADA if asker else GRACE, "How is it done?" if asker else "So.")

    found = mine_flat(endless())
    for _ in range(500):
        next(found)
    assert taken < 1200


def test_a_monologue_without_end_is_read_as_it_comes():
    def monologue() -> Iterator[Message]:
        for number in range(100_000):
            yield said(number, ADA, "And another thing?")

    assert list(mine_flat(monologue())) == []


def test_a_name_reaches_over_what_others_say_in_between():
    (found,) = mine(
        [
            said(0, ADA, "How do I restart the gateway?"),
            said(20, SAM, "Lunch is ready."),
            said(40, "U4", "Coming."),
            said(60, GRACE, "<@U1> run `restart gateway` on its host."),
        ]
    )
    assert found.answer.author == GRACE
    assert found.confidence >= SURE


def test_a_reply_to_somebody_else_is_not_taken_for_the_answer():
    found = mine(
        [
            said(0, ADA, "How do I restart the gateway?"),
            said(20, GRACE, "<@U3> yes, at noon."),
        ]
    )
    assert all(pair.confidence < SURE for pair in found)


def test_an_answer_after_a_long_wait_is_less_sure_than_one_at_once():
    def confidence(wait):
        talk = [said(0, ADA, "How do I restart it?"), said(wait, GRACE, "Run restart.")]
        return mine(talk)[0].confidence

    assert confidence(30) > confidence(300) > confidence(1500)


def test_a_thread_is_read_by_itself():
    root = said(0, ADA, "How do I restart it?", "1700000000.000100")
    thread = [
        root,
        said(5, GRACE, "Run restart and wait for a minute.", root.ts),
        said(9, ADA, "Thanks, that worked!", root.ts),
    ]
    found = mine_thread(thread)
    assert found is not None
    assert found.answer.author == GRACE
    assert mine_thread([said(0, ADA, "Lunch!"), *thread[1:]]) is None
