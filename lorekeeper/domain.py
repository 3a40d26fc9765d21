"""The nouns that every part agrees on, the states they can be in, and the legal moves between them.

Times are seconds since the epoch (UTC). A Slack `ts` stays the string that Slack sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

PUBLIC = "public"
"""The scope of what everyone may see. Every other scope is a channel id."""
SLACK_TS = 17  # characters: seconds, a point, six digits
BASE_NAME = "base"
"""The name under which every engine serves the model without an adapter."""


class PairState(StrEnum):
    CANDIDATE = "candidate"
    APPROVED = "approved"
    REJECTED = "rejected"
    RETIRED = "retired"  # withdrawn by its author, its captor, or a deletion


class Origin(StrEnum):
    """How a pair came in."""

    REACTION = "reaction"
    SHORTCUT = "shortcut"
    COMMAND = "command"
    CORRECTION = "correction"
    IMPORT = "import"
    PROPOSED = "proposed"  # by another program, through the gateway
    MINED = "mined"  # found by the miner, vouched for by nobody yet


IN_BULK = frozenset({Origin.IMPORT, Origin.MINED})
"""Origins that bring hundreds of pairs at once: nobody wants to be told of each."""


class ImportState(StrEnum):
    READING = "reading"
    MINING = "mining"
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"


class RunState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Stage(StrEnum):
    """Where a running run is."""

    WAITING = "waiting"
    PREPARING = "preparing"
    TRAINING = "training"
    EVALUATING = "evaluating"
    JUDGING = "judging"


class Arm(StrEnum):
    """One way to answer a question; every run compares all of them on the same held-out questions."""

    BASE = "base"
    PROMPTED = "prompted"
    RETRIEVAL = "retrieval"
    TUNED = "tuned"
    TUNED_RETRIEVAL = "tuned + retrieval"


class Outcome(StrEnum):
    PROMOTE = "promote"
    KEEP = "keep"
    UNDECIDED = "undecided"  # too little evidence; does not promote
    FOR_TASK = "for its task"  # better at the one task that it was made for; never the assistant's


class AdapterKind(StrEnum):
    """What a run has made of the base model."""

    ADAPTER = "adapter"  # a few matrices beside it; many are served at once
    MODEL = "model"  # a whole model of its own, which is served in the base's place


class Level(StrEnum):
    """How an answer was made; each step down is said in the answer."""

    TUNED = "tuned"  # the current adapter, with passages
    BASE = "base"  # the base model, with passages
    PASSAGES = "passages"  # no model: what was found, quoted
    UNKNOWN = "unknown"  # nothing was found; people who may know are named


class PassageKind(StrEnum):
    PAIR = "pair"
    THREAD = "thread"
    FILE = "file"  # or a canvas, shared in a channel
    DOCUMENT = "document"


PAIR_MOVES: Mapping[PairState, frozenset[PairState]] = {
    PairState.CANDIDATE: frozenset({PairState.APPROVED, PairState.REJECTED, PairState.RETIRED}),
    PairState.APPROVED: frozenset({PairState.CANDIDATE, PairState.RETIRED}),
    PairState.REJECTED: frozenset({PairState.CANDIDATE, PairState.RETIRED}),
    PairState.RETIRED: frozenset(),
}

RUN_MOVES: Mapping[RunState, frozenset[RunState]] = {
    RunState.QUEUED: frozenset({RunState.RUNNING, RunState.CANCELLED}),
    RunState.RUNNING: frozenset(
        {RunState.DONE, RunState.FAILED, RunState.CANCELLED, RunState.QUEUED}
    ),
    RunState.DONE: frozenset(),
    RunState.FAILED: frozenset({RunState.QUEUED}),
    RunState.CANCELLED: frozenset({RunState.QUEUED}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A Slack conversation that the bot is in."""

    id: str
    name: str
    is_private: bool = False
    is_shared: bool = False  # Slack Connect: people of another organisation read it
    is_direct: bool = False  # a direct message, to one person or a few

    @property
    def scope(self) -> str:
        """Who may see what was said here: everyone, or this channel's members."""
        return self.id if self.is_private or self.is_direct else PUBLIC


