"""HTML becomes Markdown that says the same, and nothing of what a page hides or runs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from retrieval.markup import markdown_of


def test_headings_lists_code_and_tables_keep_their_form() -> None:
    title, text = markdown_of(
        "<html><head><title> Disk \n full</title></head><body><h2>Fix</h2><p>Grow <b>it</b>,\n"
        " or <code>rm</code>.</p><ul><li>one<li>two<ol><li>deep</li></ol></ul>"
        "<pre>a &lt; b\n  c</pre><table><tr><th>k</th><th>v</th></tr><tr><td>1</td><td>2</td></tr>"
        "</table></body></html>"
    )
    assert title == "Disk full"
    assert "## Fix" in text
    assert "Grow **it**, or `rm`." in text
    assert "- one\n- two" in text
    assert "  1. deep" in text
    assert "```\na < b\n  c\n```" in text
    lines = [line.replace(" ", "") for line in text.splitlines() if line.startswith("|")]
    assert lines == ["|k|v|", "|---|---|", "|1|2|"]


def test_scripts_styles_and_templates_are_dropped() -> None:
    _, text = markdown_of(
        "<style>p{}</style><p>seen</p><script>alert('<p>no</p>')</script>"
        "<template><p>no</p></template><noscript>no</noscript>"
    )
    assert text.strip() == "seen"


def test_what_a_reader_does_not_see_is_dropped() -> None:
    _, text = markdown_of(
        "<nav><ul><li>Home</ul></nav><p hidden>no<p>one</p><div style='DISPLAY : none'><div>no</div>"
        "<br>no</div><img hidden><span style='color: red'>two</span><ul><li hidden>no<li>three</ul>"
    )
    assert text.split() == ["one", "two", "-", "three"]


def test_of_a_page_that_names_its_main_part_that_is_taken() -> None:
    title, text = markdown_of("<title>T</title><p>menu</p><main><h1>A</h1>b</main><p>foot</p>")
    assert (title, text) == ("T", "# A\n\nb\n")
    assert markdown_of("<main></main><p>all")[1] == "all\n"


def test_broken_markup_loses_nothing() -> None:
    _, text = markdown_of("<p>one<div>two</b></p></script>three &amp; four < five")
    assert "".join(text.split()) == "onetwo**three&four<five"


@given(st.text(alphabet="ab<>/p &;!-'\"", max_size=100))
def test_any_markup_is_read(html: str) -> None:
    title, text = markdown_of(html)
    assert title == ""
    assert text.endswith("\n")


@given(st.lists(st.text(alphabet="abc é漢", min_size=1, max_size=20), max_size=6))
def test_every_word_of_every_paragraph_is_kept(paragraphs: list[str]) -> None:
    _, text = markdown_of("".join(f"<p>{paragraph}</p>" for paragraph in paragraphs))
    assert text.split() == " ".join(paragraphs).split()
