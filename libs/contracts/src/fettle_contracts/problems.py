"""RFC 9457 problem details and the stable codes of the API's own refusals."""

from fettle_contracts.codes import Code
from fettle_contracts.message import Message

PROBLEM_TYPE = "application/problem+json"


class ProblemCode(Code):
    """Why the API refused a request. Refused ticket commands carry their `RejectionCode` instead."""

    MALFORMED = "malformed", "400: the request is not JSON, or not of the form that the path asks for."
    TOKEN_MISSING = "token_missing", "401: there is no token and nobody is signed in."
    TOKEN_INVALID = "token_invalid", "401: the token is unknown, ended or revoked."
    FORBIDDEN = "forbidden", "403: the caller's role does not allow this."
    NOT_FOUND = "not_found", "404: there is no such thing, or not in an org of the caller."
    METHOD_NOT_ALLOWED = "method_not_allowed", "405: the path does not know the method."
    CONFLICT = "conflict", "409: the present state does not allow this."
    STALE = "stale", "412: the thing has changed since the version that the request names."
    TOO_LARGE = "too_large", "413: the body is larger than the path allows."
    INVALID = "invalid", "422: a field breaks a rule; `field` names it."
    IDEMPOTENCY_KEY_REUSED = "idempotency_key_reused", "422: the same `Idempotency-Key` came with another body."
    PRECONDITION_MISSING = "precondition_missing", "428: the request needs an `If-Match` header."
    TOO_MANY = "too_many", "429: too many requests; `Retry-After` says when to try again."
    INTERNAL = "internal", "500: Fettle's own fault; it has been logged."
    INTERNAL_TOKEN_REFUSED = "internal_token_refused", "502: two services of this installation do not share a key."
    UNAVAILABLE = "unavailable", "503: something that this needs is away; `Retry-After` says when to try again."
    OUTCOME_UNKNOWN = (
        "outcome_unknown",
        "504: no answer was heard of what does it: it may be done or not; sending the same again is safe.",
    )


class ProblemDetail(Message):
    """An error answer. `code` is stable, `detail` is for people, `field` names what broke the rule."""

    type: str = "about:blank"
    title: str
    status: int
    code: str
    detail: str
    field: str | None = None
