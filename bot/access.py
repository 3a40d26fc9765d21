"""A person and a channel in; what the person may do, and which sources an answer there may quote, out."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, TypeVar

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.blocks.text import mention
from lorekeeper.domain import PUBLIC, Channel, public_of
from lorekeeper.errors import NotAllowed
from lorekeeper.settings import Bot

PEOPLE_KEPT = 300.0  # seconds; `user_change` drops a person sooner
PAGE = 200  # entries that Slack gives at once
MEMBERSHIP_KEPT = 60.0  # seconds; joining and leaving drop it sooner

T = TypeVar("T")


class Right(StrEnum):
    """What a role lets a person do, as it is said in a refusal."""

    CAPTURE = "save answers"
    REVIEW = "review saved answers"
    TRAIN = "start and cancel training"
    PROMOTE = "promote and roll back adapters"
    CONFIGURE = "change how I answer"
    COMPARE = "begin and close comparisons"


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A Slack user, as far as rights go."""

    id: str
    is_member: bool  # a full member of this workspace: no guest, no app, nobody of another one
    name: str = ""  # as the workspace shows it
    is_gone: bool = False  # deactivated, or nobody that Slack knows

    @classmethod
    def unknown(cls, user: str) -> Person:
        """Whoever Slack does not tell us about counts as an outsider."""
        return cls(id=user, is_member=False, is_gone=True)


def scopes(
    channel: Channel, person: Person, memberships: Iterable[str], *, alone: bool
) -> frozenset[str]:
    """What an answer may quote: never more than everyone who reads it there could open.

    Args:
        memberships: what both the person and the bot are in: of a member the private conversations, of
            a guest or somebody from another organisation the shared channels.
        alone: only the person reads the answer (a direct message, or an ephemeral one).
    """
    here = frozenset({_said_in(channel)})
    if not person.is_member:
        return frozenset(memberships) if alone else here if channel.is_shared else frozenset()
    if alone:
        return frozenset({PUBLIC, channel.scope, *memberships})
    return here if channel.is_shared else frozenset({PUBLIC, channel.scope})


def _said_in(channel: Channel) -> str:
    """The scope of what was said in this very channel."""
    return public_of(channel.id) if channel.scope == PUBLIC else channel.id


