"""A recipe's name and a person's options in; every hyperparameter of a run, checked, out. No torch.

A recipe is a TOML file beside this one, or in `recipes/` of the data folder.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from lorekeeper.errors import BadInput, NotFound
from lorekeeper.settings import Serving


def _names(given: object) -> object:
    """What was typed with commas between, as a list."""
    return (
        tuple(filter(None, map(str.strip, given.split(",")))) if isinstance(given, str) else given
    )


Names = Annotated[tuple[str, ...], BeforeValidator(_names)]


class Recipe(BaseModel):
    """How an adapter is trained. Defaults follow the sources named beside them."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    about: str = ""
    """One line for people: what this recipe is for."""
    way: Literal["instruction", "task", "multitask", "sequential", "feedback"] = "instruction"
    """What is learned from what: questions with their answers, one task, several tasks mixed, stages one
    after the other, or what people thought of answers."""
    trains: Literal["adapter", "upper", "all"] = "adapter"
    """Which weights learn: an adapter beside the frozen base, the base's upper layers, or all of it. The
    latter two end in a model of its own, which is served as one."""
    upper_layers: Annotated[int, Field(ge=1)] = 4
    """How many of the base's last layers learn where `trains` is `upper`."""
    quantization: Literal["nf4", "none"] = "nf4"
    """`nf4`: the frozen base in 4 bits with double quantisation (QLoRA, Dettmers et al. 2023)."""
    rank: Annotated[int, Field(ge=1, le=512)] = 16
    """Rank of the adapter's matrices."""
    alpha: Annotated[int, Field(ge=1)] = 32
    """Scale of the adapter; twice the rank (Biderman et al. 2024)."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """Dropout in front of the adapter, against overfitting on few rows."""
    rslora: bool = False
    """Divide alpha by the root of the rank instead of the rank."""
    dora: bool = False
    """Weight-decomposed LoRA (Liu et al. 2024). vLLM cannot serve it as an adapter, so it needs `merged`."""
    merged: bool = False
    """Add the adapter to the base's weights after training. The result is a model of its own, and is served as one."""
    target_modules: str | tuple[str, ...] = "all-linear"
    """Which layers get an adapter; all linear ones matter more than the rank (QLoRA)."""
    learning_rate: Annotated[float, Field(gt=0, le=0.1)] = 2e-4
    """Peak of the schedule: linear warm-up, then cosine."""
    epochs: Annotated[float, Field(gt=0, le=100)] = 2.0
    """Passes over the training split."""
    batch_size: Annotated[int, Field(ge=1)] = 4
    """Rows that are computed at once."""
    accumulation: Annotated[int, Field(ge=1)] = 2
    """Batches that make one step; small effective batches suit LoRA (under 32)."""
    max_tokens: Annotated[int, Field(ge=32)] = 768
    """Longest row, prompt and answer together. Longer rows are reported and left out, never cut."""
    packing: bool = True
    """Rows are laid end to end instead of padded; none sees another. Models that cannot do that are padded."""
    recompute: Literal["auto", "always", "never"] = "auto"
    """Compute a layer's values again instead of keeping them: a third more time, far less memory. `auto`: on a GPU."""
    validation: Annotated[float, Field(ge=0, le=0.5)] = 0.1
    """Share of the training conversations that is not trained on, to see when learning turns into
    memorising; none where that would be too few. The questions that judge the result are others."""
    patience: Annotated[int, Field(ge=0)] = 3
    """Stop when so many validations in a row brought no better loss, and keep the best; 0 never stops."""
    effort: Literal["low", "medium", "high"] = "medium"
    """One dial for rank, epochs and learning rate, where the recipe does not set them."""
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Share of the steps in which the learning rate rises."""
    with_passages: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Share of rows whose prompt holds what retrieval would bring, so that the model works with sources."""
    with_own_passage: Annotated[float, Field(ge=0, le=1)] = 0.8
    """Share of those in which the right passage is among them; the others hold only distractors (RAFT)."""
    task: str = ""
    """Of way `task`: which one is learned; `lore tasks list` shows them."""
    tasks: Names = ()
    """Of way `multitask`: which are mixed. Typed, they have commas between."""
    temperature: Annotated[float, Field(gt=0)] = 2.0
    """Of way `multitask`: a task of n rows weighs n^(1/T). At 1 it counts by its rows; the higher, the more
    alike all tasks count (Raffel et al. 2020)."""
    compare_single: bool = False
    """Of way `multitask`: train an adapter on each task alone, too, and compare with it."""
    stages: Names = ()
    """Of way `sequential`: tasks that are learned one after the other, each from the last."""
    replay: Annotated[float, Field(ge=0, le=1)] = 0.1
    """Of way `sequential`: rows of earlier stages that are learned again in each later one, as a share of
    its own (Scialom et al. 2022)."""
    judged_rows: Annotated[int, Field(ge=8)] = 100
    """At most this many held-out rows of a task are answered in each way of asking, and scored."""
    versions: dict[str, str] = {}
    """Which rows the tasks have that come from files. It is filled in when a run is queued."""
    declines: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of the rows whose passages do not hold the answer that learn to say so, in the assistant's
    words; the others learn the answer itself (RAFT)."""
    rehearse: Annotated[float, Field(ge=0, le=1)] | Literal["auto"] = "auto"
    """Of the way `instruction`: rows with the base's own answers to general questions, against forgetting, as a share
    of the run's own rows. `auto`: 0.1 where the last run of this base forgot (Huang et al. 2024), else none."""
    preference: Literal["dpo", "kto"] = "dpo"
    """Of the way `feedback`. `dpo` learns from pairs of answers (Rafailov et al. 2023): corrections, and
    questions with a liked and a disliked answer. `kto` learns from single answers (Ethayarajh et al. 2024):
    thumbs alone are enough."""
    beta: Annotated[float, Field(gt=0, le=10)] = 0.1
    """Of the way `feedback`: how closely the adapter stays with the one that it starts from; higher is closer."""
    starts_from: str = ""
    """Of the way `feedback`: the adapter that is moved, such as `v3`. Empty: the one that is served, else the
    newest of this base model. Rank, alpha and layers are that adapter's."""
    seed: int = 7
    """Seed of everything random; the same seed gives the same adapter on the same device."""
    checkpoint_steps: Annotated[int, Field(ge=1)] = 5
    """Steps between two checkpoints; at most so many are lost when the machine fails."""

    @property
    def rows_each(self) -> int:
        """Rows of what is drawn as one: a preference is two answers, or an answer and a stranger's."""
        return 2 if self.way == "feedback" else 1

    @property
    def rows_at_once(self) -> int:
        """Rows of a batch."""
        return self.batch_size * self.rows_each

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.trains != "adapter":
            if self.quantization != "none":
                raise ValueError("weights in 4 bits cannot learn, set quantization to none")
            if self.way != "instruction":
                raise ValueError(f"the way {self.way} trains adapters, set trains to adapter")
            if self.merged:
                raise ValueError("there is no adapter to merge, set merged to false")
        return self


