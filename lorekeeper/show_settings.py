"""`lore settings`: every setting with its value and where that comes from; secrets are masked."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import SecretStr

from lorekeeper import settings as config


def settings() -> None:
    """Show every setting and where its value comes from."""
    from rich.console import Console
    from rich.table import Table

    loaded = config.load()
    table = Table("Setting", "Value", "From", box=None, pad_edge=False)
    for section, kind in config.sections().items():
        for name, info in kind.model_fields.items():
            value = getattr(getattr(loaded, section), name)
            origin = _origin(f"{section}.{name}", is_default=value == info.default)
            table.add_row(f"{section}.{name}", _shown(value), origin)
    Console().print(table)


def _shown(value: object) -> str:
    if isinstance(value, SecretStr):
        return "********" if value.get_secret_value() else ""
    if isinstance(value, dict):
        return ", ".join(value)
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _origin(name: str, *, is_default: bool) -> str:
    variable = config.variable(name)
    if variable in os.environ:
        return f"environment ({variable})"
    if is_default:
        return "default"
    dotenv = Path(".env")
    if dotenv.is_file() and f"{variable}=" in dotenv.read_text(encoding="utf-8"):
        return ".env"
    return "lorekeeper.toml"
