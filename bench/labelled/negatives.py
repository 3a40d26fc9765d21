"""Chance in; hashes, versions, code and placeholders, all of which a reader needs as they are, out."""

from __future__ import annotations

import base64
import string
from collections.abc import Callable
from random import Random
from uuid import UUID

from bench.labelled.keys import HEX, UPPER, run


def _of(*ways: str) -> Callable[[Random], str]:
    """One of the ways, with `#` as a digit and `@@@@` as hexadecimal ones."""

    def make(chance: Random) -> str:
        text = chance.choice(ways)
        while "@@@@" in text:
            text = text.replace("@@@@", run(chance, HEX, 4), 1)
        return "".join(chance.choice("123456789") if c == "#" else c for c in text)

    return make


def _public_block(chance: Random) -> str:
    label = chance.choice(("CERTIFICATE", "PUBLIC KEY", "RSA PUBLIC KEY"))
    whole = base64.b64encode(chance.randbytes(chance.randrange(270, 900))).decode()
    body = "\n".join(whole[at : at + 64] for at in range(0, len(whole), 64))
    return f"-----BEGIN {label}-----\n{body}\n-----END {label}-----"


def _base64(chance: Random) -> str:
    value = base64.b64encode(chance.randbytes(chance.choice((32, 64)))).decode()
    return chance.choice(
        (f"integrity sha512-{value}", f"data:image/png;base64,{value}", f"ssh-rsa {value} ci")
    )


def _permalink(chance: Random) -> str:
    ts = f"17{run(chance, string.digits, 14)}"
    return f"<https://acme.slack.com/archives/C{run(chance, UPPER, 10)}/p{ts}|thread> ts {ts[:10]}.{ts[10:]}"


_SHA1, _SHA256 = "@@@@" * 10, "@@@@" * 16

NEGATIVES: dict[str, Callable[[Random], str]] = {
    "git hash": _of(f"commit {_SHA1}", "fixed in @@@@@@@@", "revert @@@@@@@@@@@@", f"key: {_SHA1}"),
    "UUID": lambda chance: f"request {UUID(bytes=chance.randbytes(16), version=4)}",
    "version": _of("v#.##.#", "version #.#.#-rc.#", "gcc #.##", "numpy==#.##.#", "^##.#.#"),
    "version of four parts": _of("6.90.0.2#", "version 10.#.#.#", "v1.2.#.#", "have 6.12, need 6.90.0.#", "1.#.0.##"),
    "digest": _of(f"sha256:{_SHA256}", f"nginx@sha256:{_SHA256}", _SHA256, "md5 " + "@@@@" * 8),
    "public block": _public_block,
    "base64": _base64,
    "time": _of("12:3#:5#", "2026-0#-1#T08:3#:00Z", "17####0000.000100", "at 1700000####### ms"),
    "order number": _of("order 3#4-5######-7######", "ticket 55512345##", "invoice 2026-00####", "id=41######"),
    "number in code": _of("x = 1##4567890", "range(1000000, 20#0000)", "0x7fff5fbff#c#", "1_000_000 * 864##"),
    "ISBN": _of("ISBN 978-3-16-148410-#", "ISBN-10: 0-306-40615-#", "978030640615#"),
    "colour and CSS": _of("#ff00aa", "color: #A1B2C3;", "margin: 0 10px 2#px 5px;", ".sk-toggleable__label-arrow:before"),
    "call for a password": _of(
        "password = get_password()", 'token = os.environ["TOKEN"]', "password: Optional[str] = None", "pwd = $(pwd)",
        "secret = settings.secret_key_2", "password = user1_password", "auth = oauth2", "const token = await getToken1()",
        "if (!password) return;", "password_hash = sha256(password)", "self.access_token = access_token", "max_tokens = 4096",
    ),
    "placeholder": _of(
        "<your-api-key>", "api_key=YOUR_API_KEY_1", "password: xxxxxxxx", "SECRET=${SECRET_2}", "token: {{ vault_token_1 }}",
        "password=********", "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "postgres://app:${DB_PASS}@db/x", "sk-...",
        "Authorization: Bearer $TOKEN", "Authorization: Bearer <token>", "password: changeme1", "--password $PASS1",
    ),
    "talk of secrets": _of(
        "the secret: be kind", "I forgot my password again", "a token is a word or a sign", "tokens: 1024 in, 2048 out",
        "the password must have at least 12 characters", "basic authentication is enough", "bearer of bad news",
        "secretName: web-tls-v2", "the key to success is patience", "public_key_algorithm: rsa2048",
        "password reset doesn't work since v2.3.1", "password: sha256", "author: someone, 1999",
    ),
    "local address": _of("http://localhost:8080/", "127.0.0.1:5432", "listen on 0.0.0.0:80", "::1", "mask 255.255.255.0", "8.8.8.8"),
    "scope": _of("std::vector::x", "::keyword", "(define-syntax ::face)", "ab::cafe", "dead::beef", "f32::abs(x)", "a::b::c", "Foo::add"),
    "permalink": _permalink,
    "path": _of("/usr/lib/x86_64-linux-gnu/libc.so.#", r"C:\Users\x\file2.txt", "src/a_b/c-d#.py:12:34", "~/.ssh/id_rsa", "key: /etc/ssl/private/key#.pem"),
    "git address": _of("git clone git@github.com:example/example.git", "ssh://git@example.com/x.git", "https://user@example.com/x.git"),
    "code": _of(
        "(call 1000000 2)", "@decorator", "a[1:2, 3:4]", "x @ y.T", "f(4111, 1111)", "npm i left-pad@1.3.#", "pip install a==2.#.#",
        "git diff HEAD~# -- a.py", "sum(1, 22, 333, 4444, 55555, 666666)", "hf_hub_download(repo_id='x')", "npm_config_user_agent=yarn",
        "disk-usage-report-for-2026-by-volume", "task-2018-conference-proceedings-final", "06 12 34 56 78 9a bc", "50:06:01:60:3b:a0:1#:2#",
    ),
}  # fmt: skip
