"""The plain client is the asynchronous one without what waits."""

from pathlib import Path

import pytest

from tools import synchronous

WAITING = '''\
from collections.abc import AsyncIterator, Awaitable
async def names(self) -> AsyncIterator[str]:
    """Ends by `aclose`; awaited by nobody."""
    async with self._answer() as answer:
        async for line in answer.aiter_text():
            yield await self._read(line)
    await asyncio.sleep(1)
'''


@pytest.mark.rule("CL-9")
def test_the_words_that_wait_are_left_out() -> None:
    assert synchronous.plain(WAITING) == (
        "from collections.abc import Iterator\n"
        "def names(self) -> Iterator[str]:\n"
        '    """Ends by `close`; awaited by nobody."""\n'
        "    with self._answer() as answer:\n"
        "        for line in answer.iter_text():\n"
        "            yield self._read(line)\n"
        "    time.sleep(1)\n"
    )


@pytest.mark.rule("CL-9")
def test_a_difference_and_a_leftover_are_found_and_cured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(synchronous, "CLIENT", tmp_path)
    monkeypatch.setattr(synchronous, "ROOT", tmp_path)
    for folder in ("asynchronous", "synchronous"):
        (tmp_path / folder).mkdir()
    (tmp_path / "asynchronous" / "tickets.py").write_text("async def start() -> None: ...\n")
    (tmp_path / "synchronous" / "gone.py").touch()
    assert synchronous.main(["--check"]) == 1
    said = capsys.readouterr().err
    assert "synchronous/tickets.py" in said
    assert "synchronous/gone.py" in said
    assert synchronous.main([]) == 0
    assert synchronous.main(["--check"]) == 0
    assert [path.name for path in (tmp_path / "synchronous").iterdir()] == ["tickets.py"]
    assert "\ndef start() -> None: ...\n" in (tmp_path / "synchronous" / "tickets.py").read_text()
