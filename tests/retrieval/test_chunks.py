"""Text is cut where it is cut best, nothing over the limit, nothing lost."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from retrieval.chunks import Turn, conversation, document, pieces


def words(text: str) -> int:
    return len(text.split())


def characters(text: str) -> int:
    return len(text)


def spread(text: str) -> str:
    """The text without its spaces: what must come back, to the letter."""
    return "".join(text.split())


lines = st.text(alphabet="abc .!?#`|->*\n\t[]:1é漢🙂", max_size=200)
structured = st.lists(
    st.one_of(
        st.sampled_from(["# Top", "## Part", "### Detail", "Setext\n======", "[a]: https://x.y"]),
        st.text(alphabet="ab c.", min_size=1, max_size=80).map(str.strip).filter(bool),
        st.lists(st.text(alphabet="xy z", max_size=12), max_size=8).map(
            lambda code: "```python\n" + "\n".join(code) + "\n```"
        ),
        st.lists(st.text(alphabet="xyz", min_size=1, max_size=5), min_size=1, max_size=8).map(
            lambda rows: "| a | b |\n| --- | --- |\n" + "\n".join(f"| {r} | {r} |" for r in rows)
        ),
        st.lists(st.text(alphabet="ab c", min_size=1, max_size=20), min_size=1, max_size=5).map(
            lambda items: "\n".join(f"- {item}" for item in items)
        ),
    ),
    max_size=12,
).map("\n\n".join)


@given(text=lines, limit=st.integers(1, 40))
def test_pieces_joined_are_the_text_and_each_fits(text: str, limit: int) -> None:
    found = pieces(text, lambda part: len(part) <= limit)
    assert "".join(found) == text
    assert all(len(part) <= limit for part in found)


@given(text=st.one_of(lines, structured), limit=st.integers(24, 120))
def test_no_chunk_is_over_the_limit_and_every_word_is_in_one(text: str, limit: int) -> None:
    found = document(text, title="Page", limit=limit, count=characters)
    assert all(characters(chunk.text) <= limit for chunk in found)
    everything = "\n".join(chunk.text for chunk in found)
    for letter in set(spread(text)) - set("#=`~|-> \t"):
        assert everything.count(letter) >= text.count(letter)


@given(text=structured)
def test_a_document_without_long_blocks_comes_back_word_by_word(text: str) -> None:
    found = document(text, title="", limit=400, count=words)
    bodies = " ".join(chunk.body for chunk in found).split()
    headings = {word for chunk in found for step in chunk.path for word in step.split()}
    body = re.sub(r"^#+ .*$|^Setext\n=+$", "", text, flags=re.MULTILINE)
    assert bodies == body.split()
    assert headings <= {"Top", "Part", "Detail", "Setext"}


@given(
    question=st.text(alphabet="ab c.\n", max_size=120),
    turns=st.lists(st.text(alphabet="ab c.\n`", max_size=120), max_size=5),
    limit=st.integers(24, 80),
)
def test_every_part_of_a_conversation_fits_and_nothing_said_is_lost(
    question: str, turns: list[str], limit: int
) -> None:
    said = [Turn(key=str(number), text=text) for number, text in enumerate(turns)]
    found = conversation(question, said, limit=limit, count=characters)
    assert all(characters(part.text) <= limit for part in found)
    everything = "".join(part.text for part in found)
    for letter in "abc.":
        assert everything.count(letter) >= question.count(letter) + sum(
            text.count(letter) for text in turns
        )
    assert {key for part in found for key in part.keys} == {
        turn.key for turn in said if turn.text.strip()
    }


def test_every_section_knows_its_headings() -> None:
    found = document(
        "# Disk\n\nIntro.\n\n## Fix\n\nGrow it.\n\n### Later\n\nOrder one.\n\n## Meaning\n\nFull.",
        title="Disk",
        limit=100,
        count=words,
    )
    assert [(chunk.title, chunk.body, chunk.anchor) for chunk in found] == [
        ("Disk", "Intro.", "disk"),
        ("Disk › Fix", "Grow it.", "fix"),
        ("Disk › Fix › Later", "Order one.", "later"),
        ("Disk › Meaning", "Full.", "meaning"),
    ]


def test_a_name_written_together_keeps_both_of_its_spellings() -> None:
    (chunk,) = document("# DiskFull\n\nGrow it.", title="Disk Full", limit=100, count=words)
    assert chunk.title == "Disk Full (DiskFull)"


def test_the_second_heading_of_a_name_has_its_own_anchor() -> None:
    found = document("## Fix\n\na\n\n## Fix\n\nb", title="", limit=100, count=words)
    assert [chunk.anchor for chunk in found] == ["fix", "fix-1"]


def test_a_code_block_is_moved_whole_rather_than_cut() -> None:
    code = "```sh\na b c\nd e f\n```"
    found = document(f"one two three four\n\n{code}", title="", limit=9, count=words)
    assert [chunk.body for chunk in found] == ["one two three four", code]


def test_a_code_block_beyond_the_limit_is_cut_by_lines_and_fenced_again() -> None:
    code = "```sh\na b c\nd e f\ng h i\n```"
    found = document(code, title="", limit=8, count=words)
    assert [chunk.body for chunk in found] == [
        "```sh\na b c\nd e f\n```",
        "```sh\ng h i\n```",
    ]


def test_a_table_beyond_the_limit_is_cut_by_rows_under_its_head() -> None:
    table = "| k | v |\n| --- | --- |\n| a | 1 |\n| b | 2 |"
    found = document(table, title="", limit=15, count=words)
    assert [chunk.body for chunk in found] == [
        "| k | v |\n| --- | --- |\n| a | 1 |",
        "| k | v |\n| --- | --- |\n| b | 2 |",
    ]


def test_a_heading_without_anything_below_it_is_kept() -> None:
    found = document("# Page\n\n## To do", title="Page", limit=100, count=words)
    assert [chunk.text for chunk in found] == ["Page › To do"]


def test_a_megabyte_that_counts_as_one_word_is_still_cut() -> None:
    found = document("x" * 1_000_000, title="", limit=200, count=words)
    assert max(len(chunk.text) for chunk in found) <= 200 * 12
    assert sum(len(chunk.body) for chunk in found) == 1_000_000


def test_the_question_is_repeated_over_every_part() -> None:
    turns = [Turn(key=str(n), text=f"answer {n} is rather long") for n in range(4)]
    found = conversation("How?", turns, limit=12, count=words)
    assert [part.text.split("\n\n")[0] for part in found] == ["How?"] * len(found)
    assert [key for part in found for key in part.keys] == ["0", "1", "2", "3"]
    assert len(found) > 1
