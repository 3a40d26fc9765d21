"""Listeners that fail in; words for the person, and no failure kept from the log, out."""

from __future__ import annotations

from slack_sdk.errors import SlackApiError


def said(member, text):
    return member.wait_for_message("help", lambda m: m.is_ephemeral and text in m.said)


def test_a_trigger_that_expired_is_told_as_such(team, monkeypatch):
    ada = team.member("ada")
    message = ada.post("help", "How do I restart it?")

    def too_late(**arguments):
        raise SlackApiError("no", {"ok": False, "error": "expired_trigger_id"})

    monkeypatch.setattr(team.desk.client, "views_open", too_late)
    ada.shortcut("save_answer", message)
    said(ada, "please do it again")


def test_an_unforeseen_failure_is_told_with_the_id_that_is_in_the_log(team, monkeypatch, caplog):
    ada = team.member("ada")
    message = ada.post("help", "How do I restart it?")

    def broken(**arguments):
        raise SlackApiError("no", {"ok": False, "error": "fatal_error"})

    monkeypatch.setattr(team.desk.client, "views_open", broken)
    ada.shortcut("save_answer", message)
    said(ada, "Something went wrong on my side")
