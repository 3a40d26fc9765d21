"""Texts are found by the words that they share with a question."""

from __future__ import annotations

from pathlib import Path

import numpy as np

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
