"""Domain values with texts of any length in; blocks that Slack's limits admit out."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.alike import Alike
from bot.blocks import answers, dataset, digest, history, home, modals, pairs, runs
from bot.playground.limits import check_blocks, check_view
from builder.dataset import Row
from builder.freeze import Difference, Preview
from lorekeeper.domain import (
    Adapter,
    Answer,
    Arm,
    ArmScore,
    Asked,
    Citation,
    Deployment,
    Evaluation,
    ImportJob,
    ImportState,
    Level,
    Message,
    Origin,
    Outcome,
    Pair,
    PairState,
    Progress,
    Run,
    RunState,
    Stage,
    Stages,
    TaskArm,
    TaskScore,
    Verdict,
)
from lorekeeper.similar import Likeness
from lorekeeper.store.pairs import Standing

TEXT = st.one_of(
    st.text(max_size=60),
    st.builds(lambda piece, n: piece * n, st.text(min_size=1, max_size=8), st.integers(0, 2000)),
)
NAME = st.text(max_size=20)

PAIRS = st.builds(
    Pair,
    id=st.integers(1, 10**6),
    question=TEXT,
    answer=TEXT,
    state=st.sampled_from(PairState),
    origin=st.sampled_from(Origin),
    channel=st.just("C1"),
    scope=st.just("public"),
    conversation=st.just("C1/1"),
    source=TEXT,
    answer_ts=st.just("1"),
    captured_by=NAME,
    decided_by=st.none() | NAME,
    decided_at=st.none() | st.floats(0, 2e9),
    reason=st.none() | TEXT,
    rejected_answer=st.none() | TEXT,
    redactions=st.lists(NAME, max_size=30).map(tuple),
    tags=st.lists(NAME, max_size=5).map(tuple),
)
CITATIONS = st.builds(
    Citation, number=st.integers(1, 50), passage_id=NAME, title=TEXT, url=TEXT, quote=TEXT
)
ANSWERS = st.builds(
    Answer,
    id=st.just("a" * 32),
    question=TEXT,
    text=TEXT,
    citations=st.lists(CITATIONS, max_size=30).map(tuple),
    level=st.sampled_from(Level),
    model=NAME,
    note=TEXT,
    people=st.lists(NAME, max_size=5).map(tuple),
)
RUNS = st.builds(
    Run,
    id=st.integers(1, 10**6),
    dataset_id=st.just(1),
    recipe=NAME,
    options=st.just({}),
    base_model=NAME,
    state=st.sampled_from(RunState),
    requested_by=NAME,
    requested_at=st.just(0.0),
    progress=st.builds(
        Progress,
        stage=st.sampled_from(Stage),
        step=st.integers(0, 10**6),
        steps=st.integers(0, 10**6),
        loss=st.none() | st.floats(),
        tokens_per_second=st.none() | st.floats(),
        seconds_left=st.none() | st.floats(),
        note=TEXT,
    ),
    cancel_requested_by=st.none() | NAME,
    error=st.none() | TEXT,
)
SCORES = st.floats(0, 20)
TASKS = st.builds(
    TaskScore,
    task=NAME,
    metric=st.sampled_from(("macro_f1", "loss")),
    higher_is_better=st.booleans(),
    version=st.just("1"),
    inputs=st.just(()),
    references=st.just(()),
    groups=st.just(()),
    arms=st.lists(
        st.builds(
            TaskArm,
            asked=st.sampled_from(Asked),
            value=SCORES,
            low=SCORES,
            high=SCORES,
            rows=st.just(()),
        ),
        max_size=4,
    ).map(tuple),
)
STAGES = st.builds(
    lambda names, loss: Stages(
        names=tuple(names),
        rows=(1,) * len(names),
        losses=((loss,) * len(names),) * (len(names) + 1),
        transfers=(),
    ),
    st.lists(NAME, min_size=2, max_size=5),
    SCORES,
)
EVALUATIONS = st.builds(
    lambda questions, told, scores, tasks, stages: Evaluation(
        questions=tuple(questions),
        references=tuple(questions),
        conversations=tuple("c" for _ in questions),
        arms=tuple(ArmScore(arm=arm, nll=tuple(scores), f1=(), answers=tuple(told)) for arm in Arm),
        precision="float32",
        tasks=tuple(tasks),
        stages=stages,
    ),
    st.lists(TEXT, min_size=1, max_size=4),
    st.lists(TEXT, max_size=4),
    st.lists(SCORES, max_size=4),
    st.lists(TASKS, max_size=4),
    st.none() | STAGES,
)
ADAPTERS = st.builds(
    Adapter,
    id=st.integers(1, 99),
    name=st.just("v1"),
    run_id=st.just(1),
    dataset_id=st.just(1),
    base_model=NAME,
    hash=NAME,
    folder=NAME,
    rank=st.just(8),
    evaluation=EVALUATIONS,
    verdict=st.builds(
        Verdict,
        outcome=st.sampled_from(Outcome),
        reasons=st.lists(TEXT, max_size=9).map(tuple),
    ),
    created_at=st.just(0.0),
)
DEPLOYMENTS = st.builds(
    Deployment,
    id=st.just(1),
    adapter_id=st.none() | st.integers(1, 99),
    adapter=st.just("v1"),
    by=NAME,
    why=TEXT,
    at=st.floats(0, 2e9),
    loaded_at=st.none() | st.just(1.0),
    error=st.none() | TEXT,
)
ALIKE = st.lists(
    st.builds(Alike, pair=PAIRS, likeness=st.sampled_from(Likeness)),
    max_size=2,
    unique_by=lambda one: one.pair.id,
)
SAID = st.lists(
    st.builds(
        Message,
        channel=st.just("C1"),
        ts=st.integers(10**9, 10**10 - 1).map(lambda n: f"{n}.000100"),
        author=st.just("U1"),
        text=TEXT.filter(str.strip),
    ),
    min_size=1,
    max_size=120,
    unique_by=lambda message: message.ts,
)
ROWS = st.lists(
    st.builds(
        Row,
        pair_id=st.integers(1, 99),
        question=TEXT,
        answer=TEXT,
        conversation=NAME,
        source=NAME,
        scope=NAME,
        answer_ts=NAME,
    ),
    max_size=5,
).map(tuple)
FEW = settings(max_examples=40, deadline=None)


@FEW
@given(PAIRS, ALIKE)
def test_a_pairs_cards_fit(pair, alike):
    for blocks in (pairs.saved(pair), pairs.card(pair, alike), pairs.sealed_card(pair)):
        check_blocks(blocks)
    assert len(pairs.summary(pair)) <= 150


@FEW
@given(PAIRS, ANSWERS, ALIKE, SAID)
def test_modals_fit(pair, answer, alike, said):
    views = (
        modals.loading("Save as Q&A"),
        modals.edit_pair(pair),
        modals.reject_pair(pair),
        modals.correct_answer(answer),
        modals.show("A pair", pairs.card(pair)),
        modals.show_pair(pair, alike),
        modals.save_pair(
            channel="C1",
            ts="1",
            origin="reaction",
            question=pair.question,
            answer=pair.answer,
            parts=[message.ts for message in said[:30]],
            choices=said,
            tags=", ".join(pair.tags),
        ),
    )
    for view in views:
        check_view(view, kinds=("modal",))


@FEW
@given(ANSWERS)
def test_an_answers_footer_fits(answer):
    people = [(person, "https://x.slack.com/team/U1") for person in answer.people]
    check_blocks(answers.footer(answer, people=people, retry="C1:1.0:1.0", share=True))
    below = answers.footer(answer, people=people)
    for shown in (
        answers.only_for_you(answer, answer.text, people),
        answers.shared(answer, answer.text, "U1", below),
    ):
        assert len(shown) <= answers.PAGES
        for blocks in shown:
            check_blocks(blocks)
    check_blocks(
        answers.handed_on(answer, "U1", ["U2", "S3"], "https://x.slack.com/archives/C1/p1")
    )


@FEW
@given(RUNS, st.none() | ADAPTERS, st.none() | DEPLOYMENTS)
def test_a_runs_card_fits(run, adapter, served):
    check_blocks(runs.card(run, adapter, served))
    if served is not None:
        check_blocks(runs.loaded(served))


@FEW
@given(
    st.lists(PAIRS, max_size=8),
    ALIKE,
    st.none() | DEPLOYMENTS,
    st.lists(RUNS, max_size=5),
    st.booleans(),
)
def test_the_home_fits(waiting, alike, deployment, latest, may_review):
    view = home.view(
        waiting=waiting,
        alike={pair.id: alike[:2] for pair in waiting},
        counts=dict.fromkeys(PairState, 9),
        thumbs=(1, 2),
        deployment=deployment,
        runs=latest,
        may_review=may_review,
        emoji="bookmark",
    )
    check_view(view, kinds=("home",))


@FEW
@given(st.lists(PAIRS, max_size=5, unique_by=lambda pair: pair.id), ALIKE)
def test_the_digest_fits(first, alike):
    near = {pair.id: alike for pair in first}
    places = {f"C{number}": number for number in range(1, 9)}
    check_blocks(digest.digest(first, near, places, {"mined": 3}, 0.0))


@FEW
@given(ROWS, TEXT, st.dictionaries(NAME, st.integers(1, 9), max_size=20))
def test_the_message_about_the_dataset_fits(rows, refusal, tags):
    standing = [
        Standing(state=state, channel=f"C{n}", origin=Origin.MINED, count=n + 1, oldest=0.0)
        for state in PairState
        for n in range(15)
    ]
    since = Difference(added=rows, gone=rows, reworded=rows)
    preview = Preview(train=1, heldout=2, private=3, latest=None, since=since, refusal=refusal)
    check_blocks(dataset.standing(standing, tags, (1, 2), preview))


@FEW
@given(st.sampled_from(ImportState), NAME, st.none() | TEXT)
def test_an_imports_message_fits(state, by, error):
    check_blocks(
        history.card(
            ImportJob(
                channel="C1",
                state=state,
                requested_by=by,
                requested_at=0.0,
                reached="1700000000.000100",
                error=error,
            )
        )
    )


def test_an_unchanged_answer_is_known_as_such():
    modal = modals.save_pair(
        channel="C", ts="1", origin="reaction", question="q", answer="So.", parts=["1"], choices=[]
    )
    assert not modals.was_changed(modal, "So.")
    assert modals.was_changed(modal, "So!")
    assert not modals.was_asked_anew(modal, "q")
    assert modals.was_asked_anew(modal, "Q")


@given(st.text(max_size=40_000).map(str.strip))
@settings(max_examples=30, deadline=None)
def test_a_text_of_any_length_comes_back_whole_from_its_inputs(text):
    pair = Pair(
        id=1,
        question="q",
        answer=text or "a",
        state=PairState.CANDIDATE,
        origin=Origin.REACTION,
        channel="C1",
        scope="public",
        conversation="C1/1",
        source="",
        answer_ts="1",
    )
    view = modals.edit_pair(pair)
    values = {
        block["block_id"]: {
            block["element"]["action_id"]: {"value": block["element"].get("initial_value")}
        }
        for block in view["blocks"]
        if block["type"] == "input"
    }
    assert modals.filled({"state": {"values": values}})["answer"] == pair.answer
