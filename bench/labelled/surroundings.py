"""What is written in; the same as people in chat, programs in logs and files would show it, out."""

from __future__ import annotations

import json
from random import Random

_PLACES = (
    "{}",
    "hey, can somebody check whether {} still works?",
    "I accidentally pushed {}.",
    "is it ({})?",
    "before\n{}\nafter",
    "use `{}` for now",
    "```\n$ deploy --verbose\n{}\nINFO 12:30:45 done in 3.2s\n```",
    "> {}\nwho wrote that?",
    "2026-03-02T08:30:00Z ERROR worker-3 request failed: {} (attempt 2 of 5)",
    "• first: {}\n• second: see <https://example.com/a?b=1|the page>",
    "<@U012AB3CD> *important*: {} :warning:",
    "لا يعمل هذا: {} هل يمكنك المساعدة؟",
    "\u202bالقيمة {}، شكرا\u202c",
    "これを使ってください：{}。よろしくお願いします",
    "設定「{}」を確認しました",
    "Kannst du bitte {} prüfen? Größe: 3 MB.",
    "“{}”, she said",
    "'{}'",
    "👉{}👈",
    "JSON",
)


def surrounded(chance: Random, written: str, number: int) -> str:
    """The first samples go through all places by turns; nothing is left to chance but the rest."""
    place = _PLACES[number % len(_PLACES)]
    if place == "JSON":
        told = {"level": "warn", "n": chance.randrange(100), "detail": f"got {written} "}
        return json.dumps(told, ensure_ascii=False)
    return place.replace("{}", written)
