"""What is said in the bot's channels in; the store as it should be out."""

from __future__ import annotations

from bot import backfill, mirror
from lorekeeper.store import messages, reading


def kept(team, message, channel="help"):
    with reading(team.engine) as db:
        return messages.get(db, team.slack.workspace.channel(channel).id, message.ts)


def test_a_message_is_kept_redacted_with_its_address(team):
    ada = team.member("ada")
    said = ada.post("help", "Write to *bob@example.com*, @grace.")
    message = team.until(lambda: kept(team, said))
    assert message.text == f"Write to *[email 1]*, <@{team.member('grace').id}>."
    assert message.permalink == ada.permalink(said)


def test_one_placeholder_stands_for_one_thing_in_a_thread(team):
    ada = team.member("ada")
    first = ada.post("help", "bob@example.com or eve@example.com?")
    second = ada.reply(first, "eve@example.com")
    assert team.until(lambda: kept(team, second)).text == "[email 2]"


def test_history_and_what_is_said_now_share_their_placeholders(team):
    help_id = team.slack.workspace.channel("help").id
    asked = {"user": team.member("ada").id, "ts": "1700000000.000100"}
    asked |= {"type": "message", "text": "bob@example.com or eve@example.com?"}
    backfill._keep_thread(team.desk, help_id, asked)
    reply = {"ts": "1700000001.000100", "thread_ts": asked["ts"], "text": "eve@example.com"}
    mirror.keep(team.desk, help_id, asked | reply)
    with reading(team.engine) as db:
        assert messages.get(db, help_id, reply["ts"]).text == "[email 2]"


def say_and_edit(team):
    """What Ada said, as it was before her edit; the store has the new words."""
    ada = team.member("ada")
    said = ada.post("help", "old words")
    team.until(lambda: kept(team, said))
    ada.edit(said, "new words")
    team.until(lambda: kept(team, said).text == "new words")
    return said


def test_an_edit_is_kept_and_a_deletion_too(team):
    said = say_and_edit(team)
    team.member("ada").delete(said)
    team.until(lambda: kept(team, said) is None)


def test_an_unfurled_link_is_no_edit(team):
    ada = team.member("ada")
    said = ada.post("help", "see https://example.com")
    before = team.until(lambda: kept(team, said))
    team.slack.workspace.edit("help", said.ts, attachments=[{"title": "Example"}])
    last = ada.post("help", "later, in the same lane")
    team.until(lambda: kept(team, last))
    assert kept(team, said) == before


def test_a_deleted_root_with_replies_goes_and_its_replies_stay(team):
    ada = team.member("ada")
    root = ada.post("help", "the root")
    reply = ada.reply(root, "a reply")
    team.until(lambda: kept(team, reply))
    ada.delete(root)
    team.until(lambda: kept(team, root) is None)
    assert kept(team, reply) is not None


def test_direct_messages_are_not_kept(team):
    ada = team.member("ada")
    channel = ada.open_dm()
    question = ada.post(channel, "between us?")
    ada.wait_for_answer(question)
    with reading(team.engine) as db:
        assert messages.thread(db, channel, question.ts) == []


def test_history_is_read_when_the_bot_comes_in_and_it_says_what_it_keeps(team):
    workspace = team.slack.workspace
    workspace.add_channel("archive", members=["ada", "grace"])
    roots = [workspace.post("archive", "ada", f"question {n}", silent=True) for n in range(130)]
    reply = workspace.post(
        "archive", "grace", "call +1 650 253 0000", thread_ts=roots[3]["ts"], silent=True
    )
    ada = team.member("ada")
    ada.invite("archive", team.bot)
    hello = ada.wait_for_message("archive", lambda m: "What I keep" in m.said)
    assert ":bookmark:" in hello.said
    channel = workspace.channel("archive").id

    def done():
        with reading(team.engine) as db:
            return messages.backfilled_to(db, channel)[1]

    team.until(done, "the end of the history")
    with reading(team.engine) as db:
        assert messages.get(db, channel, roots[0]["ts"]).text == "question 0"
        assert messages.get(db, channel, reply["ts"]).text == "call [phone 1]"


def test_history_waits_when_slack_says_so(team):
    workspace = team.slack.workspace
    workspace.add_channel("archive", members=["ada"])
    said = workspace.post("archive", "ada", "an old question", silent=True)
    workspace.faults.next("conversations.history", status=429, retry_after=1)
    ada = team.member("ada")
    ada.invite("archive", team.bot)

    def there():
        with reading(team.engine) as db:
            return messages.get(db, workspace.channel("archive").id, said["ts"])

    team.until(there, "the old message")


def test_a_channel_that_the_bot_leaves_is_forgotten(team):
    ada = team.member("ada")
    said = ada.post("help", "for now")
    team.until(lambda: kept(team, said))
    ada.remove("help", team.bot)
    team.until(lambda: kept(team, said) is None)


def test_an_event_that_comes_late_undoes_no_edit(team):
    said = say_and_edit(team)
    mirror.keep(team.desk, team.slack.workspace.channel("help").id, said.raw)
    assert kept(team, said).text == "new words"
