"""Chance in; keys and tokens that are known by their own form, as their issuers document it, out."""

from __future__ import annotations

import base64
import json
import string
from collections.abc import Callable
from random import Random

Made = tuple[str, str]  # what is written, and the part of it that is secret
Maker = Callable[[Random], Made]

HEX = "0123456789abcdef"
UPPER = string.ascii_uppercase + string.digits
ALNUM = string.ascii_letters + string.digits
URL_SAFE = ALNUM + "-_"
BASE64 = ALNUM + "+/"


def run(chance: Random, alphabet: str, length: int) -> str:
    return "".join(chance.choices(alphabet, k=length))


def _alone(*parts: str | tuple[str, int]) -> Maker:
    """Fixed parts and runs (alphabet, length), one after the other; all of it is the secret."""

    def make(chance: Random) -> Made:
        value = "".join(p if isinstance(p, str) else run(chance, *p) for p in parts)
        return value, value

    return make


def _one_of(*makers: Maker) -> Maker:
    return lambda chance: chance.choice(makers)(chance)


def _web_token(chance: Random) -> Made:
    """RFC 7519, signed with HS256 or RS256."""
    size = chance.choice((32, 256))
    head = {"alg": "HS256" if size == 32 else "RS256", "typ": "JWT"}
    claims = {"sub": run(chance, string.digits, 10), "iat": 1_700_000_000 + chance.randrange(10**8)}
    parts = [json.dumps(head).encode(), json.dumps(claims).encode(), chance.randbytes(size)]
    value = ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)
    return value, value


def _discord_bot(chance: Random) -> Made:
    """The bot's id in base64, a time, a signature; ids of 18 digits make it begin with M, N or O."""
    user = base64.urlsafe_b64encode(str(chance.randrange(10**17, 10**18)).encode()).decode()
    value = f"{user.rstrip('=')}.{run(chance, URL_SAFE, 6)}.{run(chance, URL_SAFE, 38)}"
    return value, value


def _armoured(label: str, body: str) -> str:
    return f"-----BEGIN {label}-----\n{body}\n-----END {label}-----"


def _lines(chance: Random, size: int, width: int = 64) -> str:
    """Random bytes in base64, as RFC 7468 breaks it."""
    whole = base64.b64encode(chance.randbytes(size)).decode()
    return "\n".join(whole[at : at + width] for at in range(0, len(whole), width))


def _private_key(chance: Random) -> Made:
    label = chance.choice(
        ("RSA PRIVATE KEY", "EC PRIVATE KEY", "PRIVATE KEY", "OPENSSH PRIVATE KEY")
    )
    body = _lines(chance, chance.choice((120, 1190)), 70 if "SSH" in label else 64)
    if label == "RSA PRIVATE KEY" and chance.random() < 0.5:
        body = f"Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,{run(chance, '0123456789ABCDEF', 32)}\n\n{body}"
    return _armoured(label, body), body.splitlines()[-2]


def _cut_off_key(chance: Random) -> Made:
    body = _lines(chance, 400)
    return f"-----BEGIN RSA PRIVATE KEY-----\n{body}", body.splitlines()[-2]


def _service_account(chance: Random) -> Made:
    body = _lines(chance, 1218)
    account = {
        "type": "service_account",
        "private_key_id": run(chance, HEX, 40),
        "private_key": _armoured("PRIVATE KEY", body) + "\n",
        "auth_uri": "https://accounts.google.com/o/oauth2/auth",
    }
    return json.dumps(account, indent=2), chance.choice(body.splitlines()[:-1])


def _pgp_key(chance: Random) -> Made:
    body = _lines(chance, 900)
    headers = chance.choice(
        ("", "Version: GnuPG v2.0.22 (GNU/Linux)\nComment: made at https://x-y.org\n")
    )
    return _armoured("PGP PRIVATE KEY BLOCK", f"{headers}\n{body}\n=aB3d"), body.splitlines()[3]


