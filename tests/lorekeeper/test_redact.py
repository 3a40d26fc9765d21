"""Secrets and personal data never get past; everything else does, to the letter."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lorekeeper.redact import Placeholders, redact, secrets

HEX, ALNUM = "0123456789abcdef", string.ascii_letters + string.digits


def _run(alphabet: str, length: int) -> str:
    return "".join(alphabet[(7 * i + 3) % len(alphabet)] for i in range(length))


# Made here, piece by piece, so that no scanner takes them for real ones.
SECRETS = {
    "aws": "AKIA" + _run(string.ascii_uppercase, 16),
    "github": "ghp" + "_" + _run(ALNUM, 36),
    "github fine": "github" + "_pat_" + _run(ALNUM, 70),
    "gitlab": "glpat" + "-" + _run(ALNUM, 20),
    "slack bot": "xoxb" + "-" + _run(ALNUM, 40),
    "slack app": "xapp" + "-1-" + _run(ALNUM, 40),
    "slack hook": "https://hooks.slack.com/services/" + _run(ALNUM, 30),
    "anthropic": "sk-ant" + "-" + _run(ALNUM, 40),
    "openai": "sk-proj" + "-" + _run(ALNUM, 40),
    "google": "AIza" + _run(ALNUM, 35),
    "google oauth": "ya29" + "." + _run(ALNUM, 40),
    "stripe": "sk" + "_live_" + _run(ALNUM, 24),
    "stripe hook": "whsec" + "_" + _run(ALNUM, 32),
    "twilio": "SK" + _run(HEX, 32),
    "sendgrid": "SG." + _run(ALNUM, 22) + "." + _run(ALNUM, 43),
    "mailgun": "key-" + _run(HEX, 32),
    "npm": "npm" + "_" + _run(ALNUM, 36),
    "pypi": "pypi" + "-" + _run(ALNUM, 90),
    "digitalocean": "dop_v1" + "_" + _run(HEX, 64),
    "hugging face": "hf" + "_" + _run(ALNUM, 34),
    "vault": "hvs" + "." + _run(ALNUM, 40),
    "databricks": "dapi" + _run(HEX, 32),
    "shopify": "shpat" + "_" + _run(HEX, 32),
    "linear": "lin_api" + "_" + _run(ALNUM, 40),
    "grafana": "glsa" + "_" + _run(ALNUM, 32) + "_" + _run(HEX, 8),
    "jwt": "eyJ" + _run(ALNUM, 30) + ".eyJ" + _run(ALNUM, 60) + "." + _run(ALNUM, 43),
}


@pytest.mark.parametrize("name", SECRETS)
def test_secrets_are_found_wherever_they_stand(name: str) -> None:
    secret = SECRETS[name]
    for text in (secret, f"use {secret}, ok?", f"`{secret}`", f"KEY={secret}\n", f'"{secret}"'):
        assert secret not in redact(text).text
        assert secret not in secrets(text)


def test_private_keys_passwords_in_urls_and_assignments() -> None:
    key = f"-----BEGIN RSA PRIVATE KEY-----\n{_run(ALNUM, 64)}\n-----END RSA PRIVATE KEY-----"
    assert redact(f"here: {key} done").text == "here: [secret 1] done"
    assert redact("postgres://app:s3cr3t!@db/x").text == "postgres://app:[secret 1]@db/x"
    assert redact('password: "tr0ub4dor&3"').text == 'password: "[secret 1]"'
    assert redact("password = get_password()").kinds == ()


def test_people_and_places() -> None:
    told = redact("mail Ann.Lee@example.com or +44 20 7946 0958, card 4111 1111 1111 1111")
    assert told.text == "mail [email 1] or [phone 1], card [card 1]"
    assert told.kinds == ("email", "card", "phone")
    assert redact("ssh 203.0.113.7, ask <@U12AB>").text == "ssh [ip 1], ask [person 1]"
    assert redact("ask <@U12AB>", people=False).text == "ask <@U12AB>"


@pytest.mark.parametrize(
    "text",
    [
        "version 10.2.3.4, v1.2.3.4, 6.12.0.3 and 127.0.0.1",
        "commit 3f786850e387550fdab836ed7e6dc881de23001b",
        "at 12:30:45 std::vector<int> a::b ::1",
        "x = d[1:2]; 1_000_000 * 86400",
        "2026-03-02T08:30:00Z 1772440200.000100",
        "<#C12345|general> see <https://example.com/a?b=1|docs>",
        "the secret: be kind. password = hunter",
    ],
)
def test_code_versions_and_hashes_stay_as_they_are(text: str) -> None:
    assert redact(text).text == text


def test_one_person_is_one_placeholder_in_a_thread() -> None:
    known = Placeholders()
    first = redact("ann@x.io and bob@x.io", known)
    second = redact("ANN@x.io again", known)
    assert (first.text, second.text) == ("[email 1] and [email 2]", "[email 1] again")


@given(st.text())
def test_redacting_twice_changes_nothing_more(text: str) -> None:
    once = redact(text)
    assert redact(once.text).text == once.text


@given(st.text(), st.sampled_from(sorted(SECRETS)), st.text())
def test_no_secret_survives_in_any_company(before: str, name: str, after: str) -> None:
    assert SECRETS[name] not in redact(f"{before} {SECRETS[name]} {after}").text


@pytest.mark.parametrize("piece", ["a", "1 ", "://", ":", "AKIA", "a@", "a.", "+1", "eyJ", "<@U"])
def test_long_messages_are_no_trap(piece: str) -> None:
    # A pattern that backtracks would not come back from this within the test's time limit.
    assert redact(piece * 100_000).text
