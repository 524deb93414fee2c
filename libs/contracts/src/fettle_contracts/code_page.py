"""The page of stable codes, `docs/codes.md`, written from the enums."""

from collections.abc import Iterator

from fettle_contracts.codes import Code, DeadLetterCode, RejectionCode
from fettle_contracts.problems import ProblemCode

_SECTIONS: tuple[tuple[str, str, type[Code]], ...] = (
    (
        "Rejected commands",
        "`reason.code` on `ticket.command-results`, `code` in the API's answer. Readers must expect new ones.",
        RejectionCode,
    ),
    ("Dead letters", "Header `dlq-reason` of the records in `<topic>.dlq`.", DeadLetterCode),
    ("Refused requests", "`code` of the API's problem details, with the HTTP status.", ProblemCode),
)


def page() -> str:
    """The page as Markdown."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "# Codes"
    yield ""
    yield "Stable codes that programs may depend on: they are added to, never renamed. Written by `make schemas`."
    for title, text, codes in _SECTIONS:
        yield from ("", f"## {title}", "", text, "", "| Code | Meaning |", "|---|---|")
        yield from (f"| `{code.value}` | {code.meaning} |" for code in codes)