KEYS: dict[str, Maker] = {
    "AWS access key id": _one_of(
        _alone("AKIA", (string.ascii_uppercase + "234567", 16)),
        _alone("ASIA", (string.ascii_uppercase + "234567", 16)),
    ),
    "GitHub classic": _one_of(*(_alone(f"gh{letter}_", (ALNUM, 36)) for letter in "pousr")),
    "GitHub fine-grained": _alone("github_pat_", (ALNUM, 22), "_", (ALNUM, 59)),
    "GitLab": _one_of(
        _alone("glpat-", (URL_SAFE, 19), (ALNUM, 1)),
        _alone("glrt-", (URL_SAFE, 19), (ALNUM, 1)),
        _alone("glpat-", (URL_SAFE, 27), ".", (HEX, 2), ".", (HEX, 9)),
    ),
    "Slack bot": _alone("xoxb-", (string.digits, 12), "-", (string.digits, 13), "-", (ALNUM, 24)),
    "Slack user": _alone("xoxp-", *(((string.digits, 12), "-") * 3), (HEX, 32)),
    "Slack app": _alone("xapp-1-A", (UPPER, 10), "-", (string.digits, 13), "-", (HEX, 64)),
    "Slack webhook": _alone(
        "https://hooks.slack.com/services/T", (UPPER, 8), "/B", (UPPER, 10), "/", (ALNUM, 24)
    ),
    "Stripe": _one_of(
        _alone("sk_live_", (ALNUM, 24)),
        _alone("sk_test_51", (ALNUM, 97)),
        _alone("rk_live_", (ALNUM, 24)),
        _alone("whsec_", (ALNUM, 32)),
    ),
    "OpenAI": _one_of(
        _alone("sk-", (ALNUM, 20), "T3BlbkFJ", (ALNUM, 20)),
        _alone("sk-proj-", (URL_SAFE, 74), "T3BlbkFJ", (URL_SAFE, 73), "A"),
        _alone("sk-svcacct-", (URL_SAFE, 74), "T3BlbkFJ", (URL_SAFE, 73), "w"),
    ),
    "Anthropic": _alone("sk-ant-api03-", (URL_SAFE, 93), "AA"),
    "Google API": _alone("AIza", (URL_SAFE, 34), "s"),
    "Google OAuth": _one_of(
        _alone("ya29.a0", (URL_SAFE, 160), "x"), _alone("GOCSPX-", (URL_SAFE, 27), "x")
    ),
    "GCP service account": _service_account,
    "Twilio key": _alone("SK", (HEX, 32)),
    "SendGrid": _alone("SG.", (URL_SAFE, 22), ".", (URL_SAFE, 42), "c"),
    "Mailgun": _alone("key-", (HEX, 32)),
    "Mailchimp": _alone((HEX, 32), "-us21"),
    "npm": _alone("npm_", (ALNUM, 36)),
    "PyPI": _alone("pypi-AgEIcHlwaS5vcmcC", (URL_SAFE, 150), "Q"),
    "Hugging Face": _alone("hf_", (string.ascii_letters, 34)),
    "DigitalOcean": _alone("dop_v1_", (HEX, 64)),
    "Vault": _one_of(_alone("hvs.", (URL_SAFE, 90), "A"), _alone("hvs.", (ALNUM, 24))),
    "Databricks": _alone("dapi", (HEX, 32)),
    "Shopify": _one_of(_alone("shpat_", (HEX, 32)), _alone("shpss_", (HEX, 32))),
    "JWT": _web_token,
    "private key": _private_key,
    "private key, cut off": _cut_off_key,
    "PGP private key": _pgp_key,
    "age": _alone("AGE-SECRET-KEY-1", ("QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", 58)),
    "Discord bot": _discord_bot,
    "Discord webhook": _alone(
        "https://discord.com/api/webhooks/1", (string.digits, 17), "/", (URL_SAFE, 67), "x"
    ),
    "Teams webhook": _alone(
        "https://acme.webhook.office.com/webhookb2/", (HEX, 8), "-1111-4222-8333-", (HEX, 12), "@",
        (HEX, 8), "-1111-4222-8333-", (HEX, 12), "/IncomingWebhook/", (HEX, 32),
    ),
    "Telegram": _alone("6", (string.digits, 9), ":AA", (URL_SAFE, 32), "k"),
    "Terraform Cloud": _alone((ALNUM, 14), ".atlasv1.", (ALNUM, 67)),
    "Entra client secret": _alone((ALNUM, 3), "8Q~", (ALNUM + "_.-", 33), "b"),
    "Docker Hub": _alone("dckr_pat_", (URL_SAFE, 26), "x"),
    "Heroku platform": _alone("HRKU-AA", (URL_SAFE, 57), "x"),
    "Grafana": _alone("glsa_", (ALNUM, 32), "_", (HEX, 8)),
    "Linear": _alone("lin_api_", (ALNUM, 40)),
    "New Relic": _alone("NRAK-", (UPPER, 27)),
    "Doppler": _alone("dp.pt.", (ALNUM, 43)),
}  # fmt: skip
