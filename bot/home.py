"""A person in; the App Home that they see, with the queue, the adapter and the last runs, out."""

from __future__ import annotations

from bot import review
from bot.blocks import home as shown
from bot.desk import Desk
from lorekeeper.store import deployments, feedback, pairs, reading, runs

QUEUED = 8  # candidates shown at once
RUNS = 5


def publish(desk: Desk, user: str) -> None:
    """Draw the person's Home anew."""
    may_review = desk.access.may_review_somewhere(user)
    waiting = review.queue(desk, by=user, limit=QUEUED)
    alike = {pair.id: review.alike(desk, pair, by=user) for pair in waiting}
    with reading(desk.engine) as db:
        view = shown.view(
            waiting=waiting,
            alike=alike,
            counts=pairs.counts(db),
            thumbs=feedback.counts(db),
            deployment=deployments.current(db),
            runs=runs.latest(db, RUNS),
            may_review=may_review,
            emoji=desk.settings.bot.save_emoji[0],
        )
    desk.client.views_publish(user_id=user, view=view)
