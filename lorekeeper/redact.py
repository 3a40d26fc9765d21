"""Text from chat in; the same text with secrets and personal data as typed placeholders, out.

A rule is asked only where one of its hints stands in the text, and each pattern either looks a
bounded distance from where it began or consumes what it saw: matching takes linear time.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import phonenumbers

PLACEHOLDER = re.compile(r"\[(?:secret|email|phone|card|ip|person) \d+\]")
# What no rule looks into: public keys and certificates are full of what looks like secrets.
_CLOSED = re.compile(
    rf"({PLACEHOLDER.pattern}"
    r"|-----BEGIN (?:CERTIFICATE|(?:[A-Z0-9]{2,8} )?PUBLIC KEY(?: BLOCK)?)-----"
    r"[A-Za-z0-9+/=\s\\]*+-----END [A-Z0-9 ]{1,30}-----)"
)
_PASSES = 8  # what is removed may lay something else bare; a second pass is rare, a third unseen


@dataclass(frozen=True, slots=True, kw_only=True)
class Redacted:
    """The text that may be stored, and the kinds of what was removed, one entry each."""

    text: str
    kinds: tuple[str, ...] = ()


@dataclass(slots=True)
class Placeholders:
    """What stands for what; shared by a thread, so that the same person is the same placeholder."""

    names: dict[tuple[str, str], str] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)

    def name(self, kind: str, value: str) -> str:
        key = kind, value
        if key not in self.names:
            self.counts[kind] += 1
            self.names[key] = f"[{kind} {self.counts[kind]}]"
        return self.names[key]


def redact(text: str, known: Placeholders | None = None, *, people: bool = True) -> Redacted:
    """Replace secrets, e-mail addresses, phone and card numbers, addresses of hosts, and people.

    `people=False` keeps mentions (`<@U…>`, ids without a name), which say who answers whom.
    """
    known = known if known is not None else Placeholders()
    kinds: list[str] = []

    def replace(kind: str, value: str) -> str:
        kinds.append(kind)
        return known.name(kind, value)

    rules = (*_SECRETS, *_PERSONAL, _PERSON) if people else (*_SECRETS, *_PERSONAL)
    return Redacted(text=_without(text, rules, replace), kinds=tuple(kinds))


def secrets(text: str) -> str:
    """The text without secrets, for logs."""
    return _without(text, _SECRETS, lambda kind, value: "[secret]")


Replace = Callable[[str, str], str]
Value = Callable[[re.Match[str]], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rule:
    """What may be of a kind. The pattern's group `value`, where it has one, is what is removed."""

    kind: str
    pattern: re.Pattern[str]
    hints: tuple[str, ...]  # lower case; a text with none of them holds nothing of the kind
    value: Value  # one name for it; empty: it is none


def _without(text: str, rules: tuple[_Rule, ...], replace: Replace) -> str:
    """The same again until nothing is found, so that redacting what was redacted changes nothing."""
    for _ in range(_PASSES):
        lower = text.lower()
        asked = [rule for rule in rules if any(hint in lower for hint in rule.hints)]
        pieces = _CLOSED.split(text) if "[" in text or "-----" in text else [text]
        for rule in asked:
            pieces = _cut(pieces, rule, replace)
        before, text = text, "".join(pieces)
        if text == before:
            break
    return text


def _cut(pieces: list[str], rule: _Rule, replace: Replace) -> list[str]:
    """Pieces in, every second one closed; the same, with what the rule found closed as well, out."""
    cut: list[str] = []
    for number, piece in enumerate(pieces):
        at = 0
        if number % 2 == 0:
            for start, end, value in _found(piece, rule):
                cut += [piece[at:start], replace(rule.kind, value)]
                at = end
        cut.append(piece[at:])
    return cut


def _found(text: str, rule: _Rule) -> Iterator[tuple[int, int, str]]:
    group = "value" if "value" in rule.pattern.groupindex else 0
    found = rule.pattern.search(text)
    while found:
        value = rule.value(found)
        space = -1 if value or rule.kind != "phone" else found.group(group).rfind(" ")
        if space > 0 and (shorter := _up_to(found, found.start(group) + space)):
            found = shorter
            continue
        if value:
            yield *found.span(group), value
        # A value that is none may end in the name of the next: `password: token: …`.
        refused = max(found.start() + 1, found.start(group), found.end() - _NAME_LENGTH)
        found = rule.pattern.search(text, found.end(group) if value else refused)


def _up_to(found: re.Match[str], end: int) -> re.Match[str] | None:
    """Found again without its last group: `+44 20 7946 0958 10 am` is a number and a time."""
    return found.re.match(found.string, found.start(), end)


_NAME_LENGTH = 40

