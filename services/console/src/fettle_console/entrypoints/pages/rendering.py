"""Templates, and what every one of them may use."""

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from fettle_console.domain.zones import zone_of
from fettle_console.views import words
from fettle_console.views.graph import TALL, WIDE
from fettle_console.views.markdown import render as markdown
from fettle_contracts.times import rfc3339

ROOT = Path(__file__).parents[2]
STATIC = ROOT / "static"


@cache
def static_url(name: str) -> str:
    """The address of a file under `static/`. It changes with the content, so that browsers may keep what they have."""
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]
    return f"/static/{name}?v={digest}"


@pass_context
def written(context: Context, at: datetime, form: str) -> str:
    """A time by the org's clock, or by that of UTC; the script writes it anew where the org has none."""
    shown, _ = _by_clock(context, at)
    return _formatted(shown, form)


@pass_context
def exact(context: Context, at: datetime, form: str = "%Y-%m-%d %H:%M:%S") -> str:
    """A time that says whose clock it is by."""
    shown, whose = _by_clock(context, at)
    return f"{_formatted(shown, form)} {whose}"


@pass_context
def moment(context: Context, at: datetime, *, ago: bool = False) -> Markup:
    """A time: relative for the eye, exact on hover and for screen readers. The script keeps it going."""
    shown = words.relative(at, datetime.now(UTC))
    said = f"{shown} ago" if ago and shown != "now" else shown
    marked = Markup(" data-ago") if ago else Markup("")
    return Markup('<time datetime="{}" title="{}"{}>{}</time>').format(rfc3339(at), exact(context, at), marked, said)


@pass_context
def absolute(context: Context, at: datetime, kind: str) -> Markup:
    """A time that is shown as such: a `day` with its hour, by the `clock` to the second, or an `hour` of an axis."""
    shown = {"day": "%Y-%m-%d %H:%M", "clock": "%H:%M:%S", "hour": "%H:%M"}[kind]
    text = exact(context, at, shown) if kind == "day" else written(context, at, shown)
    return Markup('<time datetime="{}" title="{}" data-{}>{}</time>').format(
        rfc3339(at), exact(context, at), kind, text
    )


def _formatted(at: datetime, form: str) -> str:
    """`%f` are milliseconds, as in all times of Fettle."""
    return f"{at:{form.replace('%f', f'{at.microsecond // 1000:03}')}}"


def _by_clock(context: Context, at: datetime) -> tuple[datetime, str]:
    """By whose clock it is shown, too: UTC's where the org has none, where it is not known here, and at the ends of all
    times, where another clock has no time for it."""
    name: str = context.get("zone") or "UTC"
    with suppress(OverflowError):
        if (zone := zone_of(name)) is not None:
            return at.astimezone(zone), name
    return at.astimezone(UTC), "UTC"


_LONG_CHARACTERS, _LONG_LINES = 3000, 40


def folded(text: str) -> Markup:
    """Markdown as HTML; what is long is folded until somebody asks for all of it."""
    html = markdown(text)
    if len(text) <= _LONG_CHARACTERS and text.count("\n") <= _LONG_LINES:
        return Markup('<div class="markdown">{}</div>').format(html)
    lines = text.count("\n") + 1
    return Markup(
        '<details class="fold"><summary>All {} lines</summary><div class="markdown">{}</div></details>'
    ).format(lines, html)


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(ROOT / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(static=static_url, folded=folded, words=words)
    environment.globals.update(moment=moment, absolute=absolute, exact=exact, written=written)
    environment.globals["box"] = {"wide": WIDE, "tall": TALL}
    environment.filters["markdown"] = markdown
    return environment


_templates = _environment()


def page(template: str, context: Mapping[str, Any], status: int = 200) -> HTMLResponse:
    """A rendered page."""
    return HTMLResponse(_templates.get_template(template).render(context), status_code=status)
