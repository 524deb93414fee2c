# Derived from asynchronous/pages.py by `make schemas`; change that one.
"""Lists, page by page or item by item."""

from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

from fettle_client.requests import Request
from fettle_client.shapes.pages import Page

Item = TypeVar("Item")


class Pages(Generic[Item]):
    """A list that is asked for when it is looked at: iterate over all of its items, or take one `page` as it comes."""

    def __init__(self, call: Callable[[Request], Any], request: Request) -> None:
        self._call, self._request = call, request

    def page(self) -> Page[Item]:
        """The first page, or the one behind the `cursor` that was named."""
        page: Page[Item] = self._call(self._request)
        return page

    def __iter__(self) -> Iterator[Item]:
        request = self._request
        while True:
            page: Page[Item] = self._call(request)
            yield from page["items"]
            if not page["next_cursor"]:
                return
            request = request.after(page["next_cursor"])