# Formats that their issuers document: a prefix and a run of any length that is no word and no
# placeholder, that is, with a capital or a digit, and not one character again and again.
_PREFIXES = (  # noqa: SIM905, as a list it would be ninety lines
    "ghp_ gho_ ghu_ ghs_ ghr_ github_pat_ "  # GitHub
    "glpat- gldt- glrt- glcbt- glptt- glft- glsoat- glagent- glimt- gloas- "  # GitLab
    "xoxa- xoxb- xoxe- xoxe.xoxp- xoxo- xoxp- xoxr- xoxs- xapp- xwfp- "  # Slack
    "sk-ant- sk-proj- sk-svcacct- sk-admin- sk-or-v1- sk-lf- gsk_ xai- pplx- r8_ "  # models
    "sk_live_ sk_test_ rk_live_ rk_test_ whsec_ sq0csp- sq0atp- shpat_ shpca_ shppa_ shpss_ "  # shops
    "AIza ya29. GOCSPX- dop_v1_ doo_v1_ dor_v1_ HRKU- cfut_ cfat_ cfk_ fo1_ fm2_ tskey- "  # hosts
    "npm_ pypi- rubygems_ dckr_pat_ "  # registries
    "hvs. hvb. hvr. dp.pt. dp.st. pul- ops_eyJ AGE-SECRET-KEY-1 CCIPAT_ "  # vaults, pipelines
    "lin_api_ ntn_ figd_ ATATT3 ATCTT3 PMAK- NRAK- glsa_ glc_ sntrys_ sntryu_ phx_ xkeysib- "
    "sbp_ sb_secret_ pscale_tkn_ pscale_pw_"
).split()
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

_MAILTO = re.compile(r"<mailto:(?P<mail>[^<>|\s]{1,200})(?:\|[^<>]{0,200})?>")
_EMAIL = re.compile(
    r"(?<![A-Za-z0-9À-ɏ._%+-])(?<!://)(?P<mail>(?!git@[\w.-]{1,80}:)[A-Za-z0-9À-ɏ._%+-]{1,64}"
    r"@(?!\d{1,2}x\.)(?:[A-Za-z0-9À-ɏ-]{1,63}\.){1,8}[A-Za-z]{2,24})(?![A-Za-z0-9])"
)
# In one run, or in groups as on a card.
_CARD = re.compile(
    r"(?<![A-Za-z0-9_.])(?<!\d-)(?:\d{13,19}|\d{4}([ -])\d{4}\1\d{4}\1\d{1,4}(?:\1\d{1,3})?|\d{4}([ -])\d{6}\2\d{4,5})"
    r"(?![A-Za-z0-9_]|[.-]\d)"
)
# How the numbers of the large networks begin, by their length (ISO/IEC 7812).
_CARD_BEGINS = {
    13: r"4", 14: r"3(?:0[0-5]|[68])", 15: r"3[47]", 16: r"4|5[1-5]|2[2-7]|6(?:011|5|4[4-9]|2)|35|5[06-8]",
    18: r"62|6[37]", 19: r"4|6(?:011|5|2|3|7)",
}  # fmt: skip
_IPV4 = re.compile(
    r"(?<![A-Za-z0-9_.])(?<![A-Za-z_]-)(?:\d{1,3}\.){3}\d{1,3}(?![A-Za-z0-9_]|-[A-Za-z]|\.\d)",
    re.ASCII,
)
_IPV6 = re.compile(
    r"(?<![A-Za-z0-9_:.])[0-9A-Fa-f]{4}:(?:[0-9A-Fa-f]{0,4}:){1,6}[0-9A-Fa-f]{0,4}(?![A-Za-z0-9_:])"
)
_VERSION_BEFORE = re.compile(
    r"(?:\bv|\bver\.?|version\w*|release|build|need|have|[=<>~]=|\^|~)[\W_]{0,4}$", re.IGNORECASE
)
_HOST_BEFORE = re.compile(
    r"\b(?:ips?|ipv4|addr\w*|adresse|hosts?|ssh|ping|servers?|connect\w*|listen\w*|nslookup|subnet|"
    r"gateway|proxy|vpn|port)\b[^\n]{0,20}$|(?:@|//)$",
    re.IGNORECASE,
)
_HANDED_OUT = tuple(map(ipaddress.ip_network, ("2000::/3", "fc00::/7", "fe80::/10")))
_MENTION = re.compile(r"<@([UW][A-Z0-9]{2,20})(?:\|[^<>]{0,80})?>")
_CALLED = (
    "tel", "phone", "call", "mobile", "cell", "fax", "whatsapp", "handy", "mobil", "ruf", "nummer",
    "téléphone", "appel", "teléfono", "llama", "電話", "携帯", "هاتف", "جوال", "اتصل",
)  # fmt: skip
_GROUPED = r"\d[\d ().\-/\xa0]{5,22}\d"
_PHONE = re.compile(
    rf"(?:(?<![\w+.])|(?<=tel:))(?:(?P<abroad>(?:\+|00(?=[1-9]))\(?{_GROUPED})"
    r"|\(\d{2,5}\)[ -]?\d[\d -]{3,11}\d|\d{3}([-.])\d{3}\2\d{4}|0[789]0-\d{4}-\d{4})(?![\w])"
)
_PHONE_CALLED = re.compile(
    rf"(?:{'|'.join(_CALLED)})[^\d\n+(]{{0,40}}(?P<value>[+(]?{_GROUPED})(?![\w])", re.IGNORECASE
)
_REGIONS = (
    "US",
    "GB",
    "DE",
    "FR",
    "JP",
    "IN",
    "EG",
    "SA",
    "AE",
    "ES",
    "IT",
    "BR",
    "CN",
    "NL",
    "CH",
)


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


