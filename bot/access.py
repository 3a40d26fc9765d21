"""A person and a channel in; what the person may do, and which sources an answer there may quote, out."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, TypeVar

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from lorekeeper.domain import PUBLIC, Channel
from lorekeeper.errors import NotAllowed
from lorekeeper.settings import Bot

PEOPLE_KEPT = 300.0  # seconds; `user_change` drops a person sooner
MEMBERSHIP_KEPT = 60.0  # seconds; joining and leaving drop it sooner

T = TypeVar("T")


class Right(StrEnum):
    """What a role lets a person do, as it is said in a refusal."""

    CAPTURE = "save answers"
    REVIEW = "review saved answers"
    TRAIN = "start and cancel training"
    PROMOTE = "promote and roll back adapters"


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A Slack user, as far as rights go."""

    id: str
    is_member: bool  # a full member of this workspace: no guest, no app, nobody of another one

    @classmethod
    def unknown(cls, user: str) -> Person:
        """Whoever Slack does not tell us about counts as an outsider."""
        return cls(id=user, is_member=False)


def scopes(
    channel: Channel, person: Person, memberships: Iterable[str], *, alone: bool
) -> frozenset[str]:
    """What an answer may quote: never more than everyone who reads it there could open.

    Args:
        memberships: ids of the private conversations that both the person and the bot are in.
        alone: only the person reads the answer (a direct message, or an ephemeral one).
    """
    here = frozenset[str]() if channel.scope == PUBLIC else frozenset({channel.id})
    if not person.is_member:
        return here
    if alone:
        return here | {PUBLIC, *memberships}
    return here if channel.is_shared else here | {PUBLIC}


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
        person = self.person(user)
        memberships = self.memberships(user) if alone and person.is_member else frozenset()
        return scopes(channel, person, memberships, alone=alone)

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
        """Private conversations that the person and the bot are both in; empty if Slack won't say."""
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
            case Right.TRAIN:
                return trainers
            case Right.PROMOTE:
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
        return Person(id=user, is_member=is_ours and not any(found.get(flag) for flag in excluded))

    def _ask_for_group(self, group: str) -> frozenset[str]:
        try:
            return frozenset(self._client.usergroups_users_list(usergroup=group)["users"])
        except SlackApiError:
            return frozenset()

    def _ask_for_memberships(self, user: str) -> frozenset[str]:
        found: set[str] = set()
        cursor: str | None = None
        try:
            while True:
                page: Any = self._client.users_conversations(
                    user=user, types="private_channel,mpim", limit=200, cursor=cursor
                )
                found |= {channel["id"] for channel in page["channels"]}
                cursor = page.get("response_metadata", {}).get("next_cursor")
                if not cursor:
                    return frozenset(found)
        except SlackApiError:
            return frozenset()


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


def mention(id_: str) -> str:
    return f"<!subteam^{id_}>" if is_group(id_) else f"<@{id_}>"
