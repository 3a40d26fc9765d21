"""Pages become documents with a source; what cannot be read is named, and the rest is taken."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lorekeeper.errors import NotFound
from lorekeeper.settings import Retrieval
from retrieval import documents
from retrieval.documents import read, stamp
from tests.retrieval import office
from tests.retrieval.conftest import Git


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "pages"
    made.mkdir()
    return made


def reasons(folder: Path) -> dict[str, str]:
    return {Path(each.name).name: each.reason for each in read(str(folder)).left_out}


def test_a_folder_is_read_in_order_with_links_to_its_files(folder: Path) -> None:
    (folder / "b.md").write_text("# Beta\n\ntext")
    (folder / "sub").mkdir()
    (folder / "sub" / "a b.txt").write_text("plain")
    pages = read(str(folder)).documents
    assert [(page.title, page.url) for page in pages] == [
        ("Beta", (folder / "b.md").as_uri()),
        ("a b", (folder / "sub" / "a b.txt").as_uri()),
    ]
    assert pages[0].at > 0


def test_a_base_url_names_the_pages(folder: Path) -> None:
    (folder / "a b.md").write_text("text")
    (page,) = read(f"{folder}=https://wiki.example.com/ops/").documents
    assert page.url == "https://wiki.example.com/ops/a%20b.md"


def test_a_single_file_is_a_source_too(folder: Path) -> None:
    (folder / "a.md").write_text("text")
    assert [page.text for page in read(str(folder / "a.md")).documents] == ["text"]


def test_front_matter_gives_the_title_and_is_not_text(folder: Path) -> None:
    (folder / "a.md").write_text('---\ntitle: "Disk Full"\nweight: 20\n---\n\n# DiskFull\n')
    (page,) = read(str(folder)).documents
    assert (page.title, page.text.strip()) == ("Disk Full", "# DiskFull")


def test_a_line_across_the_page_is_no_front_matter(folder: Path) -> None:
    (folder / "a.md").write_text("---\njust words\n---\nmore")
    assert "just words" in read(str(folder)).documents[0].text


def test_what_cannot_be_read_is_named_with_its_reason(
    folder: Path,
) -> None:
    (folder / "good.md").write_text("kept")
    (folder / "latin.md").write_bytes("Grüße".encode("latin-1"))
    (folder / "binary.txt").write_bytes(b"a\0b")
    (folder / "huge.md").write_text("x" * 101)
    (folder / "picture.png").write_bytes(b"png")
    (folder / "nowhere.md").symlink_to(folder / "missing.md")
    (folder / ".hidden.md").write_text("not looked at")
    os.mkfifo(folder / "pipe.md")
    reading = read(str(folder), Retrieval(largest_file=100))
    assert [page.text for page in reading.documents] == ["kept"]
    assert {Path(each.name).name: each.reason for each in reading.left_out} == {
        "latin.md": "is not UTF-8: byte 2 is 0xfc",
        "binary.txt": "is binary",
        "huge.md": "has 101 bytes; the limit is 100",
        "picture.png": "is not Markdown, text, HTML, CSV, PDF, Word, PowerPoint or Excel",
        "nowhere.md": "is not a file, or leads nowhere",
        "pipe.md": "is not a file, or leads nowhere",
    }


def test_links_in_circles_and_links_out_of_the_folder_are_not_followed(
    folder: Path, tmp_path: Path
) -> None:
    (folder / "a.md").write_text("kept")
    (folder / "sub").mkdir()
    (folder / "sub" / "up").symlink_to(folder)
    (folder / "again").symlink_to(folder / "sub")
    (tmp_path / "secret.md").write_text("private key")
    (folder / "secret.md").symlink_to(tmp_path / "secret.md")
    (folder / "out").symlink_to("/etc")
    assert [page.text for page in read(str(folder)).documents] == ["kept"]
    told = reasons(folder)
    assert told["secret.md"] == told["out"] == "leads out of the folder"
    assert told["up"] == "leads to a folder that was read already"


def test_windows_line_ends_and_byte_order_marks_are_understood(folder: Path) -> None:
    (folder / "a.md").write_bytes("\ufeff# A\r\n\r\ntext".encode())
    (folder / "b.txt").write_bytes("héllo".encode("utf-16"))
    assert [page.text for page in read(str(folder)).documents] == ["# A\n\ntext", "héllo"]


def test_a_folder_that_does_not_exist_is_an_error_with_a_way_out(folder: Path) -> None:
    with pytest.raises(NotFound, match="LORE_RETRIEVAL__DOCUMENTS"):
        read(str(folder / "missing"))


def test_the_stamp_changes_with_the_files(folder: Path) -> None:
    page = folder / "a.md"
    page.write_text("one")
    before = stamp(str(folder))
    assert stamp(str(folder)) == before
    page.write_text("three")
    assert stamp(str(folder)) != before
    assert stamp("pydoc") == ()


@given(content=st.binary(max_size=200))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.parametrize("name", ["a.md", "a.html", "a.txt"])
def test_any_bytes_are_read_or_left_out_with_a_reason(
    folder: Path, name: str, content: bytes
) -> None:
    (folder / name).write_bytes(content)
    reading = read(str(folder))
    assert len(reading.documents) + len(reading.left_out) == 1
    assert all(each.reason for each in reading.left_out)


def test_a_file_is_converted_once_for_as_long_as_it_stays_as_it_is(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = folder / "ports.xlsx"
    book.write_bytes(office.xlsx(Ports=[["name", "port"], ["relay", 7007]]))
    before = read(str(folder)).documents
    monkeypatch.setattr(documents, "extracted", lambda *_: pytest.fail("it was read again"))
    assert read(str(folder)).documents == before
    assert "| relay | 7007 |" in before[0].text


def test_files_of_a_checkout_open_at_their_last_commit_and_name_its_author(
    folder: Path, git: Git
) -> None:
    (folder / "old page.md").write_text("# Old")
    first = git("init", "-q") or git.commit("Ada", "2026-01-02T00:00:00Z")
    (folder / "new.md").write_text("# New")
    git.commit("Grace", "2026-03-04T00:00:00Z")
    git("remote", "add", "origin", "git@github.com:team/wiki.git")
    (folder / "draft.md").write_text("not committed")
    new, old = (page for page in read(str(folder)).documents if page.author)
    assert old.url == f"https://github.com/team/wiki/blob/{first}/old%20page.md"
    assert (old.author, new.author) == ("Ada", "Grace")
    assert old.at == 1767312000.0
    draft = next(page for page in read(str(folder)).documents if not page.author)
    assert draft.url == (folder / "draft.md").as_uri()


def test_a_commit_changes_the_stamp_of_a_checkout(folder: Path, git: Git) -> None:
    (folder / "a.md").write_text("# A")
    git("init", "-q")
    before = stamp(str(folder))
    git.commit("Ada", "2026-01-02T00:00:00Z")
    assert stamp(str(folder)) != before


def test_pydoc_is_a_source_with_links_to_the_documentation() -> None:
    pages = read("pydoc").documents
    (statement,) = [page for page in pages if page.url.endswith("compound_stmts.html#with")]
    assert statement.title == 'The "with" statement'
    assert "context manager" in statement.text