def names(data: Path | None = None) -> dict[str, Recipe]:
    """Every recipe that can be named, shipped ones first."""
    return {path.stem: load(path.stem, {}, data=data) for path in _paths(data)}


def load(name: str, options: Mapping[str, Any], *, data: Path | None = None) -> Recipe:
    """The recipe with the options set on top.

    Raises:
        NotFound: no recipe has this name; lists those that do.
        BadInput: a field is unknown or its value cannot be used; says which.
    """
    found = {path.stem: path for path in _paths(data)}
    if name not in found:
        raise NotFound(f"There is no recipe {name!r}.", fix=f"There are: {', '.join(found)}.")
    try:
        values = tomllib.loads(found[name].read_text(encoding="utf-8"))
        return Recipe.model_validate(values | dict(options))
    except (ValidationError, tomllib.TOMLDecodeError) as error:
        raise BadInput(
            f"The recipe {name} cannot be used: {_first(error)}.",
            fix=f"Its fields are: {', '.join(Recipe.model_fields)}.",
        ) from None


def refuse_unservable(recipe: Recipe, serving: Serving) -> None:
    """Refuse before training what the engine could not load after it (vLLM's rules for LoRA).

    Raises:
        BadInput: says which field, and why.
    """
    if recipe.merged or recipe.trains != "adapter":
        return
    if recipe.dora:
        raise BadInput(
            "DoRA adapters cannot be loaded by vLLM.",
            fix="Set dora=false, or merged=true: the result is then served as a model.",
        )
    if recipe.rank > serving.max_lora_rank:
        raise BadInput(
            f"Rank {recipe.rank} is more than the engine accepts ({serving.max_lora_rank}).",
            fix=f"Use rank={serving.max_lora_rank}, or raise LORE_SERVING__MAX_LORA_RANK.",
        )
    if {"embed_tokens", "lm_head"} & set(recipe.target_modules):
        raise BadInput(
            "An adapter on the embeddings or the output layer is not served by vLLM.",
            fix="Leave embed_tokens and lm_head out of target_modules.",
        )


def _paths(data: Path | None) -> list[Path]:
    shipped = sorted(Path(str(files("builder.recipes"))).glob("*.toml"))
    own = sorted((data / "recipes").glob("*.toml")) if data is not None else []
    return [*shipped, *own]


def _first(error: ValidationError | tomllib.TOMLDecodeError) -> str:
    if isinstance(error, tomllib.TOMLDecodeError):
        return str(error)
    about = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(map(str, about["loc"]))
    return f"{where}: {about['msg']}" if where else about["msg"].removeprefix("Value error, ")
