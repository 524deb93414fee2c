"""Lists, page by page or item by item."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Generic, TypeVar

from fettle_client.requests import Request
from fettle_client.shapes.pages import Page

Item = TypeVar("Item")


class AsyncPages(Generic[Item]):
    """A list that is asked for when it is looked at: iterate over all of its items, or take one `page` as it comes."""

    def __init__(self, call: Callable[[Request], Awaitable[Any]], request: Request) -> None:
        self._call, self._request = call, request

    async def page(self) -> Page[Item]:
        """The first page, or the one behind the `cursor` that was named."""
        page: Page[Item] = await self._call(self._request)
        return page

    async def __aiter__(self) -> AsyncIterator[Item]:
        request = self._request
        while True:
            page: Page[Item] = await self._call(request)
            for item in page["items"]:
                yield item
            if not page["next_cursor"]:
                return
            request = request.after(page["next_cursor"])