def _mail(found: re.Match[str]) -> str:
    return found["mail"].lower()


def _card(found: re.Match[str]) -> str:
    """A network's beginning and length, and Luhn's check."""
    number = re.sub(r"\D", "", found.group())
    begins = _CARD_BEGINS.get(len(number))
    if not begins or not re.match(begins, number) or len(set(number)) == 1:
        return ""
    digits = [int(digit) for digit in reversed(number)]
    doubled = [
        digit if i % 2 == 0 else sum(divmod(2 * digit, 10)) for i, digit in enumerate(digits)
    ]
    return number if sum(doubled) % 10 == 0 else ""


def _ipv4(found: re.Match[str]) -> str:
    """Addresses of hosts; `6.12.0.3` is a version or a section unless something says otherwise."""
    try:
        address = ipaddress.IPv4Address(found.group())
    except ValueError:
        return ""
    parts = address.packed
    if address.is_loopback or address.is_link_local or len(set(parts)) == 1 or parts[0] in {0, 255}:
        return (
            ""  # a loopback, a mask, a cloud's metadata, a resolver such as 8.8.8.8: nobody's host
        )
    before = found.string[max(0, found.start() - 40) : found.start()]
    if _VERSION_BEFORE.search(before):
        return ""
    is_host = _HOST_BEFORE.search(before) or re.match(
        r":\d{2,5}\b|/\d", found.string[found.end() :][:6]
    )
    return str(address) if is_host or address.is_private or max(parts) > 99 else ""


def _ipv6(found: re.Match[str]) -> str:
    """Addresses from the space that IANA has handed out; `dead::beef` is somebody's scope."""
    try:
        address = ipaddress.IPv6Address(found.group())
    except ValueError:
        return ""
    return str(address) if any(address in network for network in _HANDED_OUT) else ""


def _phone(found: re.Match[str]) -> str:
    """Numbers written as phone numbers are; bare digits in code and logs are left alone."""
    called = "value" in found.re.groupindex
    written = found["value"] if called else found.group()
    if re.match(r"\d{4}-\d\d-\d\d|\d{1,2}\.\d{1,2}\.\d{4}", written):
        return ""
    if written.startswith(("+", "00")):
        return _phone_in(re.sub(r"^00", "+", written), None)
    if not 8 <= sum(map(str.isdigit, written)) <= 13:  # spares asking every region
        return ""
    return next(filter(None, (_phone_in(written, region) for region in _REGIONS)), "")


def _phone_in(written: str, region: str | None) -> str:
    try:
        number = phonenumbers.parse(written, region)
    except phonenumbers.NumberParseException:
        return ""
    grouped = region is None and re.search(r"[ ().-]", written)
    is_one = phonenumbers.is_valid_number(number) or (
        grouped and phonenumbers.is_possible_number(number)
    )
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164) if is_one else ""


def _person(found: re.Match[str]) -> str:
    return found.group(1)


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
_DIGITS = tuple("0123456789")


def _secret(
    pattern: re.Pattern[str], hints: tuple[str, ...], value: Value = re.Match.group
) -> _Rule:
    return _Rule(kind="secret", pattern=pattern, hints=hints, value=value)


_SECRETS = (
    _secret(_PEM, ("-----begin",)),
    _secret(_ISSUED, _ISSUED_HINTS),
    _secret(_DISCORD, (".",)),
    _secret(_IN_URL, ("://",), _token_or_password),
    _secret(_HEADER, ("bearer", "basic", "authorization"), _in_header),
    _secret(_ASSIGNED, _ASSIGNED_HINTS, _assigned),
    _secret(_GIVEN, _GIVEN_HINTS, _given),
    _secret(_BARE, ("aws", "secret", "key", "token", "credential"), _bare),
)
_PERSONAL = (
    _Rule(kind="email", pattern=_MAILTO, hints=("<mailto:",), value=_mail),
    _Rule(kind="email", pattern=_EMAIL, hints=("@",), value=_mail),
    _Rule(kind="card", pattern=_CARD, hints=_DIGITS, value=_card),
    _Rule(kind="ip", pattern=_IPV4, hints=(".",), value=_ipv4),
    _Rule(kind="ip", pattern=_IPV6, hints=(":",), value=_ipv6),
    _Rule(kind="phone", pattern=_PHONE, hints=("+", "(", "00", "-", "."), value=_phone),
    _Rule(kind="phone", pattern=_PHONE_CALLED, hints=_CALLED, value=_phone),
)
_PERSON = _Rule(kind="person", pattern=_MENTION, hints=("<@",), value=_person)
