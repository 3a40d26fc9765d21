"""Text in; credentials of many issuers, and what is assigned, given or sent as a secret, out."""

from __future__ import annotations

import base64
import binascii
import re

from lorekeeper.redact.rule import Rule, Value

# Formats that their issuers document: a prefix and a run of any length that is no word and no
# placeholder, that is, with a capital or a digit, and not one character again and again.
_PREFIXES = (
    (  # noqa: SIM905, as a list it would be ninety lines
        "ghp_ gho_ ghu_ ghs_ ghr_ github_pat_ "  # GitHub
        "glpat- gldt- glrt- glcbt- glptt- glft- glsoat- glagent- glimt- gloas- "  # GitLab
        "xoxa- xoxb- xoxe- xoxe.xoxp- xoxo- xoxp- xoxr- xoxs- xapp- xwfp- "  # Slack
        "sk-ant- sk-proj- sk-svcacct- sk-admin- sk-or-v1- sk-lf- gsk_ xai- pplx- r8_ "  # models
        "sk_live_ sk_test_ rk_live_ rk_test_ whsec_ sq0csp- sq0atp- shpat_ shpca_ shppa_ shpss_ "  # shops
        "AIza ya29. GOCSPX- dop_v1_ doo_v1_ dor_v1_ HRKU- cfut_ cfat_ cfk_ fo1_ fm2_ tskey- "  # hosts
        "npm_ pypi- rubygems_ dckr_pat_ "  # registries
        "hvs. hvb. hvr. dp.pt. dp.st. pul- ops_eyJ AGE-SECRET-KEY-1 CCIPAT_ "  # vaults, pipelines
        "lin_api_ ntn_ figd_ ATATT3 ATCTT3 PMAK- NRAK- glsa_ glc_ sntrys_ sntryu_ phx_ xkeysib- "
        "sbp_ sb_secret_ pscale_tkn_ pscale_pw_ "
        "lore_"  # our own gateway
    ).split()
)
_RUN = (
    r"(?!(?P<same>.)(?P=same){7})(?=[A-Za-z0-9_.-]{0,19}[A-Z0-9])"
    r"[A-Za-z0-9_-][A-Za-z0-9_.-]{17,}[A-Za-z0-9_-]"
)
_ENDS = r"(?![A-Za-z0-9])"
_SHAPES = {  # by the part that all of a format have
    "akia": rf"AKIA[A-Z0-9]{{16}}{_ENDS}",  # AWS access key ids
    "asia": rf"ASIA[A-Z0-9]{{16}}{_ENDS}",
    "abia": rf"ABIA[A-Z0-9]{{16}}{_ENDS}",
    "acca": rf"ACCA[A-Z0-9]{{16}}{_ENDS}",
    "sk-": r"sk-(?=[a-z]{0,19}[A-Z0-9])[A-Za-z0-9]{20,}",  # OpenAI, the older ones
    "hf_": r"hf_[A-Za-z0-9]{30,}",  # Hugging Face
    "sk": rf"SK[0-9a-f]{{32}}{_ENDS}",  # Twilio
    "key-": rf"key-[0-9a-f]{{32}}{_ENDS}",  # Mailgun
    "dapi": rf"dapi[0-9a-f]{{32}}{_ENDS}",  # Databricks
    "-us": rf"[0-9a-f]{{32}}-us\d{{1,2}}{_ENDS}",  # Mailchimp
    "sg.": r"SG\.[A-Za-z0-9_-]{16,64}\.[A-Za-z0-9_-]{16,}",  # SendGrid
    "v1.0-": r"v1\.0-[0-9a-f]{24}-[0-9a-f]{100,}",  # Cloudflare origin CA
    ".atlasv1.": r"[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_=-]{40,}",  # Terraform Cloud
    "q~": r"[A-Za-z0-9_~.-]{3}\dQ~[A-Za-z0-9_~.-]{30,40}",  # Microsoft Entra
    ":aa": r"(?:bot)?\d{8,10}:AA[A-Za-z0-9_-]{33}(?![A-Za-z0-9_-])",  # Telegram
    "eyj": r"eyJ[A-Za-z0-9_-]{10,2000}+\.eyJ[A-Za-z0-9_-]{10,8000}+\.[A-Za-z0-9_-]{10,}",  # JWT
    "hooks.slack": r"https://hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9/_-]{20,}",
    "/webhooks/": r"https://[a-z.]{0,10}discord(?:app)?\.com/api(?:/v\d+)?/webhooks/\d+/[\w-]{40,}",
    ".webhook.office": r"https://[a-z0-9-]{1,60}\.webhook\.office\.com/[\w/@-]{40,}",
}
_ISSUED = re.compile(
    # Nothing of a word before it, but for what escapes leave there: `\n`, `%3D`.
    r"(?:(?<![A-Za-z0-9])|(?<=\\[nrt])|(?<=%[0-9A-Fa-f]{2}))"
    rf"(?:(?:{'|'.join(map(re.escape, _PREFIXES))}){_RUN}|{'|'.join(_SHAPES.values())})",
    re.ASCII,
)
_DISCORD = re.compile(
    r"[MNO](?<![A-Za-z0-9_-].)[\w-]{22,27}\.[\w-]{6}\.[\w-]{27,}", re.ASCII | re.DOTALL
)
# Cut off in the middle, it ends with its last long line.
_PEM = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----"
    r"(?:(?:[^-]|-(?!----))*+-----END [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----"
    r"|(?:[A-Za-z0-9+/=]{20,}+|[\s\\>|\"',]|(?<=\\)[nr])*+)"
)
_IN_URL = re.compile(
    r"(?<=://)(?:(?P<user>[^\s/:@<>\"'`]{0,100}):)?(?P<value>[^\s/<>\"'`]{1,300})(?=@)"
)
_HEADER = re.compile(
    r"(?i)\b(?:bearer|basic|authorization[\"']?\s{0,2}[:=]\s{0,2}[\"']?(?:[a-z]{2,12}\s)?)\s{0,3}"
    r"(?P<value>[A-Za-z0-9._~+/-]{8,}={0,2})",
    re.ASCII,
)
# What may be a password: printable, Latin, up to a quote, a comma, a semicolon or the next `&name=`.
_VALUE = (
    r"(?P<quote>\\{0,3}[\"'`“”„«「『‘]|\*{1,2}\s?)?"
    r"(?P<value>(?:[!#-%(-+\--:=?-_a-{}~À-ɏ]|&(?![\w-]{1,40}=)){5,}(?<![.:?)\]}\\]))"
)
_CHOSEN = (
    r"pass(?:word|wd|phrase|code)|passwort|kennwort|mot de passe|contraseña|senha|пароль|pwd|"
    r"(?<![a-z])pw|(?<![a-z])pass|パスワード|密码|비밀번호|كلمة المرور|كلمة السر|secret"
)
_MADE = (
    r"token|(?<![a-z])auth|credentials?|(?<=[?&])sig(?:nature)?|client-key-data|トークン|رمز|"
    r"(?:api|app|access|private|account|encryption|signing|master|license|storage)[ _-]?key"
)
_ASSIGNED = re.compile(
    rf"(?:(?P<chosen>{_CHOSEN})|{_MADE})"
    r"(?:[ _-]?(?:access[ _-]?)?key(?:_base)?|[_-]?(?:hash|data|prod|dev|staging|test|\d{1,2}))?"
    r"(?![a-z0-9])[\\\"'`*\])]{0,8}"
    r"(?:\s(?:for|of|on|to|in|für|von|pour|de)\s[^\n:=]{1,40}?)??\s{0,4}"
    r"(?::=|=>|->|→|==|[:：=>]|\s(?:is|was|ist|war|lautet|est|es|to|هي|هو)\s|は|(?<=\s)(?=[\"'`]))"
    rf"[\s\u200e\u200f]{{0,4}}{_VALUE}",
    re.IGNORECASE,
)
_GIVEN = re.compile(  # on a command line, in .netrc, redis.conf and SQL
    r"(?:(?<!\S)--?(?:[a-z0-9]{1,20}-){0,4}(?:password|passwd|pass|secret|token|api-key)\s{1,3}"
    r"|\b(?:login|user|account)\s{1,4}\S{1,100}\s{1,8}password\s{1,4}"
    r"|\b(?:requirepass|identified\s{1,3}by)\s{1,3}"
    r"|\b(?:sshpass|mysql|mysqldump|mariadb|redis-cli|docker\s{1,2}login)\b[^\n|;]{0,200}?\s-[pa]\s?"
    r"|\bcurl\b[^\n|;]{0,200}?\s(?:-u|--user)[\s=]{0,2}[\"']?[^\s:\"']{1,100}:)"
    rf"{_VALUE}",
    re.IGNORECASE,
)
_BARE = re.compile(r"(?<![A-Za-z0-9/+_=.-])[A-Za-z0-9/+_-]{40}(?![A-Za-z0-9/+_=-]|\.\w)")
_STANDS_FOR_ANOTHER = re.compile(
    r"[$%#@&!*:]{0,2}[{(\[]|\$\w+$|%\w+%$|[A-Za-z_][\w.:]*[(\[]"  # ${X}, {{ x }}, get_password(
    r"|(?:process|os|env|self|this|config|settings|secrets?|vars?|data|module|args|options)\."
    r"|[a-z+]{2,10}://|[.~]{0,2}(?:/[A-Za-z][\w.-]*){2,}$|v?\d+(?:\.\d+)+\w*$|\d{4}-\d\d-\d\d"
    r"|(?i:(?:sha|md|aes|rsa|ed|utf|base|oauth|hs|rs|es|pbkdf|argon|bcrypt|scrypt)-?\d{1,3}$)"
    r"|(?i:.{0,40}(?:your|example|placeholder|change_?-?me|redacted|dummy|x{4}|\*{3}|\.{3}))"
)
_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|\d+|[^\w./:-]")
_HEX = re.compile(r"(?=\D*\d)(?:[0-9a-f-]{20,}|[0-9A-F-]{20,})")
_NAME_IN_CODE = re.compile(r"[A-Za-z_]\w*(?:\.\w+)*(?<!\d{3})")


