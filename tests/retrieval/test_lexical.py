"""Texts are found by the words that they share with a question."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval import lexical


def test_words_are_found_by_their_stem_and_names_by_their_parts() -> None:
    assert lexical.tokens("restoring backups") == lexical.tokens("restored backup")
    whole_and_parts = lexical.tokens("KubePodCrashLooping")
    assert set(lexical.tokens("kube pod crash loop")) <= set(whole_and_parts)
    assert lexical.tokens("kubepodcrashlooping")[0] in whole_and_parts
    assert lexical.tokens("the of and") == []


def test_scripts_without_spaces_are_searched_by_character() -> None:
    assert lexical.tokens("備份失敗") == list("備份失敗")


def test_a_text_that_may_not_be_seen_scores_nothing(tmp_path: Path) -> None:
    lexical.write(["disk full", "disk empty", "token expired"], tmp_path)
    opened = lexical.Lexical(tmp_path)
    scores = opened.scores("full disks", visible=np.array([True, True, True]))
    assert scores[0] > scores[1] > scores[2] == 0
    assert lexical.best(scores, 5).tolist() == [0, 1]
    scores = opened.scores("full disks", visible=np.array([False, True, True]))
    assert lexical.best(scores, 5).tolist() == [1]


def test_a_question_of_unknown_words_finds_nothing(tmp_path: Path) -> None:
    lexical.write(["disk full"], tmp_path)
    opened = lexical.Lexical(tmp_path)
    assert not opened.scores("zebra", visible=np.array([True])).any()


WORDS = st.lists(
    st.sampled_from(["disk", "full", "DiskFull", "backup_job", "the", "token", "409", "café"])
)


@given(st.lists(WORDS, min_size=1, max_size=6), WORDS)
def test_coverage_is_the_same_with_and_without_reading_the_texts(
    texts: list[list[str]], question: list[str]
) -> None:
    with TemporaryDirectory() as folder:
        written, asked = [" ".join(words) for words in texts], " ".join(question)
        lexical.write(written, Path(folder))
        opened = lexical.Lexical(Path(folder))
        rows = np.arange(len(written))[::-1]
        read = opened.coverage(asked, written[::-1])
        assert opened.covered(asked, rows).tolist() == pytest.approx(read, abs=1e-6)
