"""What can go wrong in a way that a person can fix: each error says what happened and what to do."""

from __future__ import annotations


class LorekeeperError(Exception):
    """Something stopped the work, and a person can do something about it.

    `what` says what happened, with the value; `fix` says what to do next. Both are shown, in the
    terminal and in Slack, to whoever asked. Neither may hold a secret.
    """

    def __init__(self, what: str, *, fix: str) -> None:
        super().__init__(f"{what} {fix}")
        self.what = what
        self.fix = fix

    def __reduce__(self) -> tuple[object, ...]:
        return _revive, (type(self), self.what, self.fix)


def _revive(kind: type[LorekeeperError], what: str, fix: str) -> LorekeeperError:
    return kind(what, fix=fix)


class BadInput(LorekeeperError):
    """A file, an option or a message cannot be used as it is."""


class NotFound(LorekeeperError):
    """What was named does not exist."""


class NotAllowed(LorekeeperError):
    """The person's role does not include this."""


class StaleDecision(LorekeeperError):
    """Someone else moved it first."""


class AlreadyRunning(LorekeeperError):
    """Another process holds what this one needs."""


class LeaseLost(LorekeeperError):
    """This process no longer owns the work it was doing, and has stopped."""


class Cancelled(LorekeeperError):
    """A person asked for the work to stop."""


class MissingPart(LorekeeperError):
    """A package, a model or a program that this needs is not installed."""


class NotReachable(LorekeeperError):
    """Another service does not answer."""


class NoSpace(LorekeeperError):
    """The disk is full; what was half written has been removed."""
