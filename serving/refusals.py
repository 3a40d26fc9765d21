"""Why the gateway's door refuses a request, each reason with its HTTP status and the kind that OpenAI's clients know."""

from __future__ import annotations

from typing import ClassVar

from lorekeeper.errors import LorekeeperError


class Refusal(LorekeeperError):
    """The request is not taken; nothing was done."""

    status: ClassVar[int] = 400
    kind: ClassVar[str] = "invalid_request_error"
    reason: ClassVar[str] = "invalid"
    """The label that `/metrics` counts it under."""
    retry_after: float = 0.0  # seconds after which it may be taken; 0: not for waiting


class UnknownKey(Refusal):
    """No key, where one is needed, or one that opens nothing."""

    status = 401
    kind = "authentication_error"
    reason = "key"


class MissingScope(Refusal):
    """The key is known, and may not do this."""

    status = 403
    kind = "permission_error"
    reason = "scope"


class TooLarge(Refusal):
    """The body is longer than any request has to be."""

    status = 413
    reason = "size"


class TooSlow(Refusal):
    """The body did not come to its end."""

    status = 408
    reason = "slow"


class Unavailable(Refusal):
    """This installation has no such part."""

    status = 501
    reason = "part"


class Busy(Refusal):
    """It may be taken later: the key's rate is used up, or too many wait."""

    status = 429
    kind = "rate_limit_error"
    reason = "rate"

    def __init__(self, what: str, *, fix: str, retry_after: float) -> None:
        super().__init__(what, fix=fix)
        self.retry_after = retry_after


class QueueFull(Busy):
    """Too many questions wait already, of everyone or of this person."""

    reason = "queue"
