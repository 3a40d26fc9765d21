"""Every format becomes Markdown; what is damaged, forged or too large is refused by name, and harms nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lorekeeper.settings import Retrieval
from retrieval import convert
from retrieval.extract import LONGEST, LONGEST_LINE, extracted
from retrieval.formats import SUFFIXES, Format, Unreadable
from tests.retrieval import office

SETTINGS = Retrieval()


@pytest.fixture
def _converters() -> None:
    pytest.importorskip("markitdown", reason="the extra `docs` is not installed")


def reason(name: str, content: bytes, settings: Retrieval = SETTINGS) -> str:
    with pytest.raises(Unreadable) as refused:
        extracted(name, content, settings)
    return str(refused.value)


@pytest.mark.usefixtures("_converters")
def test_a_pdf_gives_its_lines_and_its_files_name() -> None:
    title, text = extracted("runbook.pdf", office.pdf("Restart the relay", "with care."), SETTINGS)
    assert title == "runbook"
    assert "Restart the relay" in text
    assert "with care." in text


@pytest.mark.usefixtures("_converters")
def test_a_word_file_keeps_headings_and_tables() -> None:
    made = office.docx("Rota", "Who is on call.", table=[["Week", "Name"], ["7", "Ada"]])
    title, text = extracted("x.docx", made, SETTINGS)
    assert title == "Rota"
    assert "Who is on call." in text
    assert [line for line in text.splitlines() if line.startswith("|")][-1] == "| 7 | Ada |"


@pytest.mark.usefixtures("_converters")
def test_slides_are_headings_with_their_text() -> None:
    _, text = extracted("x.pptx", office.pptx(("Plan", "Ship it"), ("Risks", "None")), SETTINGS)
    assert text.index("# Plan") < text.index("Ship it") < text.index("# Risks")
    assert "<!--" not in text


def test_every_sheet_of_a_workbook_is_a_table_under_its_name() -> None:
    made = office.xlsx(Ports=[["name", "port"], ["relay", 7007], [None, None]], Empty=[])
    assert extracted("x.xlsx", made, SETTINGS) == (
        "x",
        "## Ports\n\n| name | port |\n| --- | --- |\n| relay | 7007 |",
    )


def test_a_csv_file_is_a_table_whatever_stands_between_its_cells() -> None:
    for delimiter in ",;\t|":
        lines = [delimiter.join(row) for row in (["name", "port"], ["relay", "7007"], ["db", "1"])]
        _, text = extracted("x.csv", "\n".join(lines).encode(), SETTINGS)
        assert text == "| name | port |\n| --- | --- |\n| relay | 7007 |\n| db | 1 |"


def test_a_page_without_scripts_is_left_of_a_page_with_scripts() -> None:
    html = b"<title>T</title><script>alert(1)</script><p onclick='x()'>seen</p>"
    assert extracted("x.html", html, SETTINGS) == ("T", "seen\n")


def test_what_cannot_be_seen_is_no_part_of_the_text() -> None:
    assert (
        extracted("x.txt", "re\u200bstart \u202ethe\u202c relay".encode(), SETTINGS)[1]
        == "restart the relay"
    )


@pytest.mark.usefixtures("_converters")
@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("empty.pdf", b"", "is empty"),
        ("blank.txt", b" \n ", "is empty"),
        ("hidden.txt", "\u200b\u200b".encode(), "has no text"),
        ("drawing.pdf", office.pdf(), "has no text: it is empty, or pictures only"),
        ("locked.pdf", office.pdf("secret", password="x"), "is encrypted"),
        ("torn.pdf", office.pdf("a")[:300], "is damaged"),
        ("torn.docx", office.docx("a")[:3000], "is damaged"),
        (
            "old.docx",
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600),
            "is encrypted, or of an Office",
        ),
        ("really.docx", office.pdf("a"), "is a file of PDF, though its name says Word: rename it"),
        ("really.md", office.xlsx(A=[["a"]]), "is a file of Excel, though its name says Markdown"),
        ("noise.xlsx", b"just words", "is not a file of Excel, as its name says"),
        ("bomb.docx", office.bomb(500), "unpacks to 500,000,000 bytes"),
        ("image.png", b"\x89PNG", "is not Markdown, text, HTML"),
        ("nul.txt", b"a\0b", "is binary"),
        ("latin.md", "Grüße".encode("latin-1"), "is not UTF-8: byte 2 is 0xfc"),
        ("line.txt", b"x" * (LONGEST_LINE + 1), "has a line of 500,001 characters"),
        ("book.txt", b"word\n" * (LONGEST // 5 + 1), "has 5,000,005 characters of text"),
        (
            "archive.docx",
            office.bomb(1).replace(b"word/document.xml", b"word/documentxxxx"),
            "archive",
        ),
    ],
)
def test_bad_files_are_refused_with_the_reason(name: str, content: bytes, why: str) -> None:
    assert why in reason(name, content)


def test_a_file_over_the_limit_is_not_read() -> None:
    assert reason("x.txt", b"abcdef", Retrieval(largest_file=5)) == "has 6 bytes; the limit is 5"


@pytest.mark.usefixtures("_converters")
def test_ten_megabytes_on_one_line_are_refused() -> None:
    assert "characters of text" in reason("x.txt", b"word " * 2_000_000)


@pytest.mark.usefixtures("_converters")
def test_a_parser_that_takes_too_long_is_ended() -> None:
    hasty = Retrieval(convert_seconds=0.01)
    assert (
        reason("x.pdf", office.pdf("a"), hasty)
        == "takes longer to read than the 0.01 s that are allowed"
    )


@pytest.mark.usefixtures("_converters")
def test_a_parser_that_takes_too_much_memory_is_ended() -> None:
    many = office.xlsx(A=[[f"cell {row} {column}" for column in range(50)] for row in range(4000)])
    with pytest.raises(Unreadable, match="memory"):
        convert.converted(many, Format.XLSX, seconds=60, megabytes=60, longest=LONGEST)


def test_a_child_that_dies_is_a_reason_and_no_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convert.sys, "executable", "/bin/false")
    assert reason("x.xlsx", office.xlsx(A=[["a"]])).startswith("broke its parser (exit 1)")


def test_the_parsers_see_no_secret_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LORE_SLACK__BOT_TOKEN", "xoxb-secret")
    assert "xoxb-secret" not in str(convert._environment())


@given(name=st.sampled_from(sorted(set(SUFFIXES) - {".pdf"})), content=st.binary(max_size=300))
def test_any_bytes_are_read_or_refused_with_a_reason(name: str, content: bytes) -> None:
    try:
        told = extracted(f"x{name}", content, SETTINGS)
    except Unreadable as refused:
        told = ("refused", str(refused))
    assert all(part.strip() for part in told)
