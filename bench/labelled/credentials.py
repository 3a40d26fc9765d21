"""Chance in; passwords and keys that only what stands beside them gives away, with that, out."""

from __future__ import annotations

import base64
import string
from random import Random
from urllib.parse import quote
from uuid import UUID

from bench.labelled.keys import ALNUM, BASE64, HEX, URL_SAFE, Made, Maker, run

_SIGNS = "!#$%&*+-_?@^~"
_HOSTS = ("db.internal", "10.1.20.31", "cache-01.prod.example.com", "localhost")


def _password(chance: Random) -> str:
    """From a generator, with every class in it, or as people choose one that has rules to pass."""
    if chance.random() < 0.3:
        word = chance.choice(("Winter", "dragon", "Liverpool", "sunshine", "Zaubertrank"))
        return f"{word}{chance.randrange(10, 9999)}{chance.choice(('', '!', '#'))}"
    length = chance.randrange(10, 25)
    classes = [string.ascii_lowercase, string.ascii_uppercase, string.digits]
    if chance.random() < 0.6:
        classes.append(_SIGNS)
    made = [*map(chance.choice, classes), *run(chance, "".join(classes), length - len(classes))]
    chance.shuffle(made)
    return chance.choice(ALNUM) + "".join(made) + chance.choice(ALNUM)


def _said(*ways: str, alphabet: str = "", length: int = 0) -> Maker:
    """A run of the alphabet, or a password, told in one of the ways."""

    def make(chance: Random) -> Made:
        value = run(chance, alphabet, length) if alphabet else _password(chance)
        return chance.choice(ways).replace("{}", value), value

    return make


def _aws_secret(chance: Random) -> Made:
    value = run(chance, BASE64, 40)
    key_id = "AKIA" + run(chance, string.ascii_uppercase, 16)
    way = chance.choice((
        "aws_secret_access_key = {}", "AWS_SECRET_ACCESS_KEY={}", '"SecretAccessKey": "{}",',
        "secretAccessKey: {}", "export AWS_SECRET_ACCESS_KEY='{}'", f"keys: {key_id} / {{}}",
        "the aws secret access key is {}", f"{key_id},{{}}",
    ))  # fmt: skip
    return way.replace("{}", value), value


def _azure_storage(chance: Random) -> Made:
    value = base64.b64encode(chance.randbytes(64)).decode()
    return (
        f"DefaultEndpointsProtocol=https;AccountName=acme;AccountKey={value};EndpointSuffix=core.windows.net",
        value,
    )


def _azure_sas(chance: Random) -> Made:
    value = quote(base64.b64encode(chance.randbytes(32)).decode(), safe="")
    url = f"https://acme.blob.core.windows.net/logs?sv=2022-11-02&sp=r&se=2026-01-01&sig={value}"
    return chance.choice((url, f"<{url}|logs>", f"{url}&spr=https")), value


def _database(chance: Random) -> Made:
    value = chance.choice(
        (run(chance, ALNUM + "-_.!*", 15) + "x", quote(_password(chance), safe=""))
    )
    scheme = chance.choice(
        ("postgres", "postgresql+psycopg", "mysql", "amqp", "mongodb+srv", "redis")
    )
    user = "" if scheme == "redis" else chance.choice(("app", "root", "svc_billing"))
    return f"{scheme}://{user}:{value}@{chance.choice(_HOSTS)}:5432/main?ssl=true", value


def _basic(chance: Random) -> Made:
    value = base64.b64encode(f"svc-{run(chance, HEX, 4)}:{_password(chance)}".encode()).decode()
    way = chance.choice(
        ("Authorization: Basic {}", '-H "Authorization: Basic {}"', "authorization=Basic {}")
    )
    return way.replace("{}", value), value


def _docker_auth(chance: Random) -> Made:
    value = base64.b64encode(f"robot:{_password(chance)}".encode()).decode()
    return f'{{"auths": {{"registry.example.com": {{"auth": "{value}"}}}}}}', value


def _kubeconfig(chance: Random) -> Made:
    value = base64.b64encode(b"-----BEGIN EC PRIVATE KEY-----\n" + chance.randbytes(120)).decode()
    return f"users:\n- name: admin\n  user:\n    client-key-data: {value}", value


