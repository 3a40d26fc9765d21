"""A passage knows its section: the parts around it come back in order, and only those that may be seen."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine

from lorekeeper.artifacts import ArtifactStore
from lorekeeper.domain import PUBLIC, Channel, Message, Passage, PassageKind, SharedFile
from lorekeeper.settings import Retrieval, Settings
from lorekeeper.store import files, messages, reading
from retrieval import sources
from retrieval.embed import HashingEmbedder
from retrieval.index import Index, build


def part(number: int, *, scope: str = PUBLIC) -> Passage:
    return sources.passage(
        kind=PassageKind.THREAD, text=f"asked\n\npart {number}", title="t", url="u", scope=scope,
        conversation="C1/1.0", said=(f"C1/{number}.0",), part=number, lead=7,
    )  # fmt: skip


@pytest.fixture
def index(tmp_path: Path) -> Index:
    shuffled = [part(3), part(0), part(2), part(1), part(1, scope="G1"), part(4)]
    return build(shuffled, HashingEmbedder(), ArtifactStore(tmp_path))


def numbers(found: list[Passage]) -> list[int]:
    return [passage.part for passage in found]


def test_the_parts_of_a_conversation_come_in_their_order_and_of_one_scope(index: Index) -> None:
    found = index.section(part(2))
    assert numbers(found) == [0, 1, 2, 3, 4]
    assert {passage.scope for passage in found} == {PUBLIC}
    assert numbers(index.section(part(1, scope="G1"))) == [1]


def test_what_was_taken_back_is_a_gap_over_which_nothing_is_shown(index: Index) -> None:
    index.hide([part(1).id])
    assert numbers(index.section(part(3))) == [2, 3, 4]


def test_what_must_not_be_quoted_is_in_no_section(index: Index) -> None:
    assert numbers(index.section(part(0), exclude=frozenset({"C1/2.0"}))) == [0, 1]


def test_parts_of_a_document_a_file_and_a_thread_give_the_whole(
    engine: Engine, tmp_path: Path, data: Path
) -> None:
    long = "\n\n".join(f"Paragraph {n} says something of its own." for n in range(60))
    page = tmp_path / "page.md"
    page.write_text(f"# Relay\n\n## Ports\n\n{long}\n\n## Other\n\nShort.")
    with engine.begin() as db:
        messages.put_channel(db, Channel(id="C1", name="ops"))
        for n, text in enumerate(("How is it?", *(f"It is {n}. " * 20 for n in range(20)))):
            said = Message(channel="C1", ts=f"{n + 1}.0", author="U1", text=text, thread_ts="1.0")
            messages.put(db, said)
        files.put(
            db,
            SharedFile(
                id="F1", title="Notes", author="U1", text=long, url="u", at=1.0, channels=("C1",)
            ),
        )  # fmt: skip
    settings = Settings(retrieval=Retrieval(documents=(str(page),), chunk_tokens=64))
    with reading(engine) as db:
        found = list(sources.collect(db, settings, HashingEmbedder()))
    index = build(found, HashingEmbedder(), ArtifactStore(data))
    for one in found:
        section = index.section(one)
        assert one in section
        assert numbers(section) == list(range(len(section)))
        assert len({passage.text[: passage.lead] for passage in section}) == 1
    ports = index.section(next(p for p in found if p.title == "Relay › Ports"))
    assert [body for p in ports for body in p.text[p.lead :].split("\n\n")] == long.split("\n\n")
    assert {len(index.section(passage)) > 1 for passage in found} == {True, False}