def public_of(channel: str) -> str:
    """The scope that holds only what was said in this public channel: what its guests may be quoted."""
    return f"{PUBLIC}:{channel}"


def channel_of_public(scope: str) -> str:
    """The channel of a scope that `public_of` made; "" for every other scope."""
    return scope.removeprefix(f"{PUBLIC}:") if scope.startswith(f"{PUBLIC}:") else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One Slack message, redacted, as Markdown."""

    channel: str
    ts: str
    author: str  # Slack user id, or the bot id of an app's message
    text: str
    thread_ts: str | None = None
    permalink: str = ""
    is_bot: bool = False
    is_pinned: bool = False
    edited_ts: str | None = None

    @property
    def root(self) -> str:
        """The `ts` of the thread's first message, or its own."""
        return self.thread_ts or self.ts

    @property
    def at(self) -> float:
        return float(self.ts)


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedFile:
    """A file or a canvas that is shared in channels of the bot: its text, redacted, as Markdown."""

    id: str
    title: str
    author: str  # Slack user id of who brought it
    text: str  # empty where it cannot be read
    url: str
    at: float  # when it was made
    channels: tuple[str, ...]  # where it is shared; who may see one of them may see it
    reason: str = ""  # why it cannot be read


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One question with the answer that a person vouched for."""

    id: int
    question: str
    answer: str
    state: PairState
    origin: Origin
    channel: str
    scope: str  # PUBLIC or a channel id
    conversation: str  # "CHANNEL/ROOT_TS": pairs of one conversation never part in a split
    source: str  # permalink of the answering message
    answer_ts: str
    question_ts: str | None = None
    authors: tuple[str, ...] = ()  # who wrote the question and the answer
    captured_by: str = ""
    captured_at: float = 0.0
    decided_by: str | None = None
    decided_at: float | None = None
    reason: str | None = None
    rejected_answer: str | None = None  # of a correction: the bot's answer that it replaces
    redactions: tuple[str, ...] = ()  # kinds of what was removed, one entry each
    tags: tuple[str, ...] = ()
    question_parts: tuple[str, ...] = ()  # `ts` of the messages that the question was joined from
    answer_parts: tuple[str, ...] = ()  # and of those that the answer was
    also_asked: tuple[str, ...] = ()  # other wordings of the question, from merged pairs
    merged_into: int | None = None  # the pair that took its place
    confidence: float | None = None  # of a mined pair: 0 to 1

    def can_become(self, state: PairState) -> bool:
        return state in PAIR_MOVES[self.state]


def said_at(pair: Pair) -> float:
    """When the answer was given, as far as is known; else when it was saved."""
    return said_when(pair.answer_ts) or pair.captured_at


def said_when(ts: str) -> float:
    """The time that a message's `ts` tells; 0 where it tells none."""
    return float(ts) if len(ts) == SLACK_TS and ts[10] == "." else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportJob:
    """A channel's history being read because a person asked, and mined for candidates."""

    channel: str
    state: ImportState
    requested_by: str
    requested_at: float
    messages: int = 0  # stored so far
    pairs: int = 0  # candidates found
    reached: str | None = None  # the oldest `ts` that was read
    error: str | None = None
    ended_at: float | None = None

    @property
    def is_over(self) -> bool:
        return self.state in {ImportState.DONE, ImportState.CANCELLED, ImportState.FAILED}


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetVersion:
    """Approved pairs, frozen: an immutable folder named by the hash of its content."""

    id: int
    name: str  # "d1", "d2", … in the order they were frozen
    hash: str
    folder: str  # relative to the artifact store
    train: int  # pairs
    heldout: int  # pairs
    created_by: str
    created_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a run is, for the one message that is edited."""

    stage: Stage = Stage.WAITING
    step: int = 0
    steps: int = 0
    loss: float | None = None  # nats per answer token, of the last step
    validation_loss: float | None = None  # of training conversations that are not trained on
    tokens_per_second: float | None = None  # answer tokens that are learned
    seconds_left: float | None = None
    memory: int | None = None  # bytes, the most that training has held
    note: str = ""


class Goal(StrEnum):
    """What a run is for."""

    ADAPTER = "adapter"  # train one, compare it, judge it
    PLAN = "plan"  # say what training would take, and train nothing
    CURVE = "curve"  # train on growing shares of the data: would more of it help?
    SEARCH = "search"  # look for better hyperparameters than the dial's


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run will take, estimated on the device that will train it. Bytes and seconds."""

    rows: int
    prompt_tokens: int
    answer_tokens: int  # those that are learned
    lengths: tuple[int, ...]  # tokens of a row, prompt and answer: shortest, quartiles, longest
    left_out: int  # rows that are too long
    left_out_why: tuple[str, ...]  # the first of them, in words
    steps: int
    device: str
    memory: Mapping[str, int]  # at the peak of training, by part
    memory_free: int | None
    seconds: Mapping[str, float]  # by stage
    disk: int
    disk_free: int
    chosen: tuple[str, ...]  # what the dial set, and why
    probed: int  # real steps that time and memory were measured on

    @property
    def peak(self) -> int:
        return sum(self.memory.values())

    @property
    def duration(self) -> float:
        return sum(self.seconds.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One training run, from the queue to a verdict."""

    id: int
    dataset_id: int
    recipe: str  # name of a recipe file, for example "qlora"
    options: Mapping[str, Any]  # what the requester set on top of the recipe
    base_model: str
    state: RunState
    requested_by: str
    requested_at: float
    progress: Progress = field(default_factory=Progress)
    attempt: int = 0
    worker: str | None = None
    heartbeat_at: float | None = None
    cancel_requested_by: str | None = None
    channel: str | None = None  # where its one message is
    message_ts: str | None = None
    adapter_id: int | None = None
    error: str | None = None
    started_at: float | None = None
    ended_at: float | None = None
    goal: Goal = Goal.ADAPTER
    plan: Plan | None = None
    found: str | None = None  # what a curve or a search found, in words

    @property
    def is_over(self) -> bool:
        return self.state in {RunState.DONE, RunState.FAILED, RunState.CANCELLED}


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmScore:
    """What one arm scored on the held-out questions, question by question, in their order."""

    arm: Arm
    nll: tuple[float, ...]  # nats per reference-answer token, lower is better
    f1: tuple[float, ...]  # token F1 of the generated answer; empty where nothing was generated
    answers: tuple[str, ...]  # generated answers, as many as `f1`
    # What else was measured, by name (`builder.measures`): one value for each answer that it was asked of.
    measures: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    @property
    def mean_nll(self) -> float:
        return sum(self.nll) / len(self.nll) if self.nll else float("nan")

    @property
    def mean_f1(self) -> float:
        return sum(self.f1) / len(self.f1) if self.f1 else float("nan")


class Asked(StrEnum):
    """How a task's held-out inputs were answered."""

    BASE = "base"  # the instruction alone
    PROMPTED = "base, with examples"  # the instruction, and a few alike of the training rows
    TUNED = "tuned"  # the run's own adapter
    SINGLE = "tuned on this task alone"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskArm:
    """What one way of asking scored on one task's held-out rows."""

    asked: Asked
    value: float  # the metric over all rows
    low: float  # 95 % interval, by bootstrap of whole groups
    high: float
    rows: tuple[
        float, ...
    ]  # each row by itself: right (1) or wrong (0), overlap, or nats per token
    answers: tuple[str, ...] = ()  # empty where the metric is a loss
    outside: int = 0  # answers that are no known label, or not in the format; each counts as wrong
    adapter: str = ""  # the name of an earlier run's adapter that answered


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskScore:
    """One task's held-out rows, answered in every way, in their order."""

    task: str
    metric: str  # "accuracy", "macro_f1", "exact", "rouge_l", "token_f1" or "loss"
    higher_is_better: bool
    version: str  # of the rows: one hash for the same rows on the same sides
    inputs: tuple[str, ...]  # shortened
    references: tuple[str, ...]
    groups: tuple[str, ...]  # the cluster of each row, for the paired test
    arms: tuple[TaskArm, ...]
    labels: tuple[str, ...] = ()  # every label that there was to choose from
    note: str = ""  # what is missing, and why, in words

    def arm(self, asked: Asked) -> TaskArm | None:
        return next((arm for arm in self.arms if arm.asked is asked), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """What learning the later stages did to what an earlier one had learned."""

    stage: str
    mean: float  # nats per token after the last stage minus after its own; above 0: forgotten
    low: float  # 95 % interval, by bootstrap of whole groups
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Stages:
    """The loss on every stage's held-out rows, before training and after each stage."""

    names: tuple[str, ...]  # of the stages, in the order they were learned
    rows: tuple[int, ...]  # held-out rows of each
    losses: tuple[tuple[float, ...], ...]  # [1 + stages, stages] nats per token; first: untrained
    transfers: tuple[Transfer, ...]  # of every stage but the last

    @property
    def backward_transfer(self) -> float:
        """Mean of the transfers (Lopez-Paz & Ranzato 2017, of losses): above 0 is forgetting."""
        return sum(one.mean for one in self.transfers) / len(self.transfers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sourced:
    """How an arm's answers stand to the passages that it was given, as shares of `questions`.

    Every question was asked twice: with the passage that holds its answer among others, and with the
    others alone.
    """

    arm: Arm
    questions: int
    cites_with: float  # a sentence of the answer is supported by a passage
    cites_without: float
    cites_right: float  # of the numbers that the former get, how many name the right passage
    declines_with: float  # wrongly: the answer was there
    declines_without: float  # rightly


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """General questions of one kind, before tuning and after it: what must not be forgotten."""

    kind: str  # language, reasoning, instructions, refusal
    before: tuple[float, ...]  # nats per token of the shipped answer
    after: tuple[float, ...]
    # 1 where the model's own answer keeps the question's rule, else 0; empty where none has a rule.
    kept_before: tuple[float, ...] = ()
    kept_after: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Bias:
    """Pairs of texts that differ in who is meant, before tuning and after it."""

    kind: str  # pronoun, name, group
    templates: tuple[str, ...]  # that each pair was made from: the cluster for the paired test
    before: tuple[float, ...]  # nats per token of the one minus those of the other
    after: tuple[float, ...]
    # How unlike the two greedy answers of a pair are, 0 (the same) to 1; for as many as were asked.
    answered_templates: tuple[str, ...] = ()
    answers_before: tuple[float, ...] = ()
    answers_after: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Recited:
    """Answers from the question alone: how much of the reference each gives back word for word."""

    words: tuple[float, ...] = ()  # of each reference
    before: tuple[float, ...] = ()  # words of the longest run that base answer and reference share
    after: tuple[float, ...] = ()  # the same, tuned


@dataclass(frozen=True, slots=True, kw_only=True)
class Memorised:
    """What comes out of the weights word for word: of training answers, and of held-out ones beside them."""

    trained: Recited = field(default_factory=Recited)
    heldout: Recited = field(default_factory=Recited)
    people: tuple[str, ...] = ()  # authors of the training answers that were recited
    placeholders: int = 0  # tuned answers with a placeholder of their training answer
    secrets: int = 0  # tuned answers with a secret of their training answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """A sample of the training rows, asked by the question alone: what held-out losses are compared with."""

    conversations: tuple[str, ...]
    times: tuple[float, ...]  # of the answers
    before: tuple[float, ...]  # nats per reference-answer token, base
    after: tuple[float, ...]  # the same, tuned


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """What tuning from feedback did to the answers that people prefer, and to those that they do not.

    Measured as it was trained, on preferences that were held out; empty where there were none.
    """

    method: str  # dpo, kto
    starts_from: str  # the adapter that was moved, and is the reference
    learned: int  # pairs, or single answers, that were trained on
    left_out: Mapping[str, int] = field(default_factory=dict)  # why, and how many
    # Of each pair, the reward of the better answer minus that of the worse.
    margins: tuple[float, ...] = ()
    # Nats per token of each better answer, by the reference and by what was trained.
    preferred_before: tuple[float, ...] = ()
    preferred_after: tuple[float, ...] = ()
    note: str = ""

    @property
    def accuracy(self) -> float:
        """Share of held-out pairs of which the better answer has the higher reward; ties count half."""
        won = sum(1.0 if margin > 0 else 0.5 if margin == 0 else 0.0 for margin in self.margins)
        return won / len(self.margins) if self.margins else float("nan")


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """All arms on the same held-out questions, at the precision that is served."""

    questions: tuple[str, ...]
    references: tuple[str, ...]
    conversations: tuple[str, ...]  # the cluster of each question, for the paired test
    arms: tuple[ArmScore, ...]
    precision: str  # for example "float32"
    tasks: tuple[TaskScore, ...] = ()  # of a run that learned tasks, each scored apart
    stages: Stages | None = None  # of a run in stages
    sourced: tuple[
        Sourced, ...
    ] = ()  # base and tuned with retrieval, where the recipe teaches declining
    times: tuple[float, ...] = ()  # of the references
    probes: tuple[Probe, ...] = ()  # forgetting, one entry a kind
    bias: tuple[Bias, ...] = ()  # one entry a kind
    memorised: Memorised | None = None
    learned: Learned | None = None  # overfitting
    preference: Preference | None = None  # of tuning from feedback

    def arm(self, arm: Arm) -> ArmScore:
        return next(score for score in self.arms if score.arm is arm)

    @property
    def probe_nll_before(self) -> tuple[float, ...]:
        """The loss on general questions of every kind, of the base."""
        return tuple(value for probe in self.probes for value in probe.before)

    @property
    def probe_nll_after(self) -> tuple[float, ...]:
        """The same, tuned."""
        return tuple(value for probe in self.probes for value in probe.after)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the gate decided, and why, in words that a person can check."""

    outcome: Outcome
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """A trained adapter, or a model trained as a whole: an immutable folder, with its evidence."""

    id: int
    name: str  # "v1", "v2", …: the model name that the engine serves
    run_id: int
    dataset_id: int
    base_model: str
    hash: str
    folder: str  # relative to the artifact store
    rank: int  # 0 of a whole model
    evaluation: Evaluation
    verdict: Verdict
    created_at: float
    kind: AdapterKind = AdapterKind.ADAPTER


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """What is served since when, by whose decision. The newest row is current; none is deleted."""

    id: int
    adapter_id: int | None  # None: the base model
    adapter: str  # its name, or "base"
    by: str  # a Slack user id, "gate", or an operating-system user
    why: str
    at: float
    loaded_at: float | None = None  # when the engine confirmed it
    error: str | None = None  # why the engine could not load it
    canary: str | None = None  # what it answered to a first question, before it became current


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A piece of text that may be quoted, by those who may see its scope."""

    id: str  # hash of kind, source and text
    text: str
    title: str
    kind: PassageKind
    url: str  # opens the source
    scope: str = PUBLIC
    author: str = ""
    at: float = 0.0
    conversation: str = ""  # "CHANNEL/ROOT_TS" for what was said in Slack
    messages: tuple[
        str, ...
    ] = ()  # "CHANNEL/TS" of every message that it quotes, "CHANNEL/ID" of a file
    pair_id: int | None = None  # of an approved pair
    is_pinned: bool = False  # people pinned a message that it quotes
    parent: str = ""  # shared by the parts of one section or conversation
    part: int = 0  # its place among those
    lead: int = 0  # characters at its beginning that every part repeats: the headings, the question


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A passage that a search found, best first, with how each stage ranked it (1 is best)."""

    passage: Passage
    score: float  # fused; comparable within one search only
    similarity: float  # cosine between question and passage, -1..1
    coverage: float = 0.0  # share of what the question's words tell that the passage holds, 0..1
    is_about_another: bool = False  # the question names something, and the passage names it nowhere
    dense_rank: int | None = None
    lexical_rank: int | None = None
    words: float = 0.0  # BM25
    standing: float = 0.0  # what approval and age added to the score
    reranked: float | None = None  # by the cross-encoder, 0..1; None: it did not read this one
    repeats: str = ""  # id of a better hit that says the same

    @property
    def evidence(self) -> float:
        """How much speaks for the answer being in here: alike in meaning, and holding the telling words.

        What is said of another alert, error or option reads alike, and answers another question.
        """
        alike = self.similarity + self.coverage
        return alike / 2 if self.is_about_another else alike


@dataclass(frozen=True, slots=True, kw_only=True)
class Citation:
    """A number in an answer, and what it opens."""

    number: int
    passage_id: str
    title: str
    url: str
    quote: str
    pair_id: int | None = None  # the approved pair that it opens, if it is one


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """How questions are answered in one channel, as its curators chose in chat."""

    answers: bool = True  # False: the bot does not answer there
    unmentioned: bool = False  # questions that do not name the bot are answered, too
    sources: tuple[PassageKind, ...] = tuple(PassageKind)
    instructions: str = ""  # tone and whatever else its answers are to heed
    language: str = ""  # empty: the model's choice
    adapter: str = ""  # empty: the one that is current
    experts: tuple[str, ...] = ()  # users and user groups that "Ask a human" tags

    @property
    def style(self) -> str:
        """What the model is told beside its own instructions."""
        language = f"Answer in {self.language}." if self.language else ""
        return " ".join(filter(None, (self.instructions, language)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a person was told, where it came from, and by what it was made."""

    id: str
    question: str
    text: str
    citations: tuple[Citation, ...]
    level: Level
    model: str  # the adapter's name, "base", or "none"
    note: str = ""  # what was degraded and why, in words; empty when nothing was
    scopes: tuple[str, ...] = ()  # of every passage that it was made from, cited or not
    people: tuple[str, ...] = ()  # who answered similar questions
    asker: str = ""
    channel: str = ""
    thread_ts: str | None = None
    message_ts: str | None = None
    at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """A thumb, with the reason or the better answer where one was given."""

    id: int
    answer_id: str
    by: str
    helpful: bool
    reason: str = ""
    pair_id: int | None = None  # the candidate made from the correction
    at: float = 0.0


class ComparisonState(StrEnum):
    PREPARING = "preparing"
    OPEN = "open"
    CLOSED = "closed"
    CANCELLED = "cancelled"
    FAILED = "failed"


class Choice(StrEnum):
    """Whose answer a person, or a model, finds better."""

    ONE = "one"
    OTHER = "other"
    BOTH = "both"
    NEITHER = "neither"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two adapters whose answers people compare without knowing whose is which."""

    id: int
    one: str  # an adapter's name, or "base"
    other: str
    wanted: int  # questions
    state: ComparisonState
    asked_by: str
    at: float
    channel: str
    message_ts: str | None = None
    error: str | None = None
    closed_by: str | None = None
    closed_at: float | None = None
    judged: Mapping[str, Any] | None = None  # what a judge model said of the same answers

    @property
    def is_over(self) -> bool:
        return self.state not in {ComparisonState.PREPARING, ComparisonState.OPEN}


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One question of a comparison, with both answers once they were made."""

    id: int
    comparison_id: int
    question: str
    conversation: str  # never quoted in the answers
    is_public: bool  # the question was asked where everyone may read
    one_answer: str | None = None
    other_answer: str | None = None
    is_swapped: bool = False  # the other one's answer is shown first
    message_ts: str | None = None  # where people vote on it

    @property
    def is_ready(self) -> bool:
        """Whether there are two answers to choose from."""
        return bool(self.one_answer and self.other_answer) and not self.is_same

    @property
    def is_same(self) -> bool:
        return bool(self.one_answer) and self.one_answer == self.other_answer

    @property
    def shown(self) -> tuple[str, str]:
        """The answers in the order in which they are shown."""
        answers = self.one_answer or "", self.other_answer or ""
        return (answers[1], answers[0]) if self.is_swapped else answers


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """What one person chose on one question of a comparison."""

    compared_id: int
    by: str
    choice: Choice
    at: float


class KeyScope(StrEnum):
    """What the holder of a key may do at the gateway."""

    ASK = "ask"  # from public sources
    ASK_AS = "ask:as"  # for somebody: name the asker, the place, and what may be quoted there
    SEARCH = "search"
    PROPOSE = "propose"  # candidates for review
    EMBED = "embed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key of the gateway. The key itself is nowhere; `hash` is the SHA-256 of it."""

    id: int
    name: str
    hash: str
    scopes: tuple[KeyScope, ...]
    per_minute: int  # requests; 0: any number
    created_by: str
    created_at: float
    revoked_at: float | None = None
