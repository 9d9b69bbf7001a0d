"""browser: it sees what is broken, cut, or asked of others. A test that cannot fail proves nothing."""

from pathlib import Path

import pytest

from tests.browser import CHROMIUM, look_at

PAGE = """<main><h1>One</h1><details><h2>Two</h2><img alt="gone" src="data:image/png;base64,AAAA"></details>
<p style="width:500px">wide</p><div class="scroll"><p style="width:500px">scrolled</p></div>
<script src="https://example.org/x.js"></script></main>"""


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
def test_it_sees_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    page = tmp_path / "a" / "page.html"
    page.write_text(PAGE)
    seen = look_at(page, root=tmp_path, width_px=390, folder=tmp_path / "browser")
    assert seen.headings == ["One", "Two"]
    assert seen.broken == ["gone"]
    assert seen.asked == ["https://example.org/x.js"]
    assert [one.partition(">")[2] for one in seen.too_wide] == ["wide</p>"]
    assert seen.verdict is None
