"""A question and an answer from a program in; a candidate for review, redacted, out. Nothing is approved here."""

from __future__ import annotations

import hashlib
import time

from sqlalchemy import Connection

from lorekeeper.domain import PUBLIC, Origin, Pair, PairState
from lorekeeper.errors import BadInput
from lorekeeper.redact import Placeholders, redact
from lorekeeper.store import pairs

PLACE = "proposed"  # stands where the id of a Slack channel would
NO_ID = 0  # the store gives one


def propose(
    db: Connection, question: str, answer: str, *, by: str, source: str = "", scope: str = PUBLIC
) -> Pair | None:
    """Store a candidate; None when these words were proposed before, whatever became of them.

    Raises:
        BadInput: the question or the answer is empty.
    """
    if not question.strip() or not answer.strip():
        raise BadInput("A pair needs a question and an answer.", fix="Send both, as text.")
    known = Placeholders()
    asked, told = redact(question.strip(), known), redact(answer.strip(), known)
    name = hashlib.sha256(f"{question}\0{answer}".encode()).hexdigest()[:32]
    candidate = Pair(
        id=NO_ID,
        question=asked.text,
        answer=told.text,
        state=PairState.CANDIDATE,
        origin=Origin.PROPOSED,
        channel=PLACE,
        scope=scope,
        conversation=f"{PLACE}/{name}",
        source=source,
        answer_ts=name,
        captured_by=by,
        captured_at=time.time(),
        redactions=asked.kinds + told.kinds,
    )
    added = pairs.add_new(db, [candidate])
    return added[0] if added else None
