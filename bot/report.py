"""The dataset as it stands in; a message that says so, or its quality report with a picture, out."""

from __future__ import annotations

from bot.blocks import dataset as shown
from bot.blocks.text import Block, markdown, shorten
from bot.desk import Desk
from builder import recipes
from builder.dataset import row_of
from builder.freeze import preview, trainable
from lorekeeper.domain import PairState
from lorekeeper.store import feedback, pairs, reading

LONGEST = 11_000  # characters of the report that a message takes


def standing(desk: Desk) -> list[Block]:
    """Pairs by state, channel, tag and age, and what the next version would change."""
    with reading(desk.engine) as db:
        counted, tags, thumbs = pairs.standing(db), pairs.tags(db), feedback.counts(db)
    return shown.standing(counted, tags, thumbs, preview(desk.engine, desk.settings))


def send(desk: Desk, *, to: str) -> None:
    """The quality report of what the next version would hold, as a direct message with its picture."""
    from builder.quality.picture import picture
    from builder.quality.report import report
    from builder.quality.text import markdown as as_markdown

    settings = desk.settings
    with reading(desk.engine) as db:
        approved, thumbs = pairs.in_state(db, PairState.APPROVED), feedback.by_pair(db)
    rows = [row_of(pair) for pair in trainable(approved, settings.bot.train_on)]
    recipe = recipes.load(settings.train.recipe, {}, data=settings.store.data)
    made = report(
        rows,
        max_tokens=recipe.max_tokens,
        stale_days=settings.train.stale_days,
        thumbs=thumbs,
    )
    told = desk.client.chat_postMessage(
        channel=to,
        text=f"The quality of {len(rows)} pairs",
        blocks=[markdown(shorten(as_markdown(made), LONGEST))],
    )
    desk.client.files_upload_v2(
        channel=told["channel"],
        filename="quality.png",
        title="Quality of the next version",
        content=picture(made, "The next version"),
    )
