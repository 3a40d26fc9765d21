"""Files and canvases shared in the bot's channels are kept as redacted text, for who sees them there."""

from __future__ import annotations

import pytest

from bot import files as bot_files
from bot import forget
from lorekeeper.domain import SharedFile
from lorekeeper.errors import BadInput, NotAllowed
from lorekeeper.store import files, messages, people, reading
from tests.retrieval import office

CONVERTED = 60.0  # seconds; a converter starts in a process of its own


def kept(team, file_id) -> SharedFile | None:
    with reading(team.engine) as db:
        return files.get(db, file_id)


def shared(team, name="ports.md", content=b"# Ports\n\nThe relay listens on 7007.", channel="help"):
    """The message with which Ada shares a file, once the file is kept."""
    message = team.member("ada").share(channel, name, content)
    team.until(lambda: kept(team, message.files[0]), "the file", CONVERTED)
    return message


def test_a_file_is_kept_with_where_it_is_shared_and_by_whom(team):
    message = shared(team)
    file = kept(team, message.files[0])
    assert (file.title, file.author) == ("Ports", team.member("ada").id)
    assert "The relay listens on 7007." in file.text
    assert file.channels == (team.slack.workspace.channel("help").id,)
    assert file.id in file.url
    assert file.reason == ""


def test_its_words_are_redacted_like_a_messages(team):
    message = shared(team, content=b"Write to bob@example.com, token ghp_" + b"a1B2" * 9)
    assert kept(team, message.files[0]).text == "Write to [email 1], token [secret 1]"


def test_a_canvas_is_read_and_read_again_when_it_changes(team):
    ada = team.member("ada")
    message = ada.share("help", "Runbook", b"<h1>Runbook</h1><p>Restart it.", canvas=True)
    file = team.until(lambda: kept(team, message.files[0]))
    assert file.text.strip() == "# Runbook\n\nRestart it."
    ada.change_file(file.id, b"<h1>Runbook</h1><p>Leave it.")
    team.until(lambda: "Leave it." in kept(team, file.id).text)


def test_a_word_file_is_read(team):
    pytest.importorskip("markitdown", reason="the extra `docs` is not installed")
    message = shared(team, "rota.docx", office.docx("Rota", "Ada is on call."))
    assert "Ada is on call." in kept(team, message.files[0]).text


def test_a_file_that_cannot_be_read_is_kept_by_name_with_the_reason(team):
    message = shared(team, "locked.pdf", b"%PDF-1.4 nonsense")
    file = kept(team, message.files[0])
    assert file.text == ""
    assert file.reason


def test_a_file_over_the_limit_is_not_even_fetched(team, monkeypatch):
    monkeypatch.setattr(bot_files, "_downloaded", lambda *_: pytest.fail("it was fetched"))
    message = shared(team, "big.md", b"x" * (team.desk.settings.retrieval.largest_file + 1))
    assert "the limit is 20,000,000" in kept(team, message.files[0]).reason


def test_pictures_and_the_bots_own_files_are_not_kept(team):
    picture = team.member("ada").share("help", "cat.png", b"\x89PNG")
    own = team.desk.client.files_upload_v2(
        channel=team.slack.workspace.channel("help").id, content="report", filename="report.md"
    )
    shared(team)
    bot_files.look(team.desk, picture.files[0])
    bot_files.look(team.desk, own["files"][0]["id"])
    assert kept(team, picture.files[0]) is None
    assert kept(team, own["files"][0]["id"]) is None


def test_a_deleted_file_is_gone(team):
    message = shared(team)
    team.member("ada").delete_file(message.files[0])
    team.until(lambda: kept(team, message.files[0]) is None)


def test_a_file_whose_message_is_deleted_is_gone_from_that_channel_only(team):
    ada = team.member("ada")
    message = shared(team)
    again = ada.share_again(message.files[0], "secrets")
    both = {team.slack.workspace.channel(name).id for name in ("help", "secrets")}
    team.until(lambda: set(kept(team, message.files[0]).channels) == both)
    ada.delete(message)
    secrets = team.slack.workspace.channel("secrets").id
    team.until(lambda: kept(team, message.files[0]).channels == (secrets,))
    ada.delete(again)
    team.until(lambda: kept(team, message.files[0]) is None)


