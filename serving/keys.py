"""An Authorization header in; who calls, what they may do and whether now, or a refusal that says how to get it, out."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy import Connection, Engine

from lorekeeper.domain import Key, KeyScope
from lorekeeper.errors import BadInput
from lorekeeper.store import keys, reading
from serving.refusals import Busy, MissingScope, UnknownKey

PREFIX = "lore_"  # by which redaction and scanners of secrets know a key
NO_KEY = frozenset({"", "none"})  # clients that insist on a key send "none"
FRESH = 1.0  # seconds after which a revoked key is refused at the latest
REMEMBERED = 10_000  # buckets: keys and addresses
BOT = "bot"
MINUTE = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who calls: a key, or an address without one."""

    name: str
    scopes: frozenset[KeyScope]
    per_minute: int  # 0: any number
    has_key: bool = True

    def need(self, scope: KeyScope) -> None:
        """Raises UnknownKey without a key, MissingScope with one that lacks this scope."""
        if scope in self.scopes:
            return
        if not self.has_key:
            raise UnknownKey(
                f"This needs a key with the scope {scope}, and none was sent.",
                fix=f"Send one as a bearer token; `lore keys add NAME --scopes {scope}` makes it.",
            )
        raise MissingScope(
            f"The key {self.name} lacks the scope {scope}; it has {_listed(self.scopes)}.",
            fix=f"Whoever runs the gateway makes one that has it: `lore keys add NAME --scopes {scope}`.",
        )


def issue(db: Connection, name: str, *, scopes: list[str], per_minute: int, by: str) -> str:
    """Make a key and store its hash. The key is returned, and cannot be had again.

    Raises:
        BadInput: a scope is unknown, or the name is empty.
        StaleDecision: a key of this name is in use.
    """
    if not name.strip() or name == BOT or len(name) > 64:
        raise BadInput(
            f"A key cannot be called {name[:70]!r}.",
            fix=f"Use up to 64 characters, and not {BOT}: that is LORE_SERVING__GATEWAY_KEY.",
        )
    # 256 random bits: no list of likely keys exists, so a fast hash without salt tells nothing.
    key = PREFIX + secrets.token_urlsafe(32)
    keys.add(
        db, name, key_hash=_hash(key), scopes=_scopes(scopes), per_minute=per_minute, by=by
    )  # fmt: skip
    return key


class Keyring:
    """The keys that are in use, and how much of its rate each has left."""

    def __init__(
        self,
        database: Engine,
        *,
        bot_key: str,
        keyless_per_minute: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._bot_hash = _hash(bot_key) if bot_key else ""
        self._keyless = keyless_per_minute
        self._clock = clock
        self._known: list[Key] = []
        self._looked_at = float("-inf")
        self._buckets = OrderedDict[str, _Bucket]()
        self._lock = threading.Lock()

    @property
    def is_open(self) -> bool:
        """Whether the bot itself comes without a key, so that whoever does may say who asks."""
        return not self._bot_hash

    @property
    def is_fresh(self) -> bool:
        return self._clock() - self._looked_at < FRESH

    def look(self) -> None:
        """Read the keys that are in use."""
        with reading(self._database) as db:
            self._known = keys.live(db)
        self._looked_at = self._clock()

    def caller(self, authorization: str, address: str) -> Caller:
        """Whose key this is.

        Raises:
            UnknownKey: it is nobody's, or none was sent and this gateway answers nobody without one.
        """
        given = authorization.removeprefix("Bearer ").strip()
        if given in NO_KEY:
            return self._without_key(address)
        hashed = _hash(given)
        if hmac.compare_digest(hashed, self._bot_hash):
            return Caller(name=BOT, scopes=frozenset(KeyScope), per_minute=0)
        # Every key is compared, whether or not one fitted: the time tells nothing.
        fitting = [key for key in self._known if hmac.compare_digest(hashed, key.hash)]
        if not fitting:
            raise UnknownKey(
                "This key is not known here, or was revoked.",
                fix="Send a key that `lore keys add` made, LORE_SERVING__GATEWAY_KEY, or none at all for public sources.",
            )
        key = fitting[0]
        return Caller(name=key.name, scopes=frozenset(key.scopes), per_minute=key.per_minute)

    def spend(self, caller: Caller) -> None:
        """Take one request from the caller's rate. Raises Busy when nothing of it is left."""
        if caller.per_minute == 0:
            return
        with self._lock:
            bucket = self._bucket(caller)
            wait = bucket.take(self._clock())
        if wait > 0:
            raise Busy(
                f"{caller.name} has used up its {caller.per_minute} requests a minute.",
                fix=f"Try again in {wait:.0f} s." if wait >= 1 else "Try again in a second.",
                retry_after=wait,
            )

    def _without_key(self, address: str) -> Caller:
        if self._keyless == 0:
            raise UnknownKey(
                "This gateway answers nobody without a key.",
                fix="Send one as a bearer token; `lore keys add NAME --scopes ask` makes it.",
            )
        return Caller(
            name=address,
            scopes=frozenset({KeyScope.ASK}),
            per_minute=self._keyless,
            has_key=False,
        )

    def _bucket(self, caller: Caller) -> _Bucket:
        name = f"{caller.has_key}:{caller.name}"
        bucket = self._buckets.pop(name, None)
        if bucket is None or bucket.per_minute != caller.per_minute:
            bucket = _Bucket(caller.per_minute, self._clock())
        self._buckets[name] = bucket  # the one used last stands last
        if len(self._buckets) > REMEMBERED:
            self._buckets.popitem(last=False)
        return bucket


@dataclass(slots=True)
class _Bucket:
    """A token bucket: it holds a minute's requests, and refills evenly."""

    per_minute: int
    at: float
    level: float = field(default=-1.0)

    def __post_init__(self) -> None:
        self.level = float(self.per_minute)

    def take(self, now: float) -> float:
        """0 when one was taken, else the seconds until there is one."""
        per_second = self.per_minute / MINUTE
        self.level = min(self.per_minute, self.level + (now - self.at) * per_second)
        self.at = now
        if self.level < 1:
            return (1 - self.level) / per_second
        self.level -= 1
        return 0.0


def _scopes(names: list[str]) -> list[KeyScope]:
    known = {scope.value: scope for scope in KeyScope}
    wanted = dict.fromkeys(name for text in names for name in text.replace(",", " ").split())
    for name in wanted:
        if name not in known:
            raise BadInput(f"There is no scope {name!r}.", fix=f"Choose of {', '.join(known)}.")
    if not wanted:
        raise BadInput("A key without a scope opens nothing.", fix=f"Choose of {', '.join(known)}.")
    return [known[name] for name in wanted]


def _listed(scopes: frozenset[KeyScope]) -> str:
    return ", ".join(sorted(scopes)) or "none"


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
