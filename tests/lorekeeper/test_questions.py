"""The question that a message answers is found in threads and in flat, busy channels."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lorekeeper.domain import Message
from lorekeeper.questions import LULL, SURE, asks, conversations, mine, question_for


def said(at: float, author: str, text: str, thread: float | None = None) -> Message:
    root = f"{thread:.6f}" if thread is not None else None
    return Message(channel="C", ts=f"{at:.6f}", author=author, text=text, thread_ts=root)


def test_in_a_thread_the_root_asks() -> None:
    root = said(1, "UA", "How do I rotate keys?", thread=1)
    reply = said(9, "UB", "Run `vault rotate`.", thread=1)
    assert question_for(reply, [root]) == root


def test_nobody_answers_themselves() -> None:
    root = said(1, "UA", "How do I rotate keys?", thread=1)
    assert question_for(said(9, "UA", "Found it: `vault rotate`.", thread=1), [root]) is None


def test_in_a_flat_channel_the_mention_decides() -> None:
    messages = [
        said(1, "UA", "How do I rotate keys?"),
        said(20, "UB", "Where is the release calendar?"),
        said(40, "UC", "good morning"),
    ]
    answer = said(60, "UD", "<@UA> run the rotate script, it asks for the new name")
    assert question_for(answer, messages) == messages[0]


def test_a_question_in_pieces_is_one_question() -> None:
    messages = [said(1, "UA", "I get a timeout"), said(20, "UA", "how do I make it longer?")]
    found = question_for(said(60, "UB", "Set the timeout in the settings file."), messages)
    assert found is not None
    assert found.text == "I get a timeout\nhow do I make it longer?"
    assert found.ts == messages[0].ts


def test_chatter_answers_nothing() -> None:
    assert question_for(said(60, "UB", "nice weather"), [said(1, "UA", "good morning")]) is None
    assert question_for(said(9000, "UB", "use rotate"), [said(1, "UA", "How do I rotate?")]) is None


def test_mining_says_how_sure_it_is() -> None:
    messages = [
        said(1, "UA", "How do I rotate the vault keys?"),
        said(30, "UB", "<@UA> run `vault rotate`, the keys are replaced at once"),
        said(60, "UA", "<@UB> thanks, that works"),
        said(5000, "UC", "Is anyone at the office?"),
        said(5900, "UD", "deploy is done"),
    ]
    found = mine(messages)
    assert [pair.question.author for pair in found if pair.confidence >= SURE] == ["UA"]
    assert all(0 <= pair.confidence <= 1 for pair in found)


def test_what_reads_as_a_question() -> None:
    assert asks("why is it slow")
    assert asks("does `a ? b : c` work")
    assert not asks("it works now")
    assert not asks("see `x?`")


def test_a_name_reaches_over_what_others_say_in_between() -> None:
    messages = [
        said(1, "UA", "do I need `global` if I only read it inside a function?"),
        said(96, "UB", "anyone up for tacos at 12:30?"),
        said(190, "UC", "me!"),
        said(285, "UD", "+1"),
    ]
    answer = said(380, "UE", "<@UA> No, reading needs no declaration inside a function.")
    assert question_for(answer, messages) == messages[0]


def parts(messages: list[Message]) -> list[list[str]]:
    return [[message.text for message in talk] for talk in conversations(messages)]


def test_two_conversations_at_once_are_parted() -> None:
    assert parts(
        [
            said(0, "UA", "how do I rotate keys?"),
            said(10, "UB", "where are the logs of the relay?"),
            said(30, "UC", "rotating keys is done with vault"),
            said(40, "UD", "<@UB> in the bucket"),
            said(60, "UA", "<@UC> thanks"),
        ]
    ) == [
        ["how do I rotate keys?", "rotating keys is done with vault", "<@UC> thanks"],
        ["where are the logs of the relay?", "<@UB> in the bucket"],
    ]


def test_a_conversation_goes_on_after_a_short_silence_and_not_after_a_long_one() -> None:
    messages = [said(at, who, "and so on") for at, who in ((0, "UA"), (600, "UB"), (10_000, "UA"))]
    assert [len(talk) for talk in conversations(messages)] == [2, 1]


spoken = st.lists(
    st.tuples(
        st.integers(0, 4000),
        st.sampled_from(["UA", "UB", "UC"]),
        st.sampled_from(["how does it work?", "so", "<@UA> like that", "keys rotate at night"]),
    ),
    max_size=40,
)


@given(spoken)
def test_every_message_is_in_one_conversation_and_in_its_order(
    told: list[tuple[int, str, str]],
) -> None:
    messages = [said(at + n / 100, who, text) for n, (at, who, text) in enumerate(sorted(told))]
    found = list(conversations(messages))
    assert sorted((m for talk in found for m in talk), key=lambda m: m.at) == messages
    assert all(list(talk) == sorted(talk, key=lambda m: m.at) for talk in found)
    assert list(conversations(messages)) == found


@given(spoken, spoken)
def test_what_was_said_after_a_long_silence_parts_nothing_before_it_otherwise(
    first: list[tuple[int, str, str]], second: list[tuple[int, str, str]]
) -> None:
    """So that an index can cut anew what was said between two silences, and nothing else."""
    before = [said(at + n / 100, who, text) for n, (at, who, text) in enumerate(sorted(first))]
    shift = 4001 + LULL
    after = [
        said(at + shift + n / 100, who, text) for n, (at, who, text) in enumerate(sorted(second))
    ]
    alone = [*conversations(before), *conversations(after)]
    assert sorted(conversations(before + after), key=str) == sorted(alone, key=str)
