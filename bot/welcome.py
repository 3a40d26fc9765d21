"""The bot was added to a channel; what it does and keeps, in one message, out."""

from __future__ import annotations

from bot.blocks.text import context, section
from bot.desk import Desk


def introduce(desk: Desk, channel: str) -> None:
    """Said once, when the bot comes into a channel."""
    emoji = desk.settings.bot.save_emoji[0]
    desk.client.chat_postMessage(
        channel=channel,
        text=f"Hello. React with :{emoji}: on a good answer, and I keep it.",
        blocks=[
            section(
                f"*Hello, I keep good answers.*\n"
                f"• React with :{emoji}: on a message that answers a question, or use *Save as Q&A* in its"
                " menu. A reviewer looks at it; then I can answer with it.\n"
                "• Ask me by mentioning me, here or in a direct message. I answer in a thread, with"
                " sources. The thumbs under my answer are how I learn.\n"
                "• `/lore help` lists everything."
            ),
            section(
                "*What I keep.* What is said in this channel is stored on the server that runs me, so"
                " that it can be found and quoted to those who can read it here. Secrets, addresses and"
                " phone numbers are removed before anything is stored. Only what a reviewer approved is"
                " trained on."
            ),
            context(
                "Deleting a message in Slack deletes it here, with every pair made of it; removing your"
                f" :{emoji}: takes a pair back. `/lore forget @me` and `/lore optout` keep you out."
                " Remove me from the channel, and its messages are deleted."
            ),
        ],
    )
