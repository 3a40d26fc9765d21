"""Passages in, a mapped file of them out: each read when it is shown, and found by id, source and audience."""

from __future__ import annotations

import json
from collections.abc import Sequence, Set
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from lorekeeper.domain import PUBLIC, Passage, PassageKind, channel_of_public, public_of
from lorekeeper.store.rows import plain, revive
from retrieval.fuse import standing
from retrieval.lookup import Lookup, mapped
from retrieval.lookup import write as write_lookup

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PASSAGES = "passages.jsonl"
ENDS = "passages.npy"  # where each line ends, in bytes
AUDIENCES = "audiences.json"  # distinct (scope, narrower scope, kind)
AUDIENCE = "audiences.npy"  # and which of them each row has
SAID, PINNED = "said.npy", "pinned.npy"  # what standing is made of, beside the kind
IDS, NAMES = "ids", "names"


def write(passages: Sequence[Passage], folder: Path) -> None:
    """Write the passages in their order, with what finds them."""
    import numpy as np

    lines = [_line(passage) for passage in passages]
    (folder / PASSAGES).write_bytes(b"".join(lines))
    ends = list(accumulate(map(len, lines), initial=0))
    np.save(folder / ENDS, np.array(ends, dtype=np.int64), allow_pickle=False)
    write_lookup(({passage.id: 1} for passage in passages), folder, IDS)
    write_lookup((dict.fromkeys(names(passage), 1) for passage in passages), folder, NAMES)
    audiences = dict[tuple[str, str, str], int]()
    of_row = [audiences.setdefault(_audience(p), len(audiences)) for p in passages]
    (folder / AUDIENCES).write_text(json.dumps(list(audiences)), encoding="utf-8")
    small = np.array(of_row, dtype=np.min_scalar_type(max(len(audiences) - 1, 0)))
    np.save(folder / AUDIENCE, small, allow_pickle=False)
    said = [0.0 if p.kind is PassageKind.DOCUMENT else p.at for p in passages]
    np.save(folder / SAID, np.array(said, dtype=np.float64), allow_pickle=False)
    pinned = np.array([passage.is_pinned for passage in passages], dtype=bool)
    np.save(folder / PINNED, pinned, allow_pickle=False)


def names(passage: Passage) -> set[str]:
    """What a passage is found by: its section, its conversation, its messages, its pair ("pair:7"), its
    file ("file:F7")."""
    pair = f"pair:{passage.pair_id}" if passage.pair_id is not None else ""
    is_file = passage.kind is PassageKind.FILE
    file = f"file:{passage.conversation.partition('/')[2]}" if is_file else ""
    return {passage.parent, passage.conversation, *passage.messages, pair, file} - {""}


class Shelf(Sequence[Passage]):
    """A written file of passages, opened without reading it into memory."""

    def __init__(self, folder: Path) -> None:
        """Raises OSError, ValueError or KeyError when a file cannot be read."""
        import numpy as np

        self._text = np.asarray(np.memmap(folder / PASSAGES, dtype=np.uint8, mode="r"))
        self._ends = mapped(folder / ENDS)
        self._ids, self._names = Lookup(folder, IDS), Lookup(folder, NAMES)
        self._audiences = [tuple(each) for each in json.loads((folder / AUDIENCES).read_text())]
        self._audience = mapped(folder / AUDIENCE)
        self._said, self._pinned = mapped(folder / SAID), mapped(folder / PINNED)
        self._is_pair = np.array([kind == PassageKind.PAIR for _, _, kind in self._audiences])

    def __len__(self) -> int:
        return len(self._ends) - 1

    @overload
    def __getitem__(self, row: int) -> Passage: ...
    @overload
    def __getitem__(self, row: slice) -> list[Passage]: ...
    def __getitem__(self, row: int | slice) -> Passage | list[Passage]:
        if isinstance(row, slice):
            return [self[each] for each in range(*row.indices(len(self)))]
        if not 0 <= row < len(self):
            raise IndexError(row)
        line = self._text[self._ends[row] : self._ends[row + 1]].tobytes()
        return revive(Passage, json.loads(line.decode("utf-8", "surrogatepass")))

    def row(self, passage_id: str) -> int | None:
        found = self._ids.rows(passage_id)
        return int(found[0]) if len(found) else None

    def made_from(self, name: str) -> NDArray[Any]:
        """Rows of the passages that are made from this conversation, message or pair."""
        return self._names.rows(name)

    def seen(self, scopes: Set[str], kinds: Set[PassageKind]) -> NDArray[np.bool_]:
        """Which rows somebody with these scopes may see, and asks for; shape [rows]."""
        import numpy as np

        allowed = [
            (scope in scopes or narrower in scopes) and kind in kinds
            for scope, narrower, kind in self._audiences
        ]
        return np.asarray(np.array(allowed, dtype=bool)[self._audience])

    def standing(self, rows: NDArray[np.int64], now: float) -> NDArray[np.float32]:
        """What approval, a pin and age add to the scores of these rows; a document does not grow old."""
        import numpy as np

        said = self._said[rows]
        ages = np.where(said > 0, now - said, 0.0)
        return standing(self._is_pair[self._audience[rows]], self._pinned[rows], ages)

    def said_in(self) -> set[tuple[str, str]]:
        """The channels in which its passages were said, each with who may see it."""
        return {(_channel(scope, narrower), scope) for scope, narrower, _ in self._audiences} - {
            ("", PUBLIC)
        }

    def of_channel(self, channel: str) -> NDArray[np.int64]:
        """Rows of what was said in this channel."""
        return self._where(
            [_channel(scope, narrower) for scope, narrower, _ in self._audiences], channel
        )

    def of_kind(self, kind: PassageKind) -> NDArray[np.int64]:
        """Rows of this kind."""
        return self._where([each for _, _, each in self._audiences], kind)

    def _where(self, values: Sequence[str], wanted: str) -> NDArray[np.int64]:
        import numpy as np

        return np.flatnonzero(np.array([value == wanted for value in values])[self._audience])


def _line(passage: Passage) -> bytes:
    """JSON keeps every character, halves of surrogate pairs included, if it is let."""
    text = json.dumps(plain(passage), ensure_ascii=False) + "\n"
    return text.encode("utf-8", "surrogatepass")


def _audience(passage: Passage) -> tuple[str, str, str]:
    """Its scope, the narrower one of what was said in a public channel, and its kind."""
    said_in = passage.conversation.partition("/")[0]
    narrower = public_of(said_in) if passage.scope == PUBLIC and said_in else ""
    return passage.scope, narrower, passage.kind.value


def _channel(scope: str, narrower: str) -> str:
    """The channel that an audience belongs to; "" for that of documents."""
    return channel_of_public(narrower) if scope == PUBLIC else scope
