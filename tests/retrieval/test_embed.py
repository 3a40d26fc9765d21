"""The real embedder places what means the same close together, and reads all of a long text."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lorekeeper.errors import BadInput
from lorekeeper.settings import Models
from retrieval.embed import Embedder, HashingEmbedder, SentenceEmbedder, batches, load


def test_a_question_is_closest_to_its_answer(minilm: Embedder) -> None:
    answers = ["Restart the worker, then drain the queue.", "Lunch is at noon.", "Use pip."]
    alike = minilm.passages(answers) @ minilm.question("How do I get jobs moving again?")
    assert alike.argmax() == 0


def test_vectors_have_length_one(minilm: Embedder) -> None:
    vectors = minilm.passages(["a", "disk full " * 20, ""])
    assert vectors.shape == (3, minilm.dimensions)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert minilm.passages([]).shape == (0, minilm.dimensions)


def test_a_text_has_the_same_vector_whatever_it_is_embedded_with(minilm: Embedder) -> None:
    alone = minilm.passages(["disk full"])[0]
    among = minilm.passages([f"something else {n} " * n for n in range(40)] + ["disk full"])[-1]
    np.testing.assert_allclose(alone, among, atol=1e-5)


def test_the_end_of_a_text_beyond_the_window_still_counts(minilm: Embedder) -> None:
    long = "The weather is fine today. " * 80
    assert minilm.count_tokens(long) > minilm.window
    plain, told = minilm.passages([long, long + "The database password rotates on Mondays. " * 20])
    asked = minilm.question("When does the database password rotate?")
    assert told @ asked > plain @ asked + 0.1


def test_a_question_beyond_the_window_is_read_whole(minilm: Embedder) -> None:
    long = minilm.question("hello there " * 400 + "how do I restore a backup? " * 40)
    assert long @ minilm.passages(["To restore a backup, run restore."])[0] > 0.2


def test_many_threads_may_ask_at_once(minilm: Embedder) -> None:
    questions = [f"question {number} " * (number + 1) for number in range(24)]
    with ThreadPoolExecutor(8) as pool:
        counts = list(pool.map(minilm.count_tokens, questions))
        vectors = list(pool.map(minilm.question, questions))
    assert counts == sorted(counts)
    np.testing.assert_allclose(vectors[3], minilm.question(questions[3]), atol=1e-5)


def test_the_embedder_leaves_the_number_of_threads_as_it_was(minilm: Embedder) -> None:
    import torch

    before = torch.get_num_threads()
    minilm.question("disk full")
    minilm.passages(["disk full"])
    assert torch.get_num_threads() == before


def test_large_batches_give_the_same_vectors(minilm: Embedder, tmp_path: Path) -> None:
    alone = load(Models().embedder_name, tmp_path, alone=True)
    texts = [f"the disk of host {number} is full " * (number % 30 + 1) for number in range(60)]
    np.testing.assert_allclose(alone.passages(texts), minilm.passages(texts), atol=1e-5)


@given(st.lists(st.integers(1, 300)), st.integers(1, 1_000))
def test_batches_hold_every_text_once_and_no_more_than_their_tokens(
    lengths: list[int], tokens: int
) -> None:
    made = list(batches(lengths, tokens))
    assert sorted(place for batch in made for place in batch) == list(range(len(lengths)))
    for batch in made:
        assert len(batch) == 1 or len(batch) * max(lengths[place] for place in batch) <= tokens


def test_texts_of_like_length_are_read_together() -> None:
    assert list(batches([9, 2, 8, 3], 18)) == [[1, 3], [2, 0]]


def test_another_precision_is_another_embedder_whose_vectors_are_nearly_the_same(
    minilm: Embedder, tmp_path: Path
) -> None:
    name = Models(embedder_precision="bfloat16").embedder_name
    short = load(name, tmp_path)
    assert short.name == name != minilm.name == Models().embedder
    assert load(short.name, tmp_path).name == name  # an index opens its embedder by its name
    texts = ["Restart the worker, then drain the queue.", "Lunch is at noon. " * 100]
    vectors, exact = short.passages(texts), minilm.passages(texts)
    assert vectors.dtype == np.float32
    assert not np.array_equal(vectors, exact)
    np.testing.assert_allclose(np.sum(vectors * exact, axis=1), 1, atol=1e-3)


def test_a_folder_without_a_model_is_refused_with_a_way_out(tmp_path: Path) -> None:
    (tmp_path / "modules.json").write_text("[")
    with pytest.raises(BadInput, match="LORE_MODELS__EMBEDDER"):
        SentenceEmbedder("broken", tmp_path)


def test_the_hashing_embedder_knows_words_and_nothing_else() -> None:
    embedder = HashingEmbedder()
    same, other = embedder.passages(["Disk full!", "token expired"]) @ embedder.question(
        "disk full"
    )
    assert same == pytest.approx(1.0)
    assert other < 0.9
    assert embedder.embedded == ["Disk full!", "token expired"]


def test_halves_of_surrogate_pairs_are_embedded_like_any_unknown_character(
    minilm: Embedder,
) -> None:
    assert minilm.count_tokens("disk \ud800 full") >= 4
    assert minilm.passages(["disk \ud800 full"]).shape == (1, minilm.dimensions)
