"""An adapter and a running engine in; the adapter loaded there, tried with a question, and unloaded, over HTTP, out."""

from __future__ import annotations

import math
import ssl
from functools import cache
from pathlib import Path
from typing import Any

import httpx2

from lorekeeper import prompt
from lorekeeper.domain import BASE_NAME
from lorekeeper.errors import BadInput, NotReachable

LOAD = 300.0  # seconds that the engine may take to load an adapter
SPEAK = 120.0  # seconds in which it must have answered the canary's question
LOOK = 5.0  # seconds that it may take to say what it serves
CANARY = "What do you help this team with?"
WORDS = 4  # tokens of the canary's answer: enough to see that it speaks, few enough to be quick under load


@cache
def trusted() -> ssl.SSLContext:
    """Whose certificates count. Reading them takes longer than asking, and the engine is asked all the time."""
    return httpx2.create_ssl_context(trust_env=False)


def names(url: str) -> frozenset[str]:
    """What the engine serves now; nothing when it does not answer."""
    try:
        answer = httpx2.get(f"{url}/v1/models", timeout=LOOK, trust_env=False, verify=trusted())
    except httpx2.HTTPError:
        return frozenset()
    return (
        frozenset(entry["id"] for entry in answer.json()["data"])
        if answer.is_success
        else frozenset()
    )


def load(url: str, name: str, folder: Path) -> None:
    """Have the engine load the folder under this name.

    Raises:
        NotReachable: it does not answer.
        BadInput: it refused; says what it said.
    """
    body = {"lora_name": name, "lora_path": str(folder.absolute())}
    answer = _post(f"{url}/v1/load_lora_adapter", body, LOAD)
    if not answer.is_success or name not in names(url):
        raise BadInput(
            f"The engine refused {name}: {answer.text[:300]}",
            fix="`lore rollback` goes back; the engine's log says more.",
        )


def unload(url: str, name: str) -> None:
    """Raises NotReachable."""
    _post(f"{url}/v1/unload_lora_adapter", {"lora_name": name}, LOAD)


def warm(url: str) -> None:
    """Ask for one word. The first question compiles what the later ones run: 10 s of vLLM on a CPU.

    Raises NotReachable.
    """
    messages = prompt.messages(CANARY)
    body = {"model": BASE_NAME, "messages": messages, "max_tokens": 1, "temperature": 0}
    _post(f"{url}/v1/chat/completions", body, SPEAK)


def canary(url: str, name: str) -> str:
    """What the model answers to a first question, before anybody else asks it one.

    Raises:
        NotReachable: the engine does not answer.
        BadInput: it failed, said nothing, or its probabilities are no numbers.
    """
    body = {
        "model": name,
        "messages": prompt.messages(CANARY),
        "max_tokens": WORDS,
        "temperature": 0,
        "logprobs": True,
    }
    answer = _post(f"{url}/v1/chat/completions", body, SPEAK)
    if not answer.is_success:
        raise _dumb(name, f"the engine failed with {answer.status_code}: {answer.text[:200]}")
    choice: dict[str, Any] = answer.json()["choices"][0]
    text = str(choice["message"]["content"] or "").strip()
    likelihoods = [
        token["logprob"] for token in (choice.get("logprobs") or {}).get("content") or ()
    ]
    if not all(isinstance(value, int | float) and math.isfinite(value) for value in likelihoods):
        raise _dumb(name, "its probabilities are no numbers")
    if not text:
        raise _dumb(name, "it said nothing")
    return text


def _dumb(name: str, why: str) -> BadInput:
    return BadInput(
        f"{name} did not answer a first question: {why}.",
        fix="Train again, with a smaller learning_rate. What served before serves on.",
    )


def _post(url: str, body: dict[str, Any], seconds: float) -> httpx2.Response:
    try:
        return httpx2.post(url, json=body, timeout=seconds, trust_env=False)
    except httpx2.HTTPError as error:
        raise NotReachable(
            f"The engine does not answer: {error}.", fix="`lore doctor` says what runs."
        ) from error
