"""Secrets and personal data never get past; everything else does, to the letter."""

from __future__ import annotations

import string
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.labelled import SECRETS as FORMATS
from bench.labelled import Sample, negatives, positives, survives
from bench.labelled.personal import PERSONAL
from lorekeeper.redact import PLACEHOLDER, Placeholders, redact, secrets

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


PARTS = st.lists(
    st.one_of(
        st.text(max_size=20),
        st.sampled_from([sample.text for sample in positives(1, seed=1)]),
        st.sampled_from([sample.text for sample in negatives(1, seed=1)]),
        st.sampled_from(["[secret 1]", "password: ", "tel: ", "ip ", "://", "@", '"', "`", "+1 "]),
    ),
    max_size=6,
)
WRITTEN = [
    Sample(kind=kind, name=name, text=written, hidden=hidden)
    for kind, makers in (("secret", FORMATS), *PERSONAL.items())
    for name, make in makers.items()
    for written, hidden in [make(Random(name))]
]


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_found_in_chat_code_logs_and_other_scripts(name: str) -> None:
    told = [sample for sample in positives(20, seed=3) if sample.name == name]
    assert not [s.text for s in told if survives(s, redact(s.text).text)]
    assert not [s.text for s in told if survives(s, secrets(s.text))]


@pytest.mark.parametrize("kind", PERSONAL)
def test_personal_data_is_found_in_chat_code_logs_and_other_scripts(kind: str) -> None:
    told = [sample for sample in positives(20, seed=3) if sample.kind == kind]
    assert not [s.text for s in told if survives(s, redact(s.text).text)]


def test_what_only_looks_like_a_secret_stays_to_the_letter() -> None:
    for sample in negatives(20, seed=3):
        assert redact(sample.text, people=False).text == sample.text


@given(PARTS)
def test_redacting_twice_changes_nothing_more(parts: list[str]) -> None:
    once = redact("".join(parts))
    twice = redact(once.text)
    assert (twice.text, twice.kinds) == (once.text, ())


@given(st.text(alphabet=st.characters(categories=["L", "M", "P", "Zs"]), max_size=200))
def test_words_without_digits_stay_as_they_are(text: str) -> None:
    if not any(sign in text for sign in "@:="):
        assert redact(text).text == text


@given(PARTS)
def test_each_removal_is_a_kind_and_a_placeholder(parts: list[str]) -> None:
    text = "".join(parts)
    told = redact(text)
    written_by_hand = len(PLACEHOLDER.findall(text))
    assert len(PLACEHOLDER.findall(told.text)) == written_by_hand + len(told.kinds)
    if not told.kinds:
        assert told.text == text


@given(st.lists(st.sampled_from(WRITTEN), min_size=1, max_size=4))
def test_one_value_is_one_placeholder_in_every_message_of_a_thread(thread: list[Sample]) -> None:
    known = Placeholders()
    told = [redact(sample.text, known) for sample in thread]
    count = len(known.names)
    assert [redact(sample.text, known) for sample in thread] == told
    assert len(known.names) == len(set(known.names.values())) == count


@given(st.text(), st.sampled_from(WRITTEN), st.text())
def test_no_secret_survives_in_any_company(before: str, sample: Sample, after: str) -> None:
    assert not survives(sample, redact(f"{before} {sample.text} {after}").text) or (
        sample.hidden in f"{before} {after}"
    )


HOSTILE = (
    "a", "1 ", "://", ":", "AKIA", "a@", "a.", "+1", "eyJ", "<@U", "-eyJaaaaaaaaaa", "password=",
    "password: ", "password for a ", "password=ab1cd2\n", "password='", "password=!", "token ",
    "ghp_A", "ghp_A.", "sk-a-", "-----BEGIN PRIVATE KEY-----", "-----BEGIN CERTIFICATE-----",
    "[secret 1]", "[email 1] a@b.io ", "mysql -pa ", "curl -u a ", "login a password ", "tel ",
    "phone: 1 2 3 4 5 6 7 8 ", "(11) 1", "1.1.1.1 ", "2001:", "2001:db8:", "<mailto:a|", "1234 ",
    "4111111111111111 ", "Bearer a", "basic ", "--password ", "MAAAAAAAAAAAAAAAAAAAAAAA.", "?sig=",
    "a:b@", "://a:", "\\n", "%3D", "٣", "パスワードは",
)  # fmt: skip


@pytest.mark.timeout(60)
@pytest.mark.parametrize("piece", HOSTILE)
def test_long_messages_are_no_trap(piece: str) -> None:
    # 40,000 characters are Slack's longest message. Each takes under a second; a pattern that
    # backtracks, or looks at the rest from every place, would not come back within the minute.
    told = redact((piece * 40_000)[:40_000]).text
    assert len(told) < 400_000
