"""A conversation and the name of a base model or adapter in; pieces of its answer, as they are computed, out."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lorekeeper.domain import BASE_NAME


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A conversation, encoded, with what is asked of the answer."""

    name: str
    tokens: Any  # a tensor of shape [1, length]
    length: int
    max_tokens: int
    temperature: float
    stops: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Some text; the last piece says why the answer ended, and how many tokens it took."""

    text: str
    finish: str | None = None  # "stop" or "length"
    tokens: int = 0


class LocalModel:
    """A base model in this process, and any number of adapters on it. One answer at a time."""

    def __init__(self, folder: Path, *, dtype: str, window: int) -> None:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        self._folders: dict[str, Path] = {BASE_NAME: folder}
        self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model: Any = AutoModelForCausalLM.from_pretrained(
            folder, dtype=getattr(torch, dtype), local_files_only=True, use_safetensors=True
        )
        self._model: Any = model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
        self._adapters: Any = None  # the same model with peft's layers, from the first adapter on
        self._turn = threading.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="generate")
        self.window = min(window, int(model.config.max_position_embeddings))

    def names(self) -> list[str]:
        """The base model first, then the adapters in the order they were loaded."""
        return list(self._folders)

    def folder(self, name: str) -> Path:
        return self._folders[name]

    def load(self, name: str, folder: Path) -> None:
        """Add an adapter. Waits until the answer that is being written is finished.

        Raises:
            OSError, ValueError, RuntimeError, KeyError: it is no adapter of this base model.
        """
        from peft import PeftModel

        with self._turn:
            if self._adapters is None:
                self._adapters = PeftModel.from_pretrained(
                    self._model, str(folder), adapter_name=name, use_safetensors=True
                )
            else:
                self._adapters.load_adapter(str(folder), adapter_name=name, use_safetensors=True)
            self._adapters.eval()
            self._folders[name] = folder

    def unload(self, name: str) -> None:
        """Take an adapter out. Waits until the answer that is being written is finished."""
        with self._turn:
            self._folders.pop(name)
            if len(self._folders) > 1:
                self._adapters.delete_adapter(name)
            else:
                self._model = self._adapters.unload()
                self._adapters = None

    def prepare(
        self,
        *,
        name: str,
        messages: Sequence[dict[str, Any]],
        max_tokens: int | None,
        temperature: float,
        stops: tuple[str, ...],
    ) -> Wanted:
        """Raises ValueError when the conversation leaves no room for the answer."""
        tokens = self._tokenizer.apply_chat_template(
            list(messages), add_generation_prompt=True, return_tensors="pt", return_dict=True
        )["input_ids"]
        length = int(tokens.shape[1])
        room = self.window - length
        if room < (max_tokens or 1):
            raise ValueError(
                f"This model's maximum context length is {self.window} tokens; the conversation has"
                f" {length} and {max_tokens or 1} more were asked for."
            )
        return Wanted(
            name=name,
            tokens=tokens,
            length=length,
            max_tokens=max_tokens or room,
            temperature=temperature,
            stops=stops,
        )

    def write(self, wanted: Wanted, gone: threading.Event) -> Generator[Piece, None, None]:
        """Pieces of the answer. It ends early when `gone` is set or the generator is closed."""
        with self._turn, self._as(wanted.name) as model:
            yield from self._write(model, wanted, gone)

    def _write(
        self, model: Any, wanted: Wanted, gone: threading.Event
    ) -> Generator[Piece, None, None]:
        from transformers import TextIteratorStreamer

        left = threading.Event()
        counted = _Count(gone, left)
        streamer: Any = TextIteratorStreamer(
            self._tokenizer, skip_prompt=True, skip_special_tokens=True
        )
        running = self._thread.submit(self._generate, model, wanted, streamer, counted)
        try:
            cut = _Cut(wanted.stops)
            for text in _until(streamer, cut):
                yield Piece(text=text)
            left.set()
            running.result()
            is_full = counted.tokens >= wanted.max_tokens and not cut.is_cut
            yield Piece(text="", finish="length" if is_full else "stop", tokens=counted.tokens)
        finally:
            left.set()
            running.exception()  # wait: the next answer must not begin before this one has ended

    def _generate(self, model: Any, wanted: Wanted, streamer: Any, counted: _Count) -> None:
        import torch

        how: dict[str, Any] = {"do_sample": wanted.temperature > 0}
        if wanted.temperature > 0:
            how["temperature"] = wanted.temperature
        else:
            how |= {"temperature": None, "top_p": None, "top_k": None}
        tokens = wanted.tokens.to(self._model.device)
        try:
            with torch.inference_mode():
                model.generate(
                    input_ids=tokens,
                    attention_mask=torch.ones_like(tokens),
                    max_new_tokens=wanted.max_tokens,
                    pad_token_id=self._tokenizer.pad_token_id or self._tokenizer.eos_token_id,
                    streamer=streamer,
                    stopping_criteria=[counted],
                    **how,
                )
        except BaseException:
            streamer.end()  # or the reader would wait for ever
            raise

    @contextmanager
    def _as(self, name: str) -> Iterator[Any]:
        """The model as it is with this adapter, or with none."""
        if self._adapters is None:
            yield self._model
            return
        if name != BASE_NAME:
            self._adapters.set_adapter(name)
        with self._adapters.disable_adapter() if name == BASE_NAME else nullcontext():
            yield self._adapters


class _Count:
    """A stopping criterion that counts tokens, and stops when nobody reads any more."""

    def __init__(self, *reasons: threading.Event) -> None:
        self._reasons = reasons
        self.tokens = 0

    def __call__(self, tokens: Any, scores: Any, **_: Any) -> Any:
        import torch

        self.tokens += 1
        stop = any(reason.is_set() for reason in self._reasons)
        return torch.full((tokens.shape[0],), stop, device=tokens.device)


class _Cut:
    """Text piece by piece in; the same up to the first stop string out."""

    def __init__(self, stops: tuple[str, ...]) -> None:
        self._stops = stops
        self._held = ""
        self.is_cut = False

    def feed(self, text: str) -> str:
        """What is certain not to belong to a stop string."""
        self._held += text
        found = [at for stop in self._stops if (at := self._held.find(stop)) >= 0]
        if found:
            self.is_cut = True
            return self._held[: min(found)]
        keep = max((_overlap(self._held, stop) for stop in self._stops), default=0)
        ready = self._held[: len(self._held) - keep]
        self._held = self._held[len(ready) :]
        return ready

    def rest(self) -> str:
        return "" if self.is_cut else self._held


def _until(texts: Iterator[str], cut: _Cut) -> Iterator[str]:
    for text in texts:
        if ready := cut.feed(text):
            yield ready
        if cut.is_cut:
            return
    if rest := cut.rest():
        yield rest


def _overlap(text: str, stop: str) -> int:
    """How many characters at the end of the text could begin the stop string."""
    return next((n for n in range(min(len(stop), len(text)), 0, -1) if text.endswith(stop[:n])), 0)
