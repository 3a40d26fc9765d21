"""A private answer is shared as it is where everyone may see what it was made from, else made again for them."""

from __future__ import annotations

from lorekeeper.domain import Level
from lorekeeper.store import answers, reading


def asked(team, who="ada"):
    member = team.member(who)
    member.command("/lore ask how long is this?", "help")
    return member.wait_for_message("help", lambda m: m.is_ephemeral and "answer_thumb" in m.actions)


def test_what_was_made_from_public_sources_is_shared_as_it_is(team):
    ada, sam = team.member("ada"), team.member("sam")
    ada.press(asked(team), "answer_share")
    shared = sam.wait_for_message("help", lambda m: "shares the answer" in m.said)
    assert "letters long" in shared.said
    assert "How letters are counted" in shared.said
    assert "answer_share" not in shared.actions
    ada.wait_for_message("help", lambda m: m.said.strip() == "Shared.")
    assert len(team.gateway.requests) == 1
    with reading(team.engine) as db:
        kept = answers.by_message(db, team.slack.workspace.channel("help").id, shared.ts)
    assert kept is not None
    assert kept.asker == ada.id


def test_what_was_made_from_more_is_made_again_for_everyone_there(team):
    secrets = team.slack.workspace.channel("secrets").id
    team.gateway.scopes = ("public", secrets)
    team.gateway.say = lambda question: ["The secret plan."]
    shown = asked(team)
    team.gateway.scopes = ("public",)
    team.gateway.say = lambda question: ["What all may know."]
    ada, sam = team.member("ada"), team.member("sam")
    ada.press(shown, "answer_share")
    shared = sam.wait_for_message("help", lambda m: "shares the answer" in m.said)
    assert "What all may know." in shared.said
    assert not [m for m in sam.sees("help") if "secret plan" in m.said]
    assert team.gateway.requests[1]["lorekeeper"]["scopes"] == ["public"]


def test_what_only_private_sources_know_is_not_shared(team):
    team.gateway.scopes = (team.slack.workspace.channel("secrets").id,)
    shown = asked(team)
    team.gateway.level, team.gateway.scopes = Level.UNKNOWN, ()
    ada, sam = team.member("ada"), team.member("sam")
    ada.press(shown, "answer_share")
    ada.wait_for_message("help", lambda m: "Nothing was shared" in m.said)
    assert not [m for m in sam.sees("help") if "shares the answer" in m.said]


def test_who_left_a_channel_a_moment_ago_gets_nothing_from_it(team):
    """Slack's event may come late; what is about to be quoted is looked up again."""
    secrets = team.slack.workspace.channel("secrets")
    ada = team.member("ada")
    channel = ada.open_dm()
    ada.wait_for_answer(ada.post(channel, "how long is this?"))  # the membership is remembered now
    secrets.members.remove(ada.id)  # and Slack says nothing
    heard = []

    def say(question):
        heard.append(question)
        if len(heard) == 1:
            return ["From the secret channel."]
        team.gateway.scopes = ("public",)
        return ["From everywhere else."]

    team.gateway.scopes, team.gateway.say = ("public", secrets.id), say
    answer = ada.wait_for_answer(ada.post(channel, "and how long is that?"))
    assert "From everywhere else." in answer.said
    assert "secret channel" not in answer.said
    assert secrets.id in team.gateway.requests[1]["lorekeeper"]["scopes"]
    assert secrets.id not in team.gateway.requests[2]["lorekeeper"]["scopes"]


def test_a_long_private_answer_comes_whole_and_is_shared_whole(team):
    ada, sam = team.member("ada"), team.member("sam")
    team.gateway.say = lambda question: ["All work and no play. " * 100] * 8
    shown = asked(team)
    private = [m.said for m in ada.sees("help") if "All work" in m.said]
    assert len(private) == 2
    assert sum(text.count("play.") for text in private) == 800
    ada.press(shown, "answer_share")
    first = sam.wait_for_message("help", lambda m: "shares the answer" in m.said)
    last = sam.wait_for_message("help", lambda m: "answer_thumb" in m.actions, thread_ts=first.ts)
    assert first.said.count("play.") + last.said.count("play.") == 800
