"""An index gives what may be seen, as much of it as there is, and nothing else."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lorekeeper.artifacts import ArtifactStore
from lorekeeper.domain import PUBLIC, Passage, PassageKind
from lorekeeper.errors import BadInput
from retrieval import index as indexing
from retrieval.embed import HashingEmbedder
from retrieval.index import Index, build, merge, open_index, open_whole, update
from retrieval.segment import DamagedIndex
from retrieval.sources import passage

WORDS = [
    "backup",
    "restore",
    "deploy",
    "rollback",
    "token",
    "expires",
    "queue",
    "worker",
    "disk",
    "full",
]


def said(text: str, *, scope: str = PUBLIC, conversation: str = "") -> Passage:
    return passage(
        kind=PassageKind.THREAD,
        text=text,
        title=text[:20],
        url="https://example.com/" + conversation,
        scope=scope,
        conversation=conversation,
        said=(conversation,) if conversation else (),
    )


def ids(index: Index, question: str, k: int = 10, **options: frozenset[str]) -> list[str]:
    scopes = options.pop("scopes", frozenset({PUBLIC}))
    return [hit.passage.id for hit in index.search(question, scopes=scopes, k=k, **options)]


@pytest.fixture
def artifacts(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "artifacts")


texts = st.lists(st.sampled_from(WORDS), min_size=1, max_size=6).map(" ".join)
scoped = st.builds(
    lambda text, scope, number: said(text, scope=scope, conversation=f"C/{number}"),
    texts,
    st.sampled_from([PUBLIC, "C1", "C2", "G3"]),
    st.integers(0, 30),
)


@given(
    passages=st.lists(scoped, max_size=40),
    question=texts,
    scopes=st.frozensets(st.sampled_from([PUBLIC, "C1", "C2", "G3", "C9"])),
    exclude=st.frozensets(st.integers(0, 30).map("C/{}".format), max_size=8),
    k=st.integers(0, 12),
)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_hits_are_in_scope_and_never_fewer_than_may_be_seen(
    artifacts: ArtifactStore,
    passages: list[Passage],
    question: str,
    scopes: frozenset[str],
    exclude: frozenset[str],
    k: int,
) -> None:
    index = build(passages, HashingEmbedder(), artifacts)
    visible = {p.id for p in passages if p.scope in scopes and p.conversation not in exclude}
    found = [hit.passage.id for hit in index.search(question, scopes=scopes, k=k, exclude=exclude)]
    assert set(found) <= visible
    assert len(found) == len(set(found)) == min(k, len(visible))


def test_a_private_passage_does_not_take_the_place_of_a_public_one(
    artifacts: ArtifactStore,
) -> None:
    secret = [said(f"backup restore {n}", scope="G1") for n in range(200)]
    public = said("the weather")
    index = build([*secret, public], HashingEmbedder(), artifacts)
    assert ids(index, "backup restore", k=1) == [public.id]


def test_a_hit_says_how_each_ranking_placed_it(artifacts: ArtifactStore) -> None:
    index = build(
        [said("rollback a deploy"), said("disk full"), said("token expires")],
        HashingEmbedder(),
        artifacts,
    )
    best, *others = index.search("disk full", scopes=frozenset({PUBLIC}), k=3)
    assert best.passage.text == "disk full"
    assert (best.dense_rank, best.lexical_rank) == (1, 1)
    assert best.similarity == pytest.approx(1.0, abs=1e-5)
    assert [hit.lexical_rank for hit in others] == [None, None]


def test_nothing_is_found_in_an_empty_index_or_for_an_empty_question(
    artifacts: ArtifactStore,
) -> None:
    empty = build([], HashingEmbedder(), artifacts)
    assert ids(empty, "anything") == []
    filled = build([said("disk full")], HashingEmbedder(), artifacts)
    assert ids(filled, " \n") == []
    assert ids(filled, "disk full", k=0) == []


def test_texts_without_any_word_can_be_indexed(artifacts: ArtifactStore) -> None:
    index = build([said("the"), said("🙂")], HashingEmbedder(), artifacts)
    assert len(ids(index, "the")) == 2


def test_only_new_passages_are_embedded_again(artifacts: ArtifactStore) -> None:
    embedder = HashingEmbedder()
    first = build([said("disk full"), said("token expires")], embedder, artifacts)
    embedder.embedded.clear()
    second = build([said("queue worker"), said("token expires")], embedder, artifacts, first)
    assert embedder.embedded == ["queue worker"]
    row = second.row(said("token expires").id)
    assert row is not None
    again = HashingEmbedder().passages(["token expires"])
    np.testing.assert_allclose(second.vectors([row]), again, atol=1e-6)


def test_the_same_passages_make_the_same_folder(artifacts: ArtifactStore) -> None:
    one = build([said("disk full")], HashingEmbedder(), artifacts)
    other = build([said("disk full"), said("disk full")], HashingEmbedder(), artifacts)
    assert (one.folder, one.hash) == (other.folder, other.hash)


def test_an_index_finds_the_same_after_it_was_closed(artifacts: ArtifactStore) -> None:
    passages = [said(f"{word} {number}") for number, word in enumerate(WORDS)]
    built = build(passages, HashingEmbedder(), artifacts)
    opened = open_index(artifacts.open(built.folder), HashingEmbedder())
    assert ids(opened, "disk queue") == ids(built, "disk queue")


def files_of(artifacts: ArtifactStore, index: Index) -> dict[str, Path]:
    folders = [index.folder, *(segment.folder for segment in index.segments)]
    return {path.name: path for folder in folders for path in artifacts.open(folder).rglob("*")}


@pytest.mark.parametrize(
    "name",
    [
        "passages.jsonl",
        "vectors.faiss",
        "words.rows.npy",
        "ids.keys.npy",
        "segments.json",
        "gone.npy",
    ],
)
@pytest.mark.parametrize("damage", ["changed", "truncated", "emptied", "removed"])
def test_damage_is_noticed_before_anything_is_searched(
    artifacts: ArtifactStore, name: str, damage: str
) -> None:
    index = build([said("disk full")], HashingEmbedder(), artifacts)
    path = files_of(artifacts, index)[name]
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    parts = {"changed": bytes(content), "truncated": bytes(content)[:-1], "emptied": b""}
    path.write_bytes(parts.get(damage, b""))
    if damage == "removed":
        path.unlink()
    with pytest.raises(DamagedIndex, match=name):
        open_index(artifacts.root / index.folder, HashingEmbedder())


@pytest.mark.parametrize("text", ["{", "[]", "{}", "\0"])
def test_an_unreadable_or_foreign_manifest_is_damage_too(
    artifacts: ArtifactStore, text: str
) -> None:
    path = artifacts.open(build([said("disk full")], HashingEmbedder(), artifacts).folder)
    (path / "manifest.json").write_text(text)
    with pytest.raises(DamagedIndex):
        open_index(path, HashingEmbedder())


def test_building_replaces_a_damaged_folder_of_the_same_content(artifacts: ArtifactStore) -> None:
    index = build([said("disk full")], HashingEmbedder(), artifacts)
    files_of(artifacts, index)["vectors.faiss"].write_bytes(b"")
    again = build([said("disk full")], HashingEmbedder(), artifacts)
    assert ids(again, "disk full") == [said("disk full").id]


def test_an_index_of_another_embedder_is_refused(artifacts: ArtifactStore) -> None:
    path = artifacts.open(build([said("disk full")], HashingEmbedder(), artifacts).folder)
    other = HashingEmbedder()
    other.name = "another"
    with pytest.raises(BadInput, match="hashing"):
        open_index(path, other)


def test_what_is_hidden_is_gone_at_once_and_makes_room(artifacts: ArtifactStore) -> None:
    index = build([said("disk full"), said("disk empty")], HashingEmbedder(), artifacts)
    index.hide([said("disk full").id, "an id that it does not hold"])
    assert ids(index, "disk full", k=1) == [said("disk empty").id]


def test_a_message_inside_a_passage_can_be_excluded(artifacts: ArtifactStore) -> None:
    talk = passage(
        kind=PassageKind.THREAD,
        text="disk full",
        title="",
        url="",
        conversation="C/1",
        said=("C/1", "C/2"),
    )
    index = build([talk], HashingEmbedder(), artifacts)
    assert ids(index, "disk", exclude=frozenset({"C/2"})) == []
    assert ids(index, "disk", exclude=frozenset({"C/3"})) == [talk.id]


def test_an_index_holds_nothing_pickled(artifacts: ArtifactStore) -> None:
    index = build([said("disk full")], HashingEmbedder(), artifacts)
    files = files_of(artifacts, index).values()
    for file in files:
        if file.suffix == ".npy":
            np.load(file, allow_pickle=False)
    assert {file.suffix for file in files} <= {".npy", ".json", ".jsonl", ".faiss"}


distinct_texts = st.lists(
    st.tuples(st.sampled_from(WORDS), st.sampled_from(WORDS), st.integers(0, 99)).map(
        lambda drawn: " ".join(map(str, drawn))
    ),
    unique=True,
    max_size=24,
)


@given(
    texts=distinct_texts,
    cuts=st.lists(st.integers(0, 24), max_size=3),
    removed=st.frozensets(st.integers(0, 23), max_size=8),
    question=texts,
)
@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_segments_give_what_one_index_gives_and_nothing_that_was_removed(
    artifacts: ArtifactStore,
    texts: list[str],
    cuts: list[int],
    removed: frozenset[int],
    question: str,
) -> None:
    passages = [said(text, conversation=f"C/{number}") for number, text in enumerate(texts)]
    gone = [passages[row].id for row in removed if row < len(passages)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(indexing, "ABSORBED", 0)  # every update leaves the segments before it alone
        index = build([], HashingEmbedder(), artifacts)
        for start, end in pairwise(sorted({0, *cuts, len(passages)})):
            index = update(index, artifacts, added=passages[start:end])
        index = update(index, artifacts, removed=gone)
    assert not {passage.id for passage in index.shown()} & set(gone)
    assert not set(gone) & set(ids(index, question, k=30))
    left = [passage for passage in passages if passage.id not in gone]
    one = build(left, HashingEmbedder(), artifacts)
    merged = merge(index, artifacts) or index
    for other in (merged, open_index(artifacts.open(index.folder), HashingEmbedder())):
        assert sorted(ids(other, question, k=30)) == sorted(ids(one, question, k=30))
    assert scored(merged, question) == pytest.approx(scored(one, question), abs=1e-5)


def scored(index: Index, question: str) -> dict[str, float]:
    hits = index.search(question, scopes=frozenset({PUBLIC}), k=30)
    return {hit.passage.id: hit.score for hit in hits}


def test_scores_do_not_depend_on_the_segment_that_a_passage_lies_in(
    artifacts: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing, "ABSORBED", 0)
    passages = [said(f"{word} {number}") for number, word in enumerate(WORDS * 3)]
    one = build(passages, HashingEmbedder(), artifacts)
    parts = build(passages[:20], HashingEmbedder(), artifacts)
    parts = update(parts, artifacts, added=passages[20:])
    assert len(parts.segments) == 2
    assert scored(parts, "disk queue") == pytest.approx(scored(one, "disk queue"), abs=1e-5)


def test_an_update_writes_the_small_segments_anew_and_leaves_a_large_one_alone(
    artifacts: ArtifactStore,
) -> None:
    large = [said(f"disk {number}") for number in range(200)]
    index = build(large, HashingEmbedder(), artifacts)
    for number in range(30):
        index = update(index, artifacts, added=[said(f"queue {number}")])
    assert index.segments[0].folder == build(large, HashingEmbedder(), artifacts).segments[0].folder
    assert len(index.segments) <= 4
    assert len(index) == 230


def test_what_is_erased_is_in_no_file(artifacts: ArtifactStore) -> None:
    index = build([said("disk full"), said("queue secret")], HashingEmbedder(), artifacts)
    index = update(index, artifacts, removed=[said("queue secret").id])
    merged = merge(index, artifacts)
    assert merged is not None
    assert merge(merged, artifacts) is None
    written = b"".join(path.read_bytes() for path in files_of(artifacts, merged).values())
    assert b"secret" not in written
    assert ids(merged, "queue secret") == [said("disk full").id]


def test_what_is_whole_of_a_damaged_index_is_kept(
    artifacts: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing, "ABSORBED", 0)
    index = build([said("disk full")], HashingEmbedder(), artifacts)
    index = update(index, artifacts, added=[said("queue worker")])
    (artifacts.root / index.segments[0].folder / "lengths.npy").write_bytes(b"")
    path = artifacts.root / index.folder
    with pytest.raises(DamagedIndex):
        open_index(path, HashingEmbedder())
    whole = open_whole(path, HashingEmbedder())
    assert whole is not None
    assert [passage.text for passage in whole.shown()] == ["queue worker"]
    assert whole.as_of == 0


@given(text=st.text(st.characters(exclude_categories=()), min_size=1, max_size=40))
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_every_character_is_kept(artifacts: ArtifactStore, text: str) -> None:
    index = build([said(text)], HashingEmbedder(), artifacts)
    assert [passage.text for passage in index.passages] == [text]
    assert len(ids(index, "x")) == 1


def test_ten_megabytes_on_one_line_are_indexed(artifacts: ArtifactStore) -> None:
    text = "disk " * 2_000_000 + "needle"
    index = build([said(text), said("queue")], HashingEmbedder(), artifacts)
    assert index.search("needle", scopes=frozenset({PUBLIC}), k=1)[0].passage.text == text


def test_approval_a_pin_and_age_weigh_between_equals(artifacts: ArtifactStore) -> None:
    now = time.time()

    def told(kind: PassageKind, at: float, *, pinned: bool = False) -> Passage:
        return passage(
            kind=kind, text="backup restore", title="", url=f"https://x/{kind}/{at}/{pinned}",
            at=at, is_pinned=pinned,
        )  # fmt: skip

    fresh, old = told(PassageKind.THREAD, now), told(PassageKind.THREAD, now - 20 * 365 * 86_400)
    pinned, pair = told(PassageKind.THREAD, now, pinned=True), told(PassageKind.PAIR, now)
    page = told(PassageKind.DOCUMENT, 1.0)
    index = build([old, fresh, pinned, pair, page], HashingEmbedder(), artifacts)
    hits = index.trace("backup restore", scopes=frozenset({PUBLIC}), k=5)
    standing = {hit.passage.id: hit.standing for hit in hits}
    assert standing[pair.id] > standing[pinned.id] > standing[fresh.id] > standing[old.id]
    assert standing[page.id] == 0
    assert hits[0].passage == pair


def test_a_trace_holds_every_candidate_and_begins_with_what_a_search_finds(
    artifacts: ArtifactStore,
) -> None:
    passages = [said(f"{word} disk", conversation=f"C/{at}") for at, word in enumerate(WORDS)]
    secret = said("disk full", scope="G9", conversation="G9/1")
    index = build([*passages, secret], HashingEmbedder(), artifacts)
    public = frozenset({PUBLIC})
    traced = index.trace("disk full", scopes=public, k=3)
    assert [hit.passage for hit in traced[:3]] == [
        hit.passage for hit in index.search("disk full", scopes=public, k=3)
    ]
    assert len(traced) == len(passages)
    index.hide([passages[0].id])
    everything = {hit.passage.id for hit in index.trace("disk full", scopes=None, k=3)}
    assert everything == {passages[0].id, secret.id, *(one.id for one in passages)}
