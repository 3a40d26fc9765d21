"""A record as some tool writes it in; the questions with answers that it holds out.

Known shapes: chat `messages`, ShareGPT's `conversations`, Alpaca's `instruction`, prompt and
completion, preference pairs with `chosen` and `rejected`, question and answer, input and output,
Argilla's records and Label Studio's tasks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from builder.imports.entries import Entry, Problem, entry

Record = Mapping[str, Any]

ASKING = frozenset({"user", "human", "prompter"})
ANSWERING = frozenset({"assistant", "gpt", "bot", "chatbot", "model"})
SHOWN = 6  # keys named of a record of no known shape
OWN = "lorekeeper"  # what our own exports put a row's provenance under


def entries(line: int, record: Any) -> Iterator[Entry | Problem]:
    """What the record holds; a Problem where that is nothing."""
    if not isinstance(record, dict):
        yield Problem(line=line, reason="it is not an object")
        return
    for has, take in _SHAPES:
        if has <= record.keys():
            yield from take(line, record)
            return
    keys = ", ".join(sorted(map(str, record))[:SHOWN]) or "none"
    yield Problem(line=line, reason=f"it has no known shape; its keys are {keys}")


def _messages(line: int, record: Record) -> Iterator[Entry | Problem]:
    yield from _exchanges(line, record, _turns(record["messages"]))


def _sharegpt(line: int, record: Record) -> Iterator[Entry | Problem]:
    yield from _exchanges(line, record, _turns(record["conversations"]))


def _alpaca(line: int, record: Record) -> Iterator[Entry | Problem]:
    asked, more = record["instruction"], record.get("input")
    if isinstance(asked, str) and isinstance(more, str) and more.strip():
        asked = f"{asked}\n\n{more}"
    yield entry(line, asked, record["output"], _about(record))


def _preference(line: int, record: Record) -> Iterator[Entry | Problem]:
    """The chosen answer, which carries the rejected one."""
    chosen, rejected = record["chosen"], record["rejected"]
    asked = record["prompt"] if "prompt" in record else _first_question(chosen)
    about = {**_about(record), "rejected_answer": _last(rejected)}
    yield entry(line, _last(asked), _last(chosen), about)


def _completion(line: int, record: Record) -> Iterator[Entry | Problem]:
    yield entry(line, _last(record["prompt"]), _last(record["completion"]), _about(record))


def _plain(line: int, record: Record) -> Iterator[Entry | Problem]:
    yield entry(line, record["question"], record["answer"], _about(record))


def _task(line: int, record: Record) -> Iterator[Entry | Problem]:
    """An input with its output; what its group is, a conversation is elsewhere."""
    about = {"conversation": record.get("group"), **_about(record)}
    yield entry(line, record["input"], record["output"], about)


def _argilla(line: int, record: Record) -> Iterator[Entry | Problem]:
    """A record's fields; what a person answered there counts more."""
    fields, responses = _mapping(record["fields"]), _mapping(record.get("responses"))
    if _response(responses, "verdict") == "reject":
        yield Problem(line=line, reason="it was rejected in Argilla")
        return
    told = _response(responses, "corrected_answer") or fields.get("answer")
    yield entry(line, fields.get("question"), told, _about(_mapping(record.get("metadata"))))


def _label_studio(line: int, record: Record) -> Iterator[Entry | Problem]:
    """A task's data; what a person annotated counts more."""
    data, results = _mapping(record["data"]), _results(record)
    if results.get("verdict") == "reject":
        yield Problem(line=line, reason="it was rejected in Label Studio")
        return
    told = results.get("corrected_answer") or data.get("answer")
    yield entry(line, data.get("question"), told, _about(data))


_SHAPES = (
    ({"messages"}, _messages),
    ({"conversations"}, _sharegpt),
    ({"chosen", "rejected"}, _preference),
    ({"instruction", "output"}, _alpaca),
    ({"prompt", "completion"}, _completion),
    ({"fields"}, _argilla),
    ({"data"}, _label_studio),
    ({"question", "answer"}, _plain),
    ({"input", "output"}, _task),
)


def _exchanges(
    line: int, record: Record, turns: Sequence[tuple[str, Any]]
) -> Iterator[Entry | Problem]:
    """Each question that is answered at once; instructions to the model are left out."""
    found = [
        entry(line, asked, told, _about(record))
        for (who, asked), (whom, told) in pairwise(turns)
        if who in ASKING and whom in ANSWERING
    ]
    if not found:
        found = [Problem(line=line, reason="no turn of a user is followed by one of an assistant")]
    yield from found


def _turns(listed: Any) -> list[tuple[str, Any]]:
    """Role and content of each turn, as OpenAI or as ShareGPT names them."""
    turns = [turn for turn in listed if isinstance(turn, dict)] if isinstance(listed, list) else []
    return [
        (
            str(turn.get("role", turn.get("from", ""))).lower(),
            turn.get("content", turn.get("value")),
        )
        for turn in turns
    ]


def _last(value: Any) -> Any:
    """A text, or the content of a chat's last turn."""
    turns = _turns(value)
    return turns[-1][1] if turns else value


def _first_question(value: Any) -> Any:
    return next((content for role, content in _turns(value) if role in ASKING), None)


def _about(record: Record) -> Mapping[str, Any]:
    """A row's provenance: under our own name in other tools' files, beside the text in our own."""
    own = record.get(OWN)
    if isinstance(own, str):
        own = _parsed(own)
    return own if isinstance(own, dict) else record


def _parsed(text: str) -> Any:
    import json

    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _mapping(value: Any) -> Record:
    return value if isinstance(value, dict) else {}


def _response(responses: Record, name: str) -> Any:
    given = responses.get(name)
    if isinstance(given, list):
        given = given[0] if given else None
    return given.get("value") if isinstance(given, dict) else given


def _results(record: Record) -> dict[str, Any]:
    """The newest annotation's answers, by the name of the control."""
    annotations = record.get("annotations")
    last = annotations[-1] if isinstance(annotations, list) and annotations else {}
    found: dict[str, Any] = {}
    for result in _mapping(last).get("result") or ():
        value = _mapping(_mapping(result).get("value"))
        chosen = value.get("choices") or value.get("text")
        found[str(_mapping(result).get("from_name"))] = (
            chosen[0] if isinstance(chosen, list) and chosen else chosen
        )
    return found
