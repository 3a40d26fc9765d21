"""The tables, and nothing else. Times are seconds since the epoch; lists and mappings are JSON."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

# Every constraint has a name: SQLite drops unnamed ones when a migration rebuilds a table.
metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# What Slack sent, stored before it is acknowledged, under Slack's own id: resent means ignored.
events = Table(
    "events",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("payload", JSON, nullable=False),  # emptied once it was worked on: it is not redacted
    Column("lane", String(64)),  # events of one lane are worked on one after the other
    Column("state", String(16), nullable=False, default="new"),  # new, claimed, done, failed
    Column("received_at", Float, nullable=False),
    Column("claimed_at", Float),
    Column("worker", String(128)),
    Column("attempt", Integer, nullable=False, default=0),
    Column("error", Text),
    Index(None, "state", "received_at"),
    Index(None, "lane", "state"),
)

# Which Slack message shows a thing, for the one message that is edited: "pair:7", "deployment:3".
cards = Table(
    "cards",
    metadata,
    Column("subject", String(64), primary_key=True),
    Column("channel", String(32), nullable=False),
    Column("ts", String(32), nullable=False),
    Index(None, "channel", "ts"),
)

channels = Table(
    "channels",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("name", String(128), nullable=False),
    Column("is_private", Boolean, nullable=False, default=False),
    Column("is_shared", Boolean, nullable=False, default=False),
    Column("is_direct", Boolean, nullable=False, default=False),
    Column("backfilled_to", String(32)),  # the oldest `ts` that was read; null: never begun
    Column("backfill_done", Boolean, nullable=False, default=False),
)

messages = Table(
    "messages",
    metadata,
    Column("channel", String(32), primary_key=True),
    Column("ts", String(32), primary_key=True),
    Column("thread_ts", String(32)),
    Column("author", String(32), nullable=False),
    Column("text", Text, nullable=False),
    Column("permalink", Text, nullable=False, default=""),
    Column("is_bot", Boolean, nullable=False, default=False),
    Column("is_pinned", Boolean, nullable=False, default=False),
    Column("edited_ts", String(32)),
    Column("changed_at", Float, nullable=False),
    Index(None, "channel", "thread_ts", "ts"),  # a thread in its order
    Index(None, "author"),
    Index(None, "changed_at"),
)

# Files and canvases that are shared in channels, as redacted text.
files = Table(
    "files",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("title", Text, nullable=False),
    Column("author", String(32), nullable=False),
    Column("text", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("at", Float, nullable=False),
    Column("channels", JSON, nullable=False),
    Column("reason", Text, nullable=False, default=""),  # why there is no text
    Column("changed_at", Float, nullable=False),
    Index(None, "author"),
    Index(None, "changed_at"),
)

pairs = Table(
    "pairs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("question", Text, nullable=False),
    Column("answer", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("origin", String(16), nullable=False),
    Column("channel", String(32), nullable=False),
    Column("scope", String(32), nullable=False),
    Column("conversation", String(80), nullable=False),
    Column("source", Text, nullable=False),
    Column("answer_ts", String(32), nullable=False),
    Column("question_ts", String(32)),
    Column("authors", JSON, nullable=False),
    Column("captured_by", String(32), nullable=False),
    Column("captured_at", Float, nullable=False),
    Column("decided_by", String(32)),
    Column("decided_at", Float),
    Column("reason", Text),
    Column("rejected_answer", Text),
    Column("redactions", JSON, nullable=False),
    Column("tags", JSON, nullable=False),
    Column("question_parts", JSON, nullable=False),
    Column("answer_parts", JSON, nullable=False),
    Column("also_asked", JSON, nullable=False),
    Column("merged_into", Integer, ForeignKey("pairs.id")),
    Column("confidence", Float),
    Column("changed_at", Float, nullable=False),
    # One live pair for each answering message; withdrawn ones make room for a new capture.
    Index(
        "uq_pairs_live",
        "channel",
        "answer_ts",
        unique=True,
        sqlite_where=Column("state", String) != "retired",
        postgresql_where=Column("state", String) != "retired",
    ),
    CheckConstraint("state IN ('candidate','approved','rejected','retired')", name="state"),
    Index(None, "state", "captured_at"),
    Index(None, "changed_at"),
)

# Which messages a pair's words come from: what is edited or deleted in Slack finds its pairs here.
pair_messages = Table(
    "pair_messages",
    metadata,
    Column("pair_id", Integer, ForeignKey("pairs.id"), primary_key=True),
    Column("channel", String(32), primary_key=True),
    Column("ts", String(32), primary_key=True),
    Index(None, "channel", "ts"),
)

# People who asked that nothing they write is stored.
opted_out = Table(
    "opted_out",
    metadata,
    Column("user", String(32), primary_key=True),
    Column("at", Float, nullable=False),
)

# Messages that were deleted, or that somebody asked to forget: no export and no history brings them back.
# A file stands under "file" in place of a channel, with its id as `ts`.
forgotten = Table(
    "forgotten",
    metadata,
    Column("channel", String(32), primary_key=True),
    Column("ts", String(32), primary_key=True),
    Column("at", Float, nullable=False),
)

# A channel whose history was asked for by a person: at most one job a channel, taken up again where it stopped.
imports = Table(
    "imports",
    metadata,
    Column("channel", String(32), primary_key=True),
    Column("state", String(16), nullable=False),
    Column("requested_by", String(32), nullable=False),
    Column("requested_at", Float, nullable=False),
    Column("messages", Integer, nullable=False, default=0),
    Column("pairs", Integer, nullable=False, default=0),
    Column("reached", String(32)),  # the oldest `ts` that was read
    Column("error", Text),
    Column("ended_at", Float),
    CheckConstraint("state IN ('reading','mining','done','cancelled','failed')", name="state"),
)

# Who moved or edited which pair, when and why. Only ever added to.
pair_history = Table(
    "pair_history",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("pair_id", Integer, ForeignKey("pairs.id"), nullable=False),
    Column("by", String(64), nullable=False),
    Column("what", String(32), nullable=False),
    Column("detail", JSON, nullable=False),
    Column("at", Float, nullable=False),
    Index(None, "pair_id"),
)

datasets = Table(
    "datasets",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(16), nullable=False, unique=True),
    Column("hash", String(64), nullable=False, unique=True),
    Column("folder", Text, nullable=False),
    Column("train", Integer, nullable=False),
    Column("heldout", Integer, nullable=False),
    Column("created_by", String(64), nullable=False),
    Column("created_at", Float, nullable=False),
)

dataset_pairs = Table(
    "dataset_pairs",
    metadata,
    Column("dataset_id", Integer, ForeignKey("datasets.id"), primary_key=True),
    Column("pair_id", Integer, ForeignKey("pairs.id"), primary_key=True),
    Column("split", String(16), nullable=False),
    CheckConstraint("split IN ('train','heldout')", name="split"),
)

runs = Table(
    "runs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("dataset_id", Integer, ForeignKey("datasets.id"), nullable=False),
    Column("recipe", String(64), nullable=False),
    Column("options", JSON, nullable=False),
    Column("base_model", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("requested_by", String(64), nullable=False),
    Column("requested_at", Float, nullable=False),
    Column("progress", JSON, nullable=False),
    Column("attempt", Integer, nullable=False, default=0),
    Column("worker", String(128)),
    Column("heartbeat_at", Float),
    Column("cancel_requested_by", String(64)),
    Column("channel", String(32)),
    Column("message_ts", String(32)),
    Column("adapter_id", Integer),
    Column("error", Text),
    Column("started_at", Float),
    Column("ended_at", Float),
    Column("announced", String(128)),  # the last state and progress that Slack shows
    Column("goal", String(16), nullable=False, default="adapter"),
    Column("plan", JSON(none_as_null=True)),
    Column("found", Text),
    CheckConstraint("state IN ('queued','running','done','failed','cancelled')", name="state"),
    CheckConstraint("goal IN ('adapter','plan','curve','search')", name="goal"),
    Index(None, "state", "id"),
)

adapters = Table(
    "adapters",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(16), nullable=False, unique=True),
    Column("run_id", Integer, ForeignKey("runs.id"), nullable=False, unique=True),
    Column("dataset_id", Integer, ForeignKey("datasets.id"), nullable=False),
    Column("base_model", Text, nullable=False),
    Column("hash", String(64), nullable=False),
    Column("folder", Text, nullable=False),
    Column("kind", String(8), nullable=False, default="adapter"),
    Column("rank", Integer, nullable=False),
    Column("evaluation", JSON, nullable=False),
    Column("verdict", JSON, nullable=False),
    Column("created_at", Float, nullable=False),
    CheckConstraint("kind IN ('adapter','model')", name="kind"),
)

# The newest row is what is served. A rollback is one more row.
deployments = Table(
    "deployments",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("adapter_id", Integer, ForeignKey("adapters.id")),
    Column("by", String(64), nullable=False),
    Column("why", Text, nullable=False),
    Column("at", Float, nullable=False),
    Column("loaded_at", Float),
    Column("error", Text),
    Column("canary", Text),
)

# The newest row is the index that is searched.
indexes = Table(
    "indexes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("hash", String(64), nullable=False),
    Column("folder", Text, nullable=False),
    Column("passages", Integer, nullable=False),
    Column("built_at", Float, nullable=False),
)

answers = Table(
    "answers",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("question", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("citations", JSON, nullable=False),
    Column("level", String(16), nullable=False),
    Column("model", String(64), nullable=False),
    Column("note", Text, nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("people", JSON, nullable=False),
    Column("asker", String(32), nullable=False),
    Column("channel", String(32), nullable=False),
    Column("thread_ts", String(32)),
    Column("message_ts", String(32)),
    Column("at", Float, nullable=False),
    Index(None, "channel", "message_ts"),
)

# How a channel wants to be answered, as chosen in chat.
ways = Table(
    "ways",
    metadata,
    Column("channel", String(32), primary_key=True),
    Column("ways", JSON, nullable=False),
    Column("by", String(64), nullable=False),
    Column("at", Float, nullable=False),
)

feedback = Table(
    "feedback",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("answer_id", String(32), ForeignKey("answers.id"), nullable=False),
    Column("by", String(32), nullable=False),
    Column("helpful", Boolean, nullable=False),
    Column("reason", Text, nullable=False, default=""),
    Column("pair_id", Integer, ForeignKey("pairs.id")),
    Column("at", Float, nullable=False),
    UniqueConstraint("answer_id", "by"),
)

# Two adapters, whose answers people compare blind.
comparisons = Table(
    "comparisons",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("one", String(16), nullable=False),
    Column("other", String(16), nullable=False),
    Column("wanted", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("asked_by", String(64), nullable=False),
    Column("at", Float, nullable=False),
    Column("channel", String(32), nullable=False),
    Column("message_ts", String(32)),
    Column("error", Text),
    Column("closed_by", String(64)),
    Column("closed_at", Float),
    Column("judged", JSON),
    CheckConstraint("state IN ('preparing','open','closed','cancelled','failed')", name="state"),
)

# The questions of a comparison, and both answers to each. Null: not answered yet.
compared = Table(
    "compared",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("comparison_id", Integer, ForeignKey("comparisons.id"), nullable=False),
    Column("question", Text, nullable=False),
    Column("conversation", String(80), nullable=False),
    Column("is_public", Boolean, nullable=False),
    Column("one_answer", Text),
    Column("other_answer", Text),
    Column("is_swapped", Boolean, nullable=False),
    Column("message_ts", String(32)),
    Index(None, "comparison_id"),
)

# One row for each person and question: a second press changes the first.
votes = Table(
    "votes",
    metadata,
    Column("compared_id", Integer, ForeignKey("compared.id"), primary_key=True),
    Column("by", String(32), primary_key=True),
    Column("choice", String(16), nullable=False),
    Column("at", Float, nullable=False),
    CheckConstraint("choice IN ('one','other','both','neither')", name="choice"),
)

# Keys of the gateway, as hashes. A name is free again when its key was revoked.
keys = Table(
    "keys",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(64), nullable=False),
    Column("hash", String(64), nullable=False, unique=True),
    Column("scopes", JSON, nullable=False),
    Column("per_minute", Integer, nullable=False),
    Column("created_by", String(64), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("revoked_at", Float),
    Index(
        "uq_keys_live",
        "name",
        unique=True,
        sqlite_where=Column("revoked_at", Float).is_(None),
        postgresql_where=Column("revoked_at", Float).is_(None),
    ),
)

# One holder for each name, for as long as its heart beats.
leases = Table(
    "leases",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("holder", String(128), nullable=False),
    Column("heartbeat_at", Float, nullable=False),
)
