"""The HTTP API as the commands use it: one caller, one org, plain errors."""

from collections.abc import Iterator
from contextlib import contextmanager

from fettle_cli.failures import CliError
from fettle_cli.installation import Installation
from fettle_client import Fettle, FettleError, Refused, Unreachable

UNAUTHORIZED = 401


@contextmanager
def calling(installation: Installation, org: str | None = None, *, patience_s: float = 0) -> Iterator[Fettle]:
    """The API as the caller of this installation, for `org` or else its own. Nothing is tried again: who types sees at
    once what is wrong; a command of many calls has patience with each for so long. Raises CliError for whatever does
    not end well."""
    with calling_as(installation, installation.token, org or installation.org, patience_s=patience_s) as fettle:
        yield fettle


@contextmanager
def calling_as(installation: Installation, token: str, org: str, *, patience_s: float = 0) -> Iterator[Fettle]:
    """The same with a token of another's."""
    with Fettle(installation.url, token, org, patience_s=patience_s) as fettle:
        try:
            yield fettle
        except FettleError as error:
            raise CliError(in_words(error)) from None


def in_words(error: FettleError) -> str:
    """What went wrong, by which rule, and the way out, in one line."""
    if isinstance(error, Unreachable):
        return f"{error}: start it with `fettle up`, or set FETTLE_URL"
    if not isinstance(error, Refused) or not error.problem:
        return str(error)
    where = f"{error.field}: " if error.field else ""
    way_out = " (set FETTLE_TOKEN)" if error.status == UNAUTHORIZED else ""
    return f"{where}{error.message}{way_out} [{error.code or error.status}]"