class Access:
    """Who may do what, asked from Slack and remembered for a short while."""

    def __init__(
        self,
        client: WebClient,
        settings: Bot,
        *,
        team: str,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._settings = settings
        self._team = team
        self._people = Remembered[Person](PEOPLE_KEPT, now)
        self._groups = Remembered[frozenset[str]](PEOPLE_KEPT, now)
        self._memberships = Remembered[frozenset[str]](MEMBERSHIP_KEPT, now)

    def scopes_for(self, channel: Channel, user: str, *, alone: bool = False) -> frozenset[str]:
        """What may be quoted to this person in this channel; empty: nothing."""
        alone = alone or is_one_to_one(channel)
        memberships = self.memberships(user) if alone else frozenset()
        return scopes(channel, self.person(user), memberships, alone=alone)

    def still_in(self, user: str, channels: Iterable[str]) -> bool:
        """Whether the person is in all of these at this moment, as Slack says, not as was remembered.

        Where they are not, what was remembered of them is forgotten.
        """
        if all(user in self._ask_for_members(channel) for channel in channels):
            return True
        self.forget(user)
        return False

    def may_use_tuned_weights(self, channel: Channel, user: str) -> bool:
        """Weights hold what members said in public, and weights cannot be filtered by reader."""
        return self.person(user).is_member and not channel.is_shared

    def may_see(self, user: str, scope: str) -> bool:
        """Whether the person can open what was said under this scope."""
        person = self.person(user)
        return person.is_member and (scope == PUBLIC or scope in self.memberships(user))

    def may(self, user: str, right: Right, channel: str = "") -> bool:
        """Whether the person has the right: by the channel's own rules, where it has some."""
        if not self.person(user).is_member:
            return False
        allowed = self._allowed(right, channel)
        return not allowed or user in self._expand(allowed)

    def require(self, user: str, right: Right, channel: str = "") -> None:
        """Raises NotAllowed, with who may."""
        if self.may(user, right, channel):
            return
        if not self.person(user).is_member:
            raise NotAllowed(
                f"You cannot {right.value}: guests and people of other organisations may not.",
                fix="Ask a member of this workspace to do it.",
            )
        here = f" of <#{channel}>" if channel in self._settings.channels else ""
        raise NotAllowed(
            f"You cannot {right.value}{here}.",
            fix=f"These people can: {', '.join(map(mention, self._allowed(right, channel)))}.",
        )

    def person(self, user: str) -> Person:
        return self._people.get(user, lambda: self._ask_for_person(user))

    def memberships(self, user: str) -> frozenset[str]:
        """Scopes that the person sees beside the public one, through a channel that the bot is in, too;
        empty if Slack won't say."""
        return self._memberships.get(user, lambda: self._ask_for_memberships(user))

    def forget(self, user: str) -> None:
        """Something about the person changed: ask Slack again."""
        self._people.drop(user)
        self._memberships.drop(user)

    def forget_memberships(self) -> None:
        """Some channel changed, so that anybody's memberships may have."""
        self._memberships.clear()

    def may_review_somewhere(self, user: str) -> bool:
        """Whether the person reviews for the workspace or for one channel at least."""
        return any(
            self.may(user, Right.REVIEW, channel) for channel in ("", *self._settings.channels)
        )

    def _allowed(self, right: Right, channel: str) -> tuple[str, ...]:
        """Ids that have the right; a role above saving that nobody was named for is that of the role before."""
        rules = self._settings.rules(channel)
        trainers = rules.trainers or rules.reviewers
        match right:
            case Right.CAPTURE:
                return rules.capturers
            case Right.REVIEW:
                return rules.reviewers
            case Right.TRAIN | Right.COMPARE:
                return trainers
            case Right.PROMOTE | Right.CONFIGURE:
                return rules.promoters or trainers

    def _expand(self, ids: Iterable[str]) -> set[str]:
        people: set[str] = set()
        for one in ids:
            people |= self._members(one) if is_group(one) else {one}
        return people

    def _members(self, group: str) -> frozenset[str]:
        return self._groups.get(group, lambda: self._ask_for_group(group))

    def _ask_for_person(self, user: str) -> Person:
        try:
            found = self._client.users_info(user=user)["user"]
        except SlackApiError:
            return Person.unknown(user)
        excluded = ("deleted", "is_restricted", "is_ultra_restricted", "is_bot", "is_stranger")
        is_ours = found.get("team_id", self._team) == self._team
        profile = found.get("profile") or {}
        return Person(
            id=user,
            is_member=is_ours and not any(found.get(flag) for flag in excluded),
            name=profile.get("display_name") or found.get("real_name") or found.get("name") or "",
            is_gone=bool(found.get("deleted")),
        )

    def _ask_for_group(self, group: str) -> frozenset[str]:
        try:
            return frozenset(self._client.usergroups_users_list(usergroup=group)["users"])
        except SlackApiError:
            return frozenset()

    def _ask_for_memberships(self, user: str) -> frozenset[str]:
        is_member = self.person(user).is_member
        types = "private_channel,mpim" if is_member else "public_channel,private_channel"
        try:
            return frozenset(
                public_of(raw["id"]) if not raw.get("is_private") and not is_member else raw["id"]
                for raw in self._pages("users_conversations", "channels", user=user, types=types)
                if is_member or raw.get("is_ext_shared")
            )
        except SlackApiError:
            return frozenset()

    def _ask_for_members(self, channel: str) -> frozenset[str]:
        try:
            return frozenset(self._pages("conversations_members", "members", channel=channel))
        except SlackApiError:
            return frozenset()

    def _pages(self, method: str, what: str, **arguments: str) -> Iterator[Any]:
        cursor: str | None = None
        while True:
            page: Any = getattr(self._client, method)(limit=PAGE, cursor=cursor, **arguments)
            yield from page[what]
            cursor = (page.get("response_metadata") or {}).get("next_cursor")
            if not cursor:
                return


class Remembered(Generic[T]):
    """Values by key, each kept for some seconds."""

    def __init__(self, seconds: float, now: Callable[[], float]) -> None:
        self._seconds = seconds
        self._now = now
        self._kept: dict[str, tuple[float, T]] = {}
        self._drops = 0
        self._lock = threading.Lock()

    def get(self, key: str, ask: Callable[[], T]) -> T:
        """What is remembered, or what `ask` says."""
        with self._lock:
            kept = self._kept.get(key)
        if kept is not None and self._now() - kept[0] < self._seconds:
            return kept[1]
        asked_at, drops = self._now(), self._drops
        value = ask()
        with self._lock:
            if drops == self._drops:  # else it may have changed while we asked
                self._kept[key] = (asked_at, value)
        return value

    def drop(self, key: str) -> None:
        with self._lock:
            self._drops += 1
            self._kept.pop(key, None)

    def clear(self) -> None:
        with self._lock:
            self._drops += 1
            self._kept.clear()


def is_one_to_one(channel: Channel) -> bool:
    """A direct message between one person and the bot; Slack's ids of those begin with D."""
    return channel.is_direct and channel.id.startswith("D")


def is_group(id_: str) -> bool:
    return id_.startswith("S")