def _token_or_password(found: re.Match[str]) -> str:
    """The password in an address, or a token that stands where its user does."""
    value = found["value"]
    known_as = found["user"] is not None or (len(value) >= 20 and _is_random(value))
    tells_nothing = value in {"pass", "password"} or _STANDS_FOR_ANOTHER.match(value)
    return value if known_as and not tells_nothing else ""


def _in_header(found: re.Match[str]) -> str:
    value = found["value"]
    return value if _is_random(value) or _is_user_and_password(value) else ""


def _is_user_and_password(value: str) -> bool:
    """Base64 of `user:password`, as basic authentication has it."""
    try:
        plain = base64.b64decode(value.rstrip("=") + "=" * (-len(value.rstrip("=")) % 4)).decode()
    except (binascii.Error, ValueError):
        return False
    return ":" in plain and plain.isprintable()


def _assigned(found: re.Match[str]) -> str:
    """Only values that look made, or chosen where people choose: `password = get_password` stays."""
    value = found["value"]
    if _STANDS_FOR_ANOTHER.match(value):
        return ""
    between = found.string[found.start() : found.start("value")]
    is_code = " =" in between and not found["quote"] and _NAME_IN_CODE.fullmatch(value)
    chosen = bool(found["chosen"]) and not is_code and _is_chosen(value)
    return value if chosen or _is_random(value) else ""


