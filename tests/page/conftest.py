"""One browser with the report page of a small run; without Chromium these tests skip and say so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from semo.report.page.write import write_page
from tests.page.browser import Browser, find
from tests.unit.page_run import ROOT, inputs_of, make_run


@pytest.fixture(scope="session")
def program() -> str:
    found = find()
    if not found:
        pytest.skip("no Chromium here: install it (Debian: apt-get install chromium) or name it in SEMO_CHROMIUM")
    return found


@pytest.fixture(scope="session")
def report(program: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a run in which methods and clips failed and one name holds markup; one of its figures is there."""
    results = make_run(tmp_path_factory.mktemp("run"))
    out = tmp_path_factory.mktemp("reports") / "index.html"
    (out.parent / "figures").mkdir()
    Image.new("RGB", (60, 40), "white").save(out.parent / "figures/training.png")
    write_page(inputs_of(results), out, ROOT, results / "rulegraph.dot")
    return out


@pytest.fixture(scope="session")
def browser(program: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    opened = Browser(program, tmp_path_factory.mktemp("profile"))
    yield opened
    opened.close()


@pytest.fixture
def page(browser: Browser, report: Path) -> Iterator[Browser]:
    """The page, freshly loaded in a wide light window; whatever a test does, no error and no request to a host."""
    browser.problems.clear()
    browser.requests.clear()
    browser.look(1280, 900)
    browser.open(report)
    browser.wait("document.getElementById('wall-count').value")
    yield browser
    browser.evaluate("1")  # what was reported meanwhile
    assert browser.problems == []
    assert [url for url in browser.requests if not url.startswith(("file:", "data:"))] == []
