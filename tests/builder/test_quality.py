"""Rows of a dataset in; a report that names what is wrong with them, and what to do first, out."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.dataset import Row
from builder.quality.advice import advice, told
from builder.quality.kinds import UNSURE, kind_of, language_of
from builder.quality.mentions import mentioned
from builder.quality.picture import picture
from builder.quality.report import report
from builder.quality.text import markdown
from builder.quality.topics import topics

NOW = 1_800_000_000.0


def row(pair_id=1, question="How do I restart it?", answer="Run restart.", **changes):
    values = {
        "conversation": f"C1/{pair_id}",
        "source": "",
        "scope": "public",
        "answer_ts": "1799999999.000100",
        "authors": (f"U{pair_id}",),
    }
    return Row(pair_id=pair_id, question=question, answer=answer, **(values | changes))


def look(rows, **changes):
    return report(rows, **({"max_tokens": 500, "stale_days": 365, "now": NOW} | changes))


def test_pairs_behind_answers_that_did_not_help_are_named():
    found = look(
        [row(1), row(2, "Why is it slow?"), row(3, "Where is it?")],
        thumbs={1: (0, 1), 2: (5, 1), 3: (1, 4)},
    )
    assert found.disliked == (3, 1)
    assert found.thumbs == (6, 6)
    assert any("not helpful" in one.text and one.pairs == (3, 1) for one in advice(found))
    assert "6 up, 6 down" in markdown(found)


def test_duplicates_and_contradictions_are_told_apart():
    found = look(
        [
            row(1, "How long are build logs kept?", "Thirty days, in the logs bucket."),
            row(2, "How long do we keep build logs?", "Thirty days in the logs bucket."),
            row(3, "How long are the build logs kept?", "Ninety since March; ask Sam."),
        ]
    )
    assert found.duplicates == ((1, 2),)
    assert set(found.contradictions) == {(1, 3), (2, 3)}
    first = advice(found)[0]
    assert "answer one question differently" in first.text
    assert set(first.pairs) == {1, 2, 3}


def test_what_the_trainer_would_leave_out_is_counted_in_its_tokens():
    rows = [row(1), row(2, answer="word " * 900)]
    assert look(rows).too_long == (2,)
    assert look(rows, count=lambda text: 1).too_long == ()


def test_answers_far_longer_than_the_others_are_named():
    rows = [row(number, answer="word " * (5 + number % 3)) for number in range(12)]
    assert look([*rows, row(99, answer="word " * 90)]).outliers == (99,)


def test_old_answers_are_named_and_those_of_unknown_age_are_not():
    old, imported = row(1, answer_ts="1600000000.000100"), row(2, answer_ts="a" * 32)
    assert look([old, imported]).stale == (1,)


def test_one_voice_is_heard():
    rows = [row(number, authors=("U1",) if number < 8 else ("U2",)) for number in range(10)]
    found = look(rows)
    assert found.loudest == 0.8
    assert any("one author" in one.text for one in advice(found))


def test_placeholders_that_are_left_are_counted_by_kind():
    found = look([row(1, answer="Mail [email 1] and [email 2]."), row(2, answer="Ask [person 1].")])
    assert found.placeholders == {"email": 1, "person": 1}


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("How do I restart it?", "how"),
        ("Why is the index slow?", "why"),
        ("I get a KeyError: 'x', any idea?", "error"),
        ("Is it safe to delete?", "yes or no"),
        ("Where do logs go?", "where or who"),
        ("ログはどこ？", "other"),
    ],
)
def test_questions_have_kinds(question, kind):
    assert kind_of(question) == kind


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("How do I restart the gateway after an update?", "en"),
        ("Wie starte ich das Gateway nach einer Aktualisierung neu?", "de"),
        ("アップデート後にゲートウェイを再起動する方法を教えてください。", "ja"),
        ("ok", UNSURE),
        ("```for x in range(10): print(x)```", UNSURE),
    ],
)
def test_languages_are_told_and_code_is_none(text, language):
    assert language_of(text) == language


def test_topics_are_named_by_their_words_and_hold_every_row_once():
    rows = [
        row(n, f"How do I rotate signing key {n}?", "Use the vault to rotate the signing key.")
        for n in range(10)
    ]
    rows += [
        row(10 + n, f"Where are build logs of job {n}?", "The build logs are in the bucket.")
        for n in range(10)
    ]
    found = topics(rows)
    assert sorted(pair for topic in found for pair in topic.pairs) == list(range(20))
    assert any("build" in topic.name or "logs" in topic.name for topic in found)
    assert topics(rows[:5]) == ()


def test_how_groups_of_people_are_mentioned_is_shown():
    rows = [
        row(1, answer="She broke it. It works now."),
        row(2, answer="He is stupid and lazy."),
        row(3, answer="He fixed it."),
    ]
    found = {one.group: one for one in mentioned(rows)}
    assert (found["gender: male"].pairs, found["gender: male"].harsh) == (2, 1)
    assert found["gender: male"].examples[0] == 2
    assert found["gender: female"].harsh == 0


def test_the_picture_is_a_picture_and_the_text_ends_with_what_to_do():
    found = look([row(number, f"How is service {number} restarted?") for number in range(20)])
    assert picture(found, "d1").startswith(b"\x89PNG")
    assert "### What to do" in markdown(found)
    assert "are 20 pairs" in markdown(found)


def test_advice_names_the_first_pairs_only():
    found = look([row(n, answer_ts="1600000000.000100") for n in range(20)])
    stale = next(one for one in advice(found) if "old" in one.text)
    assert told(stale).endswith("and 12 more.")


ROWS = st.lists(
    st.builds(
        row,
        pair_id=st.integers(1, 10**6),
        question=st.text(max_size=80),
        answer=st.text(max_size=200),
        authors=st.lists(st.text(max_size=5), max_size=3).map(tuple),
        answer_ts=st.text(max_size=20),
    ),
    max_size=25,
    unique_by=lambda one: one.pair_id,
)


@given(ROWS)
@settings(max_examples=40, deadline=None)
def test_rows_of_any_words_are_reported(rows):
    found = look(rows)
    assert found.pairs == len(rows)
    assert markdown(found)
    assert sum(found.languages.values()) == sum(found.kinds.values()) == len(rows)