def _given(found: re.Match[str]) -> str:
    value = found["value"]
    stays = _STANDS_FOR_ANOTHER.match(value) or not (_is_chosen(value) or _is_random(value))
    return "" if stays else value


def _bare(found: re.Match[str]) -> str:
    """Forty characters of every class, as an AWS secret or a Cloudflare token has; no SHA-1 has."""
    value = found.group()
    classes = (str.isupper, str.islower, str.isdigit)
    made = all(any(map(is_one, value)) for is_one in classes) and _is_random(value)
    return value if made else ""


def _is_chosen(value: str) -> bool:
    """Letters with digits or, in mixed case, with signs; words alone are taken for words."""
    if value.isdigit():
        return len(value) >= 6
    inside = value.strip("-_.:/!?*&@$%#=+~|\\()[]{}")
    signs = re.search(r"[A-Za-z0-9][^\w./:|()\[\]=-]+[A-Za-z0-9]", inside)
    digits = any(map(str.isdigit, inside)) and any(map(str.isalpha, inside))
    return digits or bool(signs and inside.lower() != inside != inside.upper())


def _is_random(value: str) -> bool:
    """Long, of many characters, and changing between classes of them more often than words do.

    Runs of one class average 1.7 characters in random base 62, 2.1 in hexadecimal, 2.5 in base 36,
    and over 3.5 in names as code has them.
    """
    if len(value) < 12 or len(set(value)) < 6:
        return False
    if _HEX.fullmatch(value):
        return True
    run = len(value) / max(1, len(_WORDS.findall(value)))
    return run <= 3.2 if any(map(str.isdigit, value)) else run <= 3 and len(value) >= 24


def _secret(
    pattern: re.Pattern[str], hints: tuple[str, ...], value: Value = re.Match.group
) -> Rule:
    return Rule(kind="secret", pattern=pattern, hints=hints, value=value)


_ISSUED_HINTS = tuple(prefix.lower() for prefix in _PREFIXES) + tuple(_SHAPES)
_ASSIGNED_HINTS = (
    "pass", "pwd", "pw", "kennwort", "contraseña", "senha", "пароль", "パスワード", "密码", "비밀번호",
    "كلمة", "secret", "token", "auth", "credential", "sig", "key", "トークン", "رمز",
)  # fmt: skip
_GIVEN_HINTS = (
    "pass",
    "token",
    "secret",
    "api-key",
    "identified",
    "mysql",
    "maria",
    "redis",
    "docker",
    "curl",
)
SECRETS = (
    _secret(_PEM, ("-----begin",)),
    _secret(_ISSUED, _ISSUED_HINTS),
    _secret(_DISCORD, (".",)),
    _secret(_IN_URL, ("://",), _token_or_password),
    _secret(_HEADER, ("bearer", "basic", "authorization"), _in_header),
    _secret(_ASSIGNED, _ASSIGNED_HINTS, _assigned),
    _secret(_GIVEN, _GIVEN_HINTS, _given),
    _secret(_BARE, ("aws", "secret", "key", "token", "credential"), _bare),
)
