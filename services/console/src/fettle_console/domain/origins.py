"""Where a browser's write may come from: our own pages, under a name that is ours."""

from urllib.parse import urlsplit

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def refused_because(
    *, host: str | None, origin: str | None, fetch_site: str | None, public_url: str | None, listens_on: str
) -> str | None:
    """Why a write of a page must not count, or None.

    `Origin` is on every POST of today's browsers, `Sec-Fetch-Site` on those of most; a request with neither comes from
    no browser that could hold our cookie. With `public_url` only its origin is ours. Without it the request's own Host
    is, and on a loopback address only loopback names are: somebody's page that points its own name at 127.0.0.1 is
    not one of ours.
    """
    schemes: tuple[str, ...] = ("http", "https")
    if public_url is not None:
        own = urlsplit(public_url)
        named, schemes = host if host == own.netloc else None, (own.scheme,)
    else:
        named = host
        if listens_on in LOOPBACK and urlsplit(f"//{host or ''}").hostname not in LOOPBACK:
            named = None
    if named is None:
        return "it was not sent to a name of this console"
    if origin is not None:
        return None if origin in {f"{scheme}://{named}" for scheme in schemes} else "it comes from another site"
    if fetch_site is not None:
        return None if fetch_site == "same-origin" else "it comes from another site"
    return "it does not say where it comes from"


def local_path(path: str) -> str:
    """The path if it stays on this site, else nothing: a sign-in must not lead people elsewhere.

    A browser reads `\\` as `/` and leaves tabs and line breaks out (WHATWG URL, 4.4), so `/\\t/evil.example` would too.
    """
    stays = path.startswith("/") and not path.startswith("//") and "\\" not in path
    return path if stays and path.isprintable() else ""
