"""Chance in; addresses, numbers and mentions of people and hosts as chat has them, out."""

from __future__ import annotations

import string
from ipaddress import IPv4Address, IPv6Address
from random import Random

from bench.labelled.keys import UPPER, Made, Maker, run

_FIRST = ("ann", "jörg", "Maria", "li.wei", "o.brien", "k_sato", "dev+test", "x1")
_DOMAINS = ("example.com", "mail.example.co.uk", "acme-corp.io", "müller.de", "uni-bonn.example.de")


def _mail(chance: Random) -> str:
    return f"{chance.choice(_FIRST)}{chance.randrange(100)}@{chance.choice(_DOMAINS)}"


def _plain_mail(chance: Random) -> Made:
    value = _mail(chance)
    return value, value


def _slack_mail(chance: Random) -> Made:
    value = _mail(chance)
    return f"<mailto:{value}|{chance.choice((value, 'write me'))}>", value


def _linked_mail(chance: Random) -> Made:
    value = _mail(chance)
    return f"[{value}](mailto:{value})", value


def _number(pattern: str) -> Maker:
    """`#` is any digit, `*` one from 2 to 9."""

    def make(chance: Random) -> Made:
        digits = {"#": string.digits, "*": "23456789"}
        value = "".join(chance.choice(digits.get(c, c)) for c in pattern)
        return value, value

    return make


def _told(pattern: str, *ways: str) -> Maker:
    number = _number(pattern)

    def make(chance: Random) -> Made:
        value, _ = number(chance)
        return chance.choice(ways).replace("{}", value), value

    return make


def _card(begins: str, length: int, *groups: int) -> Maker:
    """A number with the right last digit (Luhn, ISO/IEC 7812-1), in groups as on the card."""

    def make(chance: Random) -> Made:
        body = begins + run(chance, string.digits, length - len(begins) - 1)
        doubled = [int(d) * (2 if i % 2 == 0 else 1) for i, d in enumerate(reversed(body))]
        value = body + str(-sum(d // 10 + d % 10 for d in doubled) % 10)
        apart, parts = chance.choice(("", " ", "-")), []
        for size in groups:
            parts.append(value[:size])
            value = value[size:]
        written = apart.join(parts)
        return written, written

    return make


def _host(chance: Random) -> Made:
    first = chance.choice((10, 172, 192, chance.randrange(31, 223)))
    rest = {172: f"{chance.randrange(16, 32)}.", 192: "168."}.get(
        first, f"{chance.randrange(100, 256)}."
    )
    value = f"{first}.{rest}{chance.randrange(256)}.{chance.randrange(1, 255)}"
    return value, str(IPv4Address(value))


def _host_named(chance: Random) -> Made:
    value = str(IPv4Address(chance.randrange(0x10000000, 0x7EFFFFFF)))
    ways = (
        "ssh root@{}",
        "http://{}:8080/health",
        "ping {}",
        "the server is {}",
        "{}:443",
        "{}/24",
    )
    return chance.choice(ways).replace("{}", value), value


def _host_six(chance: Random) -> Made:
    high = chance.choice((0x20010DB8, 0x2A001450, 0xFE800000, 0xFD123456)) << 96
    low = chance.choice((chance.getrandbits(64), chance.randrange(1, 65536)))
    value = str(IPv6Address(high | low))
    return chance.choice((value, f"[{value}]:443", f"{value}/64")), value


def _mention(chance: Random) -> Made:
    value = chance.choice("UW") + run(chance, UPPER, chance.choice((8, 10)))
    return f"<@{value}>", value


def _named_mention(chance: Random) -> Made:
    value = "U" + run(chance, UPPER, 10)
    name = f"{chance.choice(_FIRST)}{chance.randrange(100)}"
    return f"<@{value}|{name}>", name


PERSONAL: dict[str, dict[str, Maker]] = {
    "email": {"plain": _plain_mail, "Slack's markup": _slack_mail, "Markdown": _linked_mail},
    "phone": {
        "US, abroad": _number("+1 415 5*# ####"),
        "US, brackets": _number("(415) 5*#-####"),
        "US, dashes": _number("212-5*#-####"),
        "US, called": _told("650 5*# ####", "call me at {}", "phone: {}", "my cell is {}"),
        "UK, abroad": _number("+44 20 7946 0###"),
        "UK, called": _told("020 7946 0###", "tel: {}", "mobile {}"),
        "Germany, abroad": _number("+49 (0)30 9018 2###"),
        "Germany, 00": _number("0049 30 901820##"),
        "Germany, called": _told("030 901820##", "Tel. {}", "Telefon: {}", "ruf mich an: {}"),
        "France, abroad": _number("+33 6 12 34 ## ##"),
        "France, called": _told("06 12 34 ## ##", "téléphone : {}", "appelle-moi au {}"),
        "Japan, mobile": _number("090-1*##-####"),
        "Japan, abroad": _number("+81-3-3*##-####"),
        "India, abroad": _number("+91 98*## #####"),
        "Egypt, abroad": _number("+20 100 *## ####"),
        "Saudi Arabia, called": _told("050 *## ####", "هاتف: {}", "اتصل بي على {}"),
        "one run": _number("+49151*#######"),
        "link": _told("+1415555*###", "<tel:{}|call>", "tel:{}"),
    },
    "card": {
        "Visa": _card("4", 16, 4, 4, 4, 4),
        "Mastercard": _card("53", 16, 4, 4, 4, 4),
        "Amex": _card("37", 15, 4, 6, 5),
        "Discover": _card("6011", 16, 4, 4, 4, 4),
    },
    "ip": {"IPv4": _host, "IPv4, named": _host_named, "IPv6": _host_six},
    "person": {"mention": _mention, "mention with name": _named_mention},
}  # fmt: skip
