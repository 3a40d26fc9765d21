"""A question typed in a terminal in; the streamed answer with its sources out, from the same gateway as in Slack."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text

from lorekeeper.domain import BASE_NAME
from lorekeeper.errors import BadInput, NotReachable
from lorekeeper.settings import Settings


def ask(settings: Settings, question: str, *, base: bool = False) -> None:
    """Print the answer as it comes, then its sources and its note.

    Raises:
        NotReachable: the gateway is not up.
    """
    import openai

    console = Console(highlight=False)
    url = settings.serving.gateway_url
    client = openai.OpenAI(
        base_url=f"{url}/v1",
        api_key=settings.serving.gateway_key.get_secret_value() or "none",
        max_retries=0,
    )
    answer: dict[str, Any] = {}
    try:
        with client.chat.completions.create(
            model=BASE_NAME if base else "lorekeeper",
            messages=[{"role": "user", "content": question}],
            stream=True,
        ) as chunks:
            for chunk in chunks:
                if chunk.choices and chunk.choices[0].delta.content:
                    console.print(Text(chunk.choices[0].delta.content), end="")
                ours = (chunk.model_extra or {}).get("lorekeeper") or {}
                answer = ours.get("answer") or answer
    except openai.APIConnectionError as error:
        raise NotReachable(
            f"No gateway answers at {url}.", fix="Start it: `lore up`, or `lore serve`."
        ) from error
    except openai.APIStatusError as error:
        raise BadInput(f"The gateway refused: {error.message}", fix="See its log.") from error
    _sources(console, answer)


def _sources(console: Console, answer: dict[str, Any]) -> None:
    console.print()
    for citation in answer.get("citations", ()):
        console.print(Text(f"[{citation['number']}] {citation['title']}  {citation['url']}", "dim"))
    if answer.get("note"):
        console.print(Text(answer["note"], "yellow"))
    console.print(Text(f"answered by {answer.get('model', 'nothing')}", "dim"))