def _sentry(chance: Random) -> Made:
    value = run(chance, HEX, 32)
    return (
        f"https://{value}@o{chance.randrange(10**6)}.ingest.sentry.io/{chance.randrange(10**7)}",
        value,
    )


def _heroku(chance: Random) -> Made:
    value = str(UUID(bytes=chance.randbytes(16), version=4))
    return chance.choice(("HEROKU_API_KEY={}", "heroku api key: {}")).replace("{}", value), value


CREDENTIALS: dict[str, Maker] = {
    "AWS secret access key": _aws_secret,
    "Azure storage": _azure_storage,
    "Azure SAS": _azure_sas,
    "Twilio auth token": _said(
        "TWILIO_AUTH_TOKEN={}", "auth_token: '{}'", "authToken = \"{}\"", alphabet=HEX, length=32
    ),
    "Datadog": _said(
        "DD_API_KEY={}", "datadog api key: {}", "DD-API-KEY: {}", "api_key: {}", alphabet=HEX, length=32
    ),
    "Datadog app key": _said("DD_APP_KEY={}", '"app_key": "{}"', alphabet=HEX, length=40),
    "Cloudflare": _said(
        "CLOUDFLARE_API_TOKEN={}", "CF_API_TOKEN: {}", "cloudflare token is {}", "X-Auth-Key: {}",
        alphabet=URL_SAFE, length=40,
    ),
    "Heroku": _heroku,
    "Sentry DSN": _sentry,
    "database address": _database,
    "redis without user": lambda chance: (lambda v: (f"redis://:{v}@cache:6379/0", v))(run(chance, ALNUM, 32)),
    "basic auth": _basic,
    "bearer": _said(
        "Authorization: Bearer {}", "curl -H 'Authorization: Bearer {}'", "bearer {}",
        alphabet=ALNUM + "-_.~", length=44,
    ),
    "header": _said("X-Api-Key: {}", "PRIVATE-TOKEN: {}", "Authorization: token {}", alphabet=ALNUM, length=32),
    "Docker auth": _docker_auth,
    "kubeconfig": _kubeconfig,
    "password, env": _said(
        "DB_PASSWORD={}", "export PGPASSWORD={}", 'SMTP_PASS="{}"', "MYSQL_PWD={}", "SECRET_KEY_BASE={}"
    ),
    "password, YAML": _said("password: {}", "  db_password: '{}'", "adminPassword: \"{}\"", "secret: {}"),
    "password, JSON": _said('{"user": "x", "password": "{}"}', '"clientSecret":"{}"', r'{\"password\":\"{}\"}'),
    "password, code": _said(
        "password = '{}'", 'const dbPassword = "{}";', "$password => '{}'", 'conn(password="{}")',
        "spring.datasource.password={}", "<password>{}</password>", "password := `{}`",
    ),
    "password, said": _said(
        "the password is {}", "password for the staging box is `{}`", "pw: {}", "*Password:* {}",
        "passphrase is '{}'", "I set the password to {}", "pass = {}",
    ),
    "password, languages": _said(
        "Das Passwort lautet {}", "Kennwort: {}", "パスワードは{}です", "パスワード：{}", "كلمة المرور: {}",
        "كلمة السر هي {}", "le mot de passe est {}", "la contraseña es {}", "пароль: {}", "密码：{}",
    ),
    "password, command": _said(
        "psql --password={}", "tool login --password {}", "mysql -u root -p{} shop", "sshpass -p '{}' ssh host",
        "redis-cli -h cache -a {}", "curl -u admin:{} https://x.example.com", "docker login -u ci -p {}",
    ),
    "password, connection": _said(
        "Server=db;Database=x;User Id=sa;Password={};Encrypt=true", "Uid=app;Pwd={};", "cache:6380,password={},ssl=True"
    ),
    "netrc": _said(
        "machine git.example.com login ci password {}", "machine x\n  login ci\n  password {}"
    ),
    "token, query": _said(
        "https://api.example.com/v1/x?access_token={}&page=2", "<https://x.example.com/?token={}|here>",
        alphabet=ALNUM, length=32,
    ),
    "token, npmrc": _said("//registry.npmjs.org/:_authToken={}", alphabet=HEX, length=36),
}  # fmt: skip
