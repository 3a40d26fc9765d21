"""Everything that may be quoted becomes a passage, once, and in the scope of where it was said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from sqlalchemy import Engine

from lorekeeper.domain import (
    PUBLIC,
    Channel,
    Message,
    Origin,
    Pair,
    PairState,
    Passage,
    PassageKind,
    SharedFile,
)
from lorekeeper.settings import Retrieval, Settings
from lorekeeper.store import connect, events, files, messages, pairs, reading
from lorekeeper.tables import metadata
from retrieval import sources
from retrieval.embed import Embedder, HashingEmbedder

OPS = Channel(id="C1", name="ops")
PAIR = Pair(
    id=0,
    question="When do backups run?",
    answer="At night, at two.",
    state=PairState.CANDIDATE,
    origin=Origin.REACTION,
    channel="C1",
    scope=PUBLIC,
    conversation="C1/100.0",
    source="https://team.slack.com/archives/C1/p101",
    answer_ts="101.0",
    question_ts="100.0",
    authors=("U1", "U2"),
    captured_by="U9",
)

Say = Callable[..., Message]


@pytest.fixture
def say(engine: Engine) -> Say:
    with engine.begin() as db:
        messages.put_channel(db, OPS)

    def said(text: str, ts: str, thread_ts: str | None = None, **more: object) -> Message:
        message = Message(channel="C1", ts=ts, author="U1", text=text, thread_ts=thread_ts)
        message = replace(message, **more)  # type: ignore[arg-type]  # the fields' own values
        with engine.begin() as db:
            messages.put(db, message)
        return message

    return said


def approve(engine: Engine, pair: Pair = PAIR) -> None:
    with engine.begin() as db:
        pairs.move(db, pairs.add(db, pair), PairState.APPROVED, by="U9")


def collect(
    engine: Engine, settings: Settings | None = None, embedder: Embedder | None = None
) -> list[Passage]:
    with reading(engine) as db:
        return list(sources.collect(db, settings or Settings(), embedder or HashingEmbedder()))


def test_an_approved_pair_is_a_passage_with_its_answers_link(engine: Engine) -> None:
    approve(engine)
    with engine.begin() as db:
        pairs.add(db, replace(PAIR, answer_ts="900.0", answer="Not reviewed yet."))
    (passage,) = collect(engine)
    assert passage.kind is PassageKind.PAIR
    assert passage.title == "When do backups run?"
    assert passage.text == "When do backups run?\n\nAt night, at two."
    assert (passage.url, passage.scope, passage.author) == (PAIR.source, PUBLIC, "U2")
    assert passage.messages == ("C1/101.0", "C1/100.0")


def test_other_wordings_of_a_question_and_every_part_of_an_answer_are_in_its_passage(
    engine: Engine,
) -> None:
    joined = replace(PAIR, also_asked=("Backup time?",), answer_parts=("101.0", "102.0"))
    approve(engine, joined)
    (passage,) = collect(engine)
    assert "Backup time?" in passage.text
    assert passage.messages == ("C1/101.0", "C1/102.0", "C1/100.0")


def test_a_thread_is_its_question_with_the_replies_of_people(engine: Engine, say: Say) -> None:
    say("When do backups run?", "100.0")
    say("At two.", "101.0", "100.0", author="U2", permalink="https://slack/p101")
    say("I am a bot, ask me", "102.0", "100.0", is_bot=True)
    (passage,) = collect(engine)
    assert passage.text == "When do backups run?\n\nAt two."
    assert (passage.title, passage.author) == ("When do backups run?", "U2")
    assert (passage.conversation, passage.url) == ("C1/100.0", "https://slack/p101")
    assert passage.messages == ("C1/100.0", "C1/101.0")
    assert passage.at == 101.0


def test_a_question_that_only_a_bot_answered_is_no_knowledge(engine: Engine, say: Say) -> None:
    say("When do backups run?", "100.0")
    say("At two.", "101.0", "100.0", is_bot=True)
    assert collect(engine) == []


def test_a_question_that_is_being_answered_is_no_passage_yet(engine: Engine, say: Say) -> None:
    say("When do backups run?", "100.0")
    with engine.begin() as db:
        events.put(db, events.question_id("C1", "100.0"), {"type": "question"})
    assert collect(engine) == []


def test_messages_outside_threads_are_together_until_there_is_a_silence(
    engine: Engine, say: Say
) -> None:
    say("the disk is full", "100.0")
    say("I am growing it", "160.0")
    say("lunch?", "9000.0")
    first, second = collect(engine)
    assert (first.text, second.text) == ("the disk is full\n\nI am growing it", "lunch?")
    assert (first.conversation, second.conversation) == ("C1/100.0", "C1/9000.0")
    assert first.title == "#ops, 1 January 1970"


def test_two_conversations_at_once_are_two_passages_with_their_questions(
    engine: Engine, say: Say
) -> None:
    say("how do I rotate the signing keys?", "100.0", author="U1")
    say("where are the logs of the relay kept?", "110.0", author="U2")
    say("<@U1> run vault rotate", "130.0", author="U3")
    say("<@U2> in the bucket relay-logs", "140.0", author="U4")
    assert [passage.text for passage in collect(engine)] == [
        "how do I rotate the signing keys?\n\n<@U1> run vault rotate",
        "where are the logs of the relay kept?\n\n<@U2> in the bucket relay-logs",
    ]
    assert collect(engine)[0].title == "how do I rotate the signing keys?"


def test_a_passage_of_a_pinned_message_is_marked(engine: Engine, say: Say) -> None:
    say("the disk is full", "100.0")
    (before,) = collect(engine)
    with engine.begin() as db:
        messages.pin(db, "C1", "100.0", is_pinned=True)
    (after,) = collect(engine)
    assert (before.is_pinned, after.is_pinned) == (False, True)
    assert before.id != after.id  # an index must see the difference


def test_what_cannot_be_seen_is_no_part_of_a_passage(engine: Engine, say: Say) -> None:
    say("re\u200bstart the \u202erelay", "100.0")
    assert [passage.text for passage in collect(engine)] == ["restart the relay"]


def share(engine: Engine, *channels: Channel, text: str = "# Ports\n\nThe relay: 7007.") -> None:
    file = SharedFile(
        id="F1", title="Ports", author="U1", text=text, url="https://slack/F1", at=5.0,
        channels=tuple(channel.id for channel in channels),
    )  # fmt: skip
    with engine.begin() as db:
        for channel in channels:
            messages.put_channel(db, channel)
        files.put(db, file)


def test_a_file_is_a_passage_of_its_channel(engine: Engine) -> None:
    share(engine, Channel(id="G1", name="x", is_private=True))
    (passage,) = collect(engine)
    assert (passage.kind, passage.text) == (PassageKind.FILE, "Ports\n\nThe relay: 7007.")
    assert (passage.scope, passage.author, passage.at) == ("G1", "U1", 5.0)
    assert (passage.url, passage.messages) == ("https://slack/F1", ("G1/F1",))


PUBLIC_1, PUBLIC_2 = Channel(id="C1", name="a"), Channel(id="C2", name="b")
PRIVATE_1, PRIVATE_2 = (Channel(id=f"G{n}", name="p", is_private=True) for n in (1, 2))
CONNECT = Channel(id="C3", name="c", is_shared=True)
PRIVATE_CONNECT = Channel(id="G3", name="d", is_private=True, is_shared=True)


@pytest.mark.parametrize(
    ("shared_in", "places"),
    [
        ((PRIVATE_1, PRIVATE_2), {("G1", "G1/F1"), ("G2", "G2/F1")}),
        ((PUBLIC_1, PUBLIC_2), {(PUBLIC, "C1/F1")}),
        ((PUBLIC_1, PRIVATE_1), {(PUBLIC, "C1/F1")}),
        ((PUBLIC_1, CONNECT), {(PUBLIC, "C3/F1")}),
        ((PRIVATE_1, CONNECT), {(PUBLIC, "C3/F1")}),
        ((PUBLIC_1, PRIVATE_CONNECT), {(PUBLIC, "C1/F1"), ("G3", "G3/F1")}),
        ((), set()),
    ],
)
def test_a_file_in_many_channels_is_there_once_for_all_who_see_it(
    engine: Engine, shared_in: tuple[Channel, ...], places: set[tuple[str, str]]
) -> None:
    share(engine, *shared_in)
    assert {(found.scope, found.conversation) for found in collect(engine)} == places


def test_files_that_cannot_be_read_are_named(engine: Engine) -> None:
    share(engine, PUBLIC_1, text="")
    with engine.begin() as db:
        files.put(db, replace(next(files.every(db)), reason="is encrypted"))
    with reading(engine) as db:
        (left_out,) = sources.left_out(db, Settings())
    assert (left_out.name, left_out.reason) == ("https://slack/F1", "is encrypted")
    assert collect(engine) == []


def test_what_an_approved_pair_holds_is_not_said_twice(engine: Engine, say: Say) -> None:
    approve(engine)
    say("When do backups run?", "100.0")
    say("At night, at two.", "101.0", "100.0")
    assert [passage.kind for passage in collect(engine)] == [PassageKind.PAIR]
    say("And on Sundays at four.", "102.0", "100.0")
    _, thread = collect(engine)
    assert thread.text == "When do backups run?\n\nAnd on Sundays at four."


@pytest.mark.parametrize(
    ("channel", "scope"),
    [
        (Channel(id="C1", name="ops"), PUBLIC),
        (Channel(id="C1", name="ops", is_private=True), "C1"),
        (Channel(id="C1", name="", is_direct=True), "C1"),
    ],
)
def test_a_passage_has_the_scope_of_its_channel(
    engine: Engine, say: Say, channel: Channel, scope: str
) -> None:
    approve(engine)
    say("something else", "9000.0")
    with engine.begin() as db:
        messages.put_channel(db, channel)
    assert [passage.scope for passage in collect(engine)] == [scope, scope]


def test_what_was_said_in_an_unknown_channel_is_private_to_it(engine: Engine) -> None:
    with engine.begin() as db:
        messages.put(db, Message(channel="G7", ts="1.0", author="U1", text="hello"))
    assert [passage.scope for passage in collect(engine)] == ["G7"]


def test_a_private_pair_stays_private_where_its_channel_is_public_now(
    engine: Engine, say: Say
) -> None:
    approve(engine, replace(PAIR, scope="C1"))
    assert [passage.scope for passage in collect(engine)] == ["C1"]


def test_documents_are_for_everyone_and_open_at_their_heading(
    engine: Engine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "pages"
    folder.mkdir()
    (folder / "disk.md").write_text("# Disk\n\n## How to fix\n\nGrow it.")
    (folder / "noise.bin").write_bytes(b"\0")
    settings = Settings(retrieval=Retrieval(documents=(str(folder),)))
    (passage,) = collect(engine, settings)
    assert passage.text == "Disk › How to fix\n\nGrow it."
    assert passage.url == (folder / "disk.md").as_uri() + "#how-to-fix"
    assert (passage.kind, passage.scope) == (PassageKind.DOCUMENT, PUBLIC)
    assert "noise.bin" in caplog.text


def test_an_id_stays_for_as_long_as_text_and_place_do(engine: Engine, say: Say) -> None:
    say("the disk is full", "100.0")
    before = collect(engine)
    assert collect(engine) == before
    say("the disk is empty", "100.0")
    assert collect(engine)[0].id != before[0].id


def test_no_passage_is_over_the_limit_of_the_real_tokenizer(
    engine: Engine, say: Say, minilm: Embedder
) -> None:
    approve(engine, replace(PAIR, question="why " * 300, answer="because 漢字 " * 400))
    say("x" * 3000 + " " + "word " * 700, "9000.0")
    settings = Settings(retrieval=Retrieval(chunk_tokens=64, documents=("pydoc",)))
    found = collect(engine, settings, minilm)
    assert max(minilm.count_tokens(passage.text) for passage in found) <= 64


spoken = st.lists(
    st.tuples(
        st.sampled_from(["C1", "G2", "C3"]),
        st.integers(1, 12),
        st.one_of(st.none(), st.integers(1, 12)),
        st.text(alphabet="ab c", min_size=1, max_size=30).filter(str.strip),
        st.booleans(),
    ),
    max_size=15,
    unique_by=lambda said: (said[0], said[1]),
)


@given(said=spoken)
@examples(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_every_passage_of_a_channel_has_its_scope_and_only_peoples_words(
    tmp_path_factory: pytest.TempPathFactory, said: list[tuple[str, int, int | None, str, bool]]
) -> None:
    engine = connect(f"sqlite:///{tmp_path_factory.mktemp('db') / 'x.sqlite'}")
    channels = [OPS, Channel(id="G2", name="secret", is_private=True)]
    bots = {f"{channel}/{ts}.0" for channel, ts, _, _, is_bot in said if is_bot}
    with engine.begin() as db:
        metadata.create_all(db)
        for channel in channels:
            messages.put_channel(db, channel)
        for channel_id, ts, root, text, is_bot in said:
            thread = f"{root}.0" if root is not None and root < ts else None
            messages.put(
                db,
                Message(
                    channel=channel_id,
                    ts=f"{ts}.0",
                    author="U1",
                    text=text,
                    thread_ts=thread,
                    is_bot=is_bot,
                ),
            )
    scopes = {"C1": PUBLIC, "G2": "G2", "C3": "C3"}
    for passage in collect(engine):
        assert {scopes[name.partition("/")[0]] for name in passage.messages} == {passage.scope}
        assert not bots & set(passage.messages)
        assert passage.text.strip()
    engine.dispose()
