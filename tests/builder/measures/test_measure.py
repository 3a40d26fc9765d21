"""Every measure against values that were published, or that a person can check."""

from __future__ import annotations

import math

import pytest

from builder.measures.measure import grounded, measure, numbers_right, repeated
from builder.measures.table import means
from builder.scoring import Written
from lorekeeper.domain import Arm, ArmScore, Evaluation, Passage, PassageKind
from lorekeeper.text import token_f1
from retrieval.embed import HashingEmbedder


def passage(text: str) -> Passage:
    return Passage(id=text, text=text, title="", kind=PassageKind.DOCUMENT, url="https://x")


BACKUPS = passage("Backups are kept for 30 days on the storage host in Oslo.")
DEPLOYS = passage("Deploys run every weekday at nine in the morning, never on Fridays.")


def test_token_f1_is_that_of_squad() -> None:
    """Rajpurkar et al. 2016 leave articles, case and punctuation aside; worked by hand."""
    assert token_f1("The cat sat", "a cat sat down") == pytest.approx(2 * 2 / (2 + 3))


def test_similarity_is_the_cosine_of_the_embedder() -> None:
    embedder = HashingEmbedder()
    told = [Written(text="red green", stopped=True, seconds=0.5)]
    (found,) = measure(told, ["red blue"], [()], embedder)["similarity"]
    one, other = embedder.passages(["red green", "red blue"])
    assert found == pytest.approx(float(one @ other), abs=1e-6)


def test_an_answer_is_as_grounded_as_its_sentences() -> None:
    answer = "Backups are kept for 30 days. They are written on gold tablets by monks."
    assert grounded(answer, [DEPLOYS, BACKUPS]) == 0.5
    assert grounded("Yes.", [BACKUPS]) == 1.0
    assert grounded("Backups are kept for 90 days on the storage host.", [BACKUPS]) < 1


def test_a_number_of_the_models_must_name_what_supports_it() -> None:
    said = "Backups are kept for 30 days [2]. Deploys run every weekday at nine [2]."
    assert numbers_right(said, [DEPLOYS, BACKUPS]) == 0.5
    assert numbers_right("Backups are kept for 30 days [7].", [BACKUPS]) == 0.0
    assert numbers_right("Backups are kept for 30 days.", [BACKUPS]) == 1.0


def test_going_round_in_circles_is_seen() -> None:
    assert repeated("one two three four five six") == 0.0
    assert repeated("go on and on " * 20) > 0.9
    assert repeated("yes") == 0.0


def test_every_answer_has_a_value_under_each_name() -> None:
    written = [
        Written(text="Backups are kept for 30 days.", stopped=True, seconds=0.5),
        Written(text="I don't know.", stopped=False, seconds=0.5),
    ]
    found = measure(written, ["30 days.", "Nine."], [[BACKUPS], []], HashingEmbedder())
    assert set(map(len, found.values())) == {2}
    assert found["declined"] == (0.0, 1.0)
    assert found["stopped"] == (1.0, 0.0)
    assert found["length"] == (3.0, 4.0)
    assert all(math.isfinite(value) for values in found.values() for value in values)
    alone = measure(written, ["30 days.", "Nine."], [[], []], HashingEmbedder())
    assert "grounded" not in alone
    assert measure([], [], [], HashingEmbedder())["rouge_l"] == ()


def test_the_table_gives_every_measure_its_interval() -> None:
    score = ArmScore(
        arm=Arm.BASE, nll=(1.0, 2.0, 3.0), f1=(0.5,), answers=("x",), measures={"rouge_l": (0.25,)}
    )
    evaluation = Evaluation(
        questions=("a", "b", "c"), references=("a", "b", "c"), conversations=("1", "2", "3"),
        arms=(score,), precision="float32",
    )  # fmt: skip
    found = {mean.measure: mean for mean in means(evaluation)}
    assert list(found) == ["nll", "f1", "rouge_l"]
    assert found["nll"].mean == 2.0
    assert found["nll"].low < 2.0 < found["nll"].high
    assert (found["rouge_l"].mean, found["rouge_l"].answers) == (0.25, 1)
