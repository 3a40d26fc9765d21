"""Python's own reference is readable Markdown, and every topic opens its page."""

from __future__ import annotations

import re
from pydoc_data.topics import topics as texts

from retrieval.documents import language


def test_every_topic_has_a_title_a_text_and_a_page_of_its_own() -> None:
    found = list(language.topics())
    assert len(found) == len(texts)
    assert all(topic.title and topic.text.strip() for topic in found)
    assert len({topic.url for topic in found}) == len(found)
    assert all(topic.url.startswith("https://docs.python.org/3/") for topic in found)


def test_most_topics_are_linked_to_their_place_and_new_ones_to_the_search() -> None:
    linked = [name for name in texts if "#" in language.url(name)]
    assert len(linked) > 0.9 * len(texts)
    assert language.url("with").endswith("/reference/compound_stmts.html#with")
    assert language.url("new-topic").endswith("/search.html?q=new-topic")


def test_nothing_but_underlines_is_taken_out_of_a_topic() -> None:
    for name, topic in zip(sorted(texts), language.topics(), strict=True):
        assert said(topic.text) == said(texts[name])


def said(text: str) -> str:
    """Without underlines, fences, heading marks and spaces."""
    marks = r"^([*=\-~^])\1{2,}$|^```$|#"
    return "".join(re.sub(marks, "", text, flags=re.MULTILINE).split())


def test_code_is_fenced_whole() -> None:
    (topic,) = [each for each in language.topics() if each.url.endswith("#with")]
    assert "```\nwith EXPRESSION as TARGET:\n    SUITE\n```" in topic.text
    assert topic.text.count("```") % 2 == 0
