"""OpenAI's request for embeddings in; the index's own vectors of the texts out, with the tokens that they took."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, Field

from lorekeeper.errors import BadInput, NotFound
from serving.refusals import Unavailable
from serving.wire import ASSISTANT, Text

if TYPE_CHECKING:
    from retrieval.embed import Embedder

MOST = 256  # texts of one request


class Wanted(BaseModel):
    """OpenAI's request. `input_type` says, as elsewhere, on which side of a search the texts stand."""

    input: Text | list[Text] = Field(min_length=1)
    model: Text = ASSISTANT
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = None
    input_type: Literal["passage", "query"] = "passage"


def embed(wanted: Wanted, embedder: Embedder | None) -> dict[str, Any]:
    """OpenAI's list of embeddings.

    Raises:
        Unavailable: this gateway has no embedder.
        NotFound: another model is asked for.
        BadInput: too many texts, an empty one, or another number of dimensions.
    """
    if embedder is None:
        raise Unavailable("No embedder runs here.", fix="Start the gateway with `lore serve`.")
    texts = [wanted.input] if isinstance(wanted.input, str) else wanted.input
    _refuse(wanted, texts, embedder)
    if wanted.input_type == "query":
        vectors = [embedder.question(text) for text in texts]
    else:
        vectors = list(embedder.passages(texts))
    read = sum(embedder.count_tokens(text) for text in texts)
    return {
        "object": "list",
        "model": embedder.name,
        "data": [
            {"object": "embedding", "index": place, "embedding": _encoded(vector, wanted)}
            for place, vector in enumerate(vectors)
        ],
        "usage": {"prompt_tokens": read, "total_tokens": read},
    }


def _refuse(wanted: Wanted, texts: list[str], embedder: Embedder) -> None:
    if wanted.model not in {ASSISTANT, embedder.name}:
        raise NotFound(
            f"There is no embedder {wanted.model}.", fix=f"Ask for {ASSISTANT} or {embedder.name}."
        )
    if wanted.dimensions not in {None, embedder.dimensions}:
        raise BadInput(
            f"{embedder.name} gives {embedder.dimensions} dimensions, not {wanted.dimensions}.",
            fix="Leave `dimensions` out.",
        )
    if len(texts) > MOST:
        raise BadInput(f"{len(texts)} texts were sent.", fix=f"Send at most {MOST} at a time.")
    if not all(text.strip() for text in texts):
        raise BadInput("One of the texts is empty.", fix="Leave it out.")


def _encoded(vector: Any, wanted: Wanted) -> str | list[float]:
    """Floats, or what clients ask for by themselves: little-endian float32 in base64."""
    if wanted.encoding_format == "base64":
        return base64.b64encode(vector.astype("<f4").tobytes()).decode("ascii")
    listed: list[float] = vector.tolist()
    return listed
