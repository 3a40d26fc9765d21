"""A conversation and the name of a base model or adapter in; pieces of its answer, as they are computed, out."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from lorekeeper.domain import BASE_NAME
from serving.batch import Batch

ROWS = 8  # answers that are computed together; the others wait


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
    likelihoods: tuple[float, ...] = ()  # with the last piece: log-probability of each token


class NoNumbers(RuntimeError):
    """The model's scores are no numbers, so that it can say nothing."""


@dataclass(slots=True, kw_only=True)
class _Row:
    """An answer that is being written, and where its pieces go."""

    wanted: Wanted
    cut: _Cut
    text: Any  # tokenizers' DecodeStream: whole characters only
    is_unread: bool = False
    likelihoods: list[float] = field(default_factory=list)
    _pieces: asyncio.Queue[Piece | BaseException] = field(default_factory=asyncio.Queue)
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)

    def put(self, piece: Piece | BaseException) -> None:
        """From the thread that computes."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._pieces.put_nowait, piece)

    async def next(self) -> Piece:
        """Raises what went wrong."""
        piece = await self._pieces.get()
        if isinstance(piece, BaseException):
            raise piece
        return piece

    def end(self, finish: str) -> None:
        told = tuple(self.likelihoods)
        rest = self.cut.rest()
        self.put(Piece(text=rest, finish=finish, tokens=len(told), likelihoods=told))


class LocalModel:
    """A base model in this process, and any number of adapters on it. What waits is computed together."""

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
        self._ends = _ends(model, self._tokenizer)
        self.window = min(window, int(model.config.max_position_embeddings))
        self._change = threading.Condition()
        self._waiting: deque[_Row] = deque()
        self._tasks: deque[Callable[[], bool]] = deque()  # tried between two steps until done
        self._rows: dict[int, _Row] = {}
        self._batch = Batch(with_adapters=False)
        self._numbers = count()
        threading.Thread(target=self._work, name="model", daemon=True).start()

    def names(self) -> list[str]:
        """The base model first, then the adapters in the order they were loaded."""
        return list(self._folders)

    def folder(self, name: str) -> Path:
        return self._folders[name]

    def load(self, name: str, folder: Path) -> None:
        """Add an adapter, between two steps of the answers that are being written.

        Raises:
            OSError, ValueError, RuntimeError, KeyError: it is no adapter of this base model.
        """

        def add() -> bool:
            self._add(name, folder)
            return True

        self._between_steps(add)

    def unload(self, name: str) -> None:
        """Take an adapter out. Waits until the answers that are being written with it are finished."""
        self._folders.pop(name)

        def remove() -> bool:
            if self._batch.uses(name):
                return False
            self._remove(name)
            return True

        self._between_steps(remove)

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

    async def write(self, wanted: Wanted) -> AsyncGenerator[Piece, None]:
        """Pieces of the answer. Closing the iterator ends it, and the work on it.

        Raises:
            KeyError: the adapter was unloaded before the answer began.
            NoNumbers: the model's scores are no numbers.
        """
        from tokenizers.decoders import DecodeStream

        text = DecodeStream(skip_special_tokens=True)
        row = _Row(wanted=wanted, cut=_Cut(wanted.stops), text=text)
        with self._change:
            self._waiting.append(row)
            self._change.notify_all()
        try:
            while True:
                piece = await row.next()
                yield piece
                if piece.finish is not None:
                    return
        finally:
            row.is_unread = True

    def _between_steps(self, task: Callable[[], bool]) -> None:
        done = Future[None]()

        def tried() -> bool:
            try:
                is_done = task()
            except BaseException as error:  # noqa: BLE001 - raised again where it was asked for
                done.set_exception(error)
                return True
            if is_done:
                done.set_result(None)
            return is_done

        with self._change:
            self._tasks.append(tried)
            self._change.notify_all()
        done.result()

    def _work(self) -> None:
        """The thread that computes: it lets rows in, and makes one step after another."""
        while True:
            with self._change:
                while not (self._waiting or self._tasks or self._rows):
                    self._change.wait()
                tasks, self._tasks = self._tasks, deque()
                arrived = [
                    self._waiting.popleft()
                    for _ in range(min(len(self._waiting), ROWS - len(self._rows)))
                ]
            unfinished = [task for task in tasks if not task()]
            with self._change:
                self._tasks.extendleft(reversed(unfinished))
            for row in arrived:
                self._let_in(row)
            try:
                self._step()
            except Exception as error:  # noqa: BLE001 - raised again in every request
                self._fail(error)

    def _let_in(self, row: _Row) -> None:
        if row.wanted.name not in self._folders:
            row.put(KeyError(row.wanted.name))
            return
        number = next(self._numbers)
        self._rows[number] = row
        tokens = row.wanted.tokens.to(self._model.device)
        self._batch.add(number, row.wanted.name, tokens)

    def _step(self) -> None:
        """One part of a prompt, and one token of every answer."""
        self._drop([number for number, row in self._rows.items() if row.is_unread], "stop")
        model = self._model if self._adapters is None else self._adapters
        chosen = {
            number: token
            for number, scores in self._batch.step(model).items()
            if (token := self._choose(number, scores)) is not None
        }
        self._batch.chose(chosen)
        if (first := self._batch.prefill(model)) is not None:
            number, scores = first
            if (token := self._choose(number, scores)) is not None:
                self._batch.joined(token)

    def _choose(self, number: int, scores: Any) -> int | None:
        """The row's next token, passed on as text; None when its answer has ended with it."""
        import torch

        row = self._rows[number]
        odds = torch.log_softmax(scores[0], dim=-1)
        if row.wanted.temperature > 0:
            spread = torch.softmax(scores[0] / row.wanted.temperature, dim=-1)
            token = int(torch.multinomial(spread, 1)) if bool(spread.isfinite().all()) else 0
        else:
            token = int(odds.argmax())
        likelihood = float(odds[token])
        if likelihood != likelihood:
            self._forget([number])
            row.put(NoNumbers(f"The scores of {row.wanted.name} are no numbers."))
            return None
        row.likelihoods.append(likelihood)
        if token in self._ends:
            self._drop([number], "stop")
            return None
        piece = row.text.step(self._tokenizer.backend_tokenizer, token) or ""
        if ready := row.cut.feed(piece):
            row.put(Piece(text=ready))
        if row.cut.is_cut or len(row.likelihoods) >= row.wanted.max_tokens:
            self._drop([number], "stop" if row.cut.is_cut else "length")
            return None
        return token

    def _drop(self, numbers: Sequence[int], finish: str) -> None:
        for number in numbers:
            self._rows[number].end(finish)
        self._forget(numbers)

    def _forget(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            del self._rows[number]
        self._batch.leave(numbers)

    def _fail(self, error: Exception) -> None:
        """The door of the computing thread: every answer that was being written is told, and the next go on."""
        for row in self._rows.values():
            row.put(error)
        self._rows.clear()
        self._batch = Batch(with_adapters=self._adapters is not None)

    def _add(self, name: str, folder: Path) -> None:
        from peft import PeftModel

        if self._adapters is None:
            self._adapters = PeftModel.from_pretrained(
                self._model, str(folder), adapter_name=name, use_safetensors=True
            )
        else:
            self._adapters.load_adapter(str(folder), adapter_name=name, use_safetensors=True)
        self._adapters.eval()
        self._batch.with_adapters = True
        self._folders[name] = folder

    def _remove(self, name: str) -> None:
        if len(self._folders) > 1:
            self._adapters.set_adapter(next(each for each in self._folders if each != BASE_NAME))
            self._adapters.delete_adapter(name)
        else:
            self._model = self._adapters.unload()
            self._adapters = None
            self._batch.with_adapters = False


def _ends(model: Any, tokenizer: Any) -> frozenset[int]:
    """Ids that end an answer."""
    told = model.generation_config.eos_token_id
    named = told if isinstance(told, list) else [told]
    return frozenset(each for each in (*named, tokenizer.eos_token_id) if each is not None)


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


def _overlap(text: str, stop: str) -> int:
    """How many characters at the end of the text could begin the stop string."""
    return next((n for n in range(min(len(stop), len(text)), 0, -1) if text.endswith(stop[:n])), 0)