def test_a_channel_that_the_bot_leaves_takes_its_files_along(team):
    message = shared(team)
    team.member("ada").remove("help", team.bot)
    team.until(lambda: kept(team, message.files[0]) is None)


def test_a_file_in_a_channel_that_the_bot_is_not_in_is_not_kept(team):
    workspace = team.slack.workspace
    workspace.add_channel("elsewhere", members=["ada"])
    message = team.member("ada").share("elsewhere", "a.md", b"words")
    bot_files.look(team.desk, message.files[0])
    assert kept(team, message.files[0]) is None


def test_files_of_a_channels_past_are_read_when_the_bot_comes_in(team):
    workspace = team.slack.workspace
    workspace.add_channel("archive", members=["ada"])
    message = team.member("ada").share("archive", "a.md", b"old words")
    team.member("ada").invite("archive", team.bot)
    assert team.until(lambda: kept(team, message.files[0])).text == "old words"


def test_nothing_of_somebody_who_opted_out_is_kept(team):
    with team.engine.begin() as db:
        people.opt_out(db, team.member("ada").id)
    message = team.member("ada").share("help", "a.md", b"words")
    bot_files.look(team.desk, message.files[0])
    assert kept(team, message.files[0]) is None


def test_files_are_not_read_where_that_is_switched_off(team, monkeypatch):
    retrieval = team.desk.settings.retrieval.model_copy(update={"files": False})
    off = team.desk.settings.model_copy(update={"retrieval": retrieval})
    message = shared(team)
    monkeypatch.setattr(type(team.desk), "settings", off, raising=False)
    bot_files.look(team.desk, message.files[0])
    assert kept(team, message.files[0]) is None


def test_a_forgotten_file_stays_away(team):
    message = shared(team)
    link = kept(team, message.files[0]).url
    with pytest.raises(NotAllowed):
        forget.forget(team.desk, link, by=team.member("gus").id)
    assert forget.forget(team.desk, link, by=team.member("ada").id).files == 1
    bot_files.look(team.desk, message.files[0])
    assert kept(team, message.files[0]) is None
    with pytest.raises(BadInput):
        forget.forget(team.desk, link, by=team.member("ada").id)


def test_forgetting_a_person_forgets_their_files(team):
    message = shared(team)
    gone = forget.forget(team.desk, "@me", by=team.member("ada").id)
    assert gone.files == 1
    assert kept(team, message.files[0]) is None


def test_the_token_is_sent_to_slack_and_nowhere_else(team):
    asks = bot_files._is_slacks
    assert asks(team.desk, "https://files.slack.com/files-pri/T1-F1/a.md")
    assert asks(team.desk, f"{team.slack.page_url}files-pri/T1-F1/a.md")
    for elsewhere in (
        "http://files.slack.com/x",
        "https://files.slack.com.evil.example/x",
        "https://evilslack.com/x",
        "https://docs.google.com/x",
        "",
    ):
        assert not asks(team.desk, elsewhere)


def test_pinned_messages_are_marked_until_they_are_unpinned(team):
    ada = team.member("ada")
    said = ada.post("help", "The relay listens on 7007.")

    def is_pinned():
        with reading(team.engine) as db:
            found = messages.get(db, team.slack.workspace.channel("help").id, said.ts)
        return found is not None and found.is_pinned

    ada.pin(said)
    team.until(is_pinned)
    ada.edit(said, "The relay listens on 7008.")
    later = ada.post("help", "later")
    team.until(lambda: stored(team, later))
    assert is_pinned()
    ada.unpin(said)
    team.until(lambda: not is_pinned())


def stored(team, message):
    with reading(team.engine) as db:
        return messages.get(db, team.slack.workspace.channel("help").id, message.ts)
