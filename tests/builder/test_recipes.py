"""Every recipe is documented, and every way that a recipe can name is there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from builder import recipes
from lorekeeper.errors import BadInput
from lorekeeper.settings import Serving

PAGE = (Path(__file__).parents[2] / "docs" / "recipes.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(recipes.names()))
def test_every_recipe_is_documented(name: str) -> None:
    assert f"| `{name}` |" in PAGE
    assert recipes.load(name, {}).about


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"trains": "all", "quantization": "nf4"}, "weights in 4 bits cannot learn"),
        ({"trains": "upper", "quantization": "none", "merged": True}, "no adapter to merge"),
        ({"trains": "all", "quantization": "none", "way": "task"}, "the way task trains adapters"),
    ],
)
def test_fields_that_exclude_each_other_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        recipes.load("lora", options)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"dora": True}, "DoRA adapters cannot be loaded"),
        ({"rank": 64}, "Rank 64 is more than the engine accepts"),
        ({"target_modules": ["q_proj", "lm_head"]}, "not served by vLLM"),
    ],
)
def test_what_the_engine_cannot_load_may_be_merged_instead(
    options: dict[str, Any], said: str
) -> None:
    with pytest.raises(BadInput, match=said):
        recipes.refuse_unservable(recipes.load("lora", options), Serving())
    recipes.refuse_unservable(recipes.load("lora", options | {"merged": True}), Serving())


def test_biases_are_never_trained() -> None:
    with pytest.raises(BadInput, match="bias"):
        recipes.load("lora", {"bias": "all"})
