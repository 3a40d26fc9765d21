"""Every recipe is documented, and every way that a recipe can name is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder import recipes

PAGE = (Path(__file__).parents[2] / "docs" / "recipes.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(recipes.names()))
def test_every_recipe_is_documented(name: str) -> None:
    assert f"| `{name}` |" in PAGE
    assert recipes.load(name, {}).about
