"""Text in; e-mail addresses, card numbers, addresses of hosts, phone numbers and people out."""

from __future__ import annotations

import ipaddress
import re

import phonenumbers

from lorekeeper.redact.rule import Rule

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
_DIGITS = tuple("0123456789")


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


PERSONAL = (
    Rule(kind="email", pattern=_MAILTO, hints=("<mailto:",), value=_mail),
    Rule(kind="email", pattern=_EMAIL, hints=("@",), value=_mail),
    Rule(kind="card", pattern=_CARD, hints=_DIGITS, value=_card),
    Rule(kind="ip", pattern=_IPV4, hints=(".",), value=_ipv4),
    Rule(kind="ip", pattern=_IPV6, hints=(":",), value=_ipv6),
    Rule(kind="phone", pattern=_PHONE, hints=("+", "(", "00", "-", "."), value=_phone),
    Rule(kind="phone", pattern=_PHONE_CALLED, hints=_CALLED, value=_phone),
)
PERSON = Rule(kind="person", pattern=_MENTION, hints=("<@",), value=_person)
