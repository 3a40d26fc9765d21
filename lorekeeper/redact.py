"""Text from chat in; the same text with secrets and personal data as typed placeholders, out.

Every pattern is anchored on a fixed prefix or a bounded run, so that matching takes linear time.
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import phonenumbers

PLACEHOLDER = re.compile(r"\[(?:secret|email|phone|card|ip|person) \d+\]")

# Formats that their issuers document or that secret scanners agree on: a fixed prefix, then a run.
_SECRETS = (
    r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}",  # AWS access key id
    r"gh[pousr]_[A-Za-z0-9]{36,251}",  # GitHub tokens
    r"github_pat_[A-Za-z0-9_]{60,255}",
    r"gl(?:pat|dt|rt|cbt|ptt|ft|soat|agent|imt)-[A-Za-z0-9_-]{20,64}",  # GitLab
    r"xox[abeoprs]-[A-Za-z0-9-]{10,250}",  # Slack
    r"xapp-\d-[A-Za-z0-9-]{10,250}",
    r"xwfp-[A-Za-z0-9-]{10,250}",
    r"https://hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9/_-]{20,200}",
    r"sk-ant-[A-Za-z0-9_-]{20,200}",  # Anthropic
    r"sk-(?:proj-|svcacct-|admin-)?[A-Za-z0-9_-]{20,200}",  # OpenAI
    r"AIza[A-Za-z0-9_-]{35}",  # Google API key
    r"ya29\.[A-Za-z0-9_-]{20,250}",
    r"GOCSPX-[A-Za-z0-9_-]{20,50}",
    r"(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{16,250}",  # Stripe
    r"whsec_[A-Za-z0-9]{20,100}",
    r"SK[0-9a-f]{32}",  # Twilio
    r"SG\.[A-Za-z0-9_-]{16,64}\.[A-Za-z0-9_-]{16,64}",  # SendGrid
    r"key-[0-9a-f]{32}",  # Mailgun
    r"npm_[A-Za-z0-9]{36}",
    r"pypi-[A-Za-z0-9_-]{50,250}",
    r"dop_v1_[0-9a-f]{64}",  # DigitalOcean
    r"hf_[A-Za-z0-9]{30,50}",  # Hugging Face
    r"hv[sbr]\.[A-Za-z0-9_-]{20,250}",  # HashiCorp Vault
    r"dapi[0-9a-f]{32}",  # Databricks
    r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}",  # Shopify
    r"lin_api_[A-Za-z0-9]{32,64}",  # Linear
    r"glsa_[A-Za-z0-9]{32}_[0-9a-f]{8}",  # Grafana
    r"NRAK-[A-Z0-9]{27}",  # New Relic
    r"\d{8,10}:AA[A-Za-z0-9_-]{33}",  # Telegram
    r"AGE-SECRET-KEY-1[A-Z0-9]{58}",
    r"eyJ[A-Za-z0-9_-]{10,2000}\.eyJ[A-Za-z0-9_-]{10,4000}\.[A-Za-z0-9_-]{10,1000}",  # JWT
)
_SECRET = re.compile(r"(?<![A-Za-z0-9_])(?:" + "|".join(_SECRETS) + r")(?![A-Za-z0-9])")
_PEM = re.compile(
    r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----"
    r"[A-Za-z0-9+/=\s:,.\\-]{0,16000}?-----END [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----"
)
_URL_PASSWORD = re.compile(r"(?<=://)[^\s/:@<>]{1,100}:([^\s/@<>]{1,200})(?=@)")
_ASSIGNED = re.compile(
    r"(?i)(?<![a-z0-9])(?:password|passwd|pwd|secret|secret[_-]?key|api[_-]?key|access[_-]?key|"
    r"auth[_-]?token|access[_-]?token|client[_-]?secret|private[_-]?key)"
    r"[\"']?\s{0,3}(?:=|:)\s{0,3}[\"']?([^\s\"'`,;<>()\[\]{}]{8,200})"
)
_BEARER = re.compile(r"(?i)(?<![a-z])bearer\s{1,3}([A-Za-z0-9._~+/=-]{20,2000})")
_EMAIL = re.compile(
    r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![A-Za-z0-9])"
)
_MAILTO = re.compile(r"<mailto:[^<>|\s]{1,200}(?:\|[^<>]{0,200})?>")
_CARD = re.compile(r"(?<![\d.-])\d(?:[ -]?\d){12,18}(?![\d.-]?\d)")
_IPV4 = re.compile(r"(?<![\w.-])(?:\d{1,3}\.){3}\d{1,3}(?![\w-]|\.\d)")
_IPV6 = re.compile(r"(?<![\w:.])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?![\w:])")
_MENTION = re.compile(r"<@([UW][A-Z0-9]{2,20})(?:\|[^<>]{0,80})?>")
_VERSION_BEFORE = re.compile(r"(?i)(?:v|version|release|==|>=|<=|~=|@)\s?$")
_PHONE_HINT = re.compile(r"\+\d|\(\d{2,4}\)\s?\d|\b(?:tel|phone|call|mobile|cell)\b", re.IGNORECASE)
_PHONE_LENGTH = 7  # digits; fewer are extensions and room numbers


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

    text = _without_secrets(text, replace)
    text = _MAILTO.sub(lambda found: replace("email", _mail_of(found.group())), text)
    text = _EMAIL.sub(lambda found: replace("email", found.group().lower()), text)
    text = _CARD.sub(lambda found: _card(found, replace), text)
    text = _IPV4.sub(lambda found: _address(found, replace), text)
    text = _IPV6.sub(lambda found: _address(found, replace), text)
    text = _phones(text, replace)
    if people:
        text = _MENTION.sub(lambda found: replace("person", found.group(1)), text)
    return Redacted(text=text, kinds=tuple(kinds))


def secrets(text: str) -> str:
    """The text without secrets, for logs."""
    return _without_secrets(text, lambda kind, value: "[secret]")


Replace = Callable[[str, str], str]


def _without_secrets(text: str, replace: Replace) -> str:
    text = _PEM.sub(lambda found: replace("secret", found.group()), text)
    text = _SECRET.sub(lambda found: replace("secret", found.group()), text)
    text = _URL_PASSWORD.sub(lambda found: _group(found, replace), text)
    text = _BEARER.sub(lambda found: _group(found, replace), text)
    return _ASSIGNED.sub(lambda found: _assigned(found, replace), text)


def _group(found: re.Match[str], replace: Replace) -> str:
    value = found.group(1)
    if PLACEHOLDER.fullmatch(value) or value.startswith("[secret"):
        return found.group()
    start, end = found.start(1) - found.start(), found.end(1) - found.start()
    return found.group()[:start] + replace("secret", value) + found.group()[end:]


def _assigned(found: re.Match[str], replace: Replace) -> str:
    """Only values that look made, not chosen words or code: `password = get_password` stays."""
    return _group(found, replace) if _looks_random(found.group(1)) else found.group()


def _looks_random(value: str) -> bool:
    classes = sum(
        bool(re.search(pattern, value)) for pattern in (r"[a-z]", r"[A-Z]", r"\d", r"[^\w]")
    )
    return classes >= 2 and bool(re.search(r"\d", value)) and _entropy(value) >= 2.5


def _entropy(value: str) -> float:
    """Shannon entropy in bits per character."""
    counts = Counter(value).values()
    return -sum(n / len(value) * math.log2(n / len(value)) for n in counts)


def _mail_of(link: str) -> str:
    return link.removeprefix("<mailto:").rstrip(">").split("|")[0].lower()


def _card(found: re.Match[str], replace: Replace) -> str:
    """Thirteen to nineteen digits that pass Luhn's check and begin as a card's do."""
    digits = [int(c) for c in found.group() if c.isdigit()]
    doubled = [d if i % 2 == 0 else sum(divmod(2 * d, 10)) for i, d in enumerate(reversed(digits))]
    is_card = digits[0] in {2, 3, 4, 5, 6} and sum(doubled) % 10 == 0 and len(set(digits)) > 1
    return replace("card", "".join(map(str, digits))) if is_card else found.group()


def _address(found: re.Match[str], replace: Replace) -> str:
    """Addresses of hosts; a version, a loopback or an unspecified address tells nothing about one."""
    value = found.group()
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        return value
    before = found.string[max(0, found.start() - 10) : found.start()]
    tells_nothing = address.is_loopback or address.is_unspecified
    if tells_nothing or _VERSION_BEFORE.search(before) or _is_number_of_something(address):
        return value
    return replace("ip", str(address))


def _is_number_of_something(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """`6.12.0.3` is a version or a section; `::1a` is a slice of a dump. Both are also addresses."""
    if isinstance(address, ipaddress.IPv6Address):
        return len(address.compressed) < 6
    return not address.is_private and max(address.packed) <= 30


def _phones(text: str, replace: Replace) -> str:
    """Numbers written as phone numbers are; bare digits in code and logs are left alone."""
    if not _PHONE_HINT.search(text):
        return text
    parts: list[str] = []
    at = 0
    for found in phonenumbers.PhoneNumberMatcher(text, "US"):
        raw = found.raw_string
        marked = raw.startswith(("+", "(")) or re.search(
            r"(?i)(?:tel|phone|call|mobile|cell)\W{0,12}(?:\w{1,10}\W{1,3}){0,3}$",
            text[max(0, found.start - 60) : found.start],
        )
        if marked and sum(c.isdigit() for c in raw) >= _PHONE_LENGTH:
            number = phonenumbers.format_number(found.number, phonenumbers.PhoneNumberFormat.E164)
            parts += [text[at : found.start], replace("phone", number)]
            at = found.end
    return "".join([*parts, text[at:]])
