"""The report page as a person meets it: loaded from disk in headless Chromium, played, sorted, toggled, by keyboard."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.page.browser import Browser
from tests.unit.page_run import MARKUP, REASON

SPACE, TAB, LEFT, RIGHT, END = ((" ", 32), ("Tab", 9), ("ArrowLeft", 37), ("ArrowRight", 39), ("End", 35))
FRAME = "Number(document.getElementById('wall-frame').value)"
TILES = "[...document.querySelectorAll('#wall-stage figcaption b')].map(n => n.textContent)"
# Contrast of every text with what lies behind it, after WCAG 2; [ratio, text] of those below their limit.
CONTRAST = """(() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgb = (colour) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data; return { c: [r, g, b], a: a / 255 };
  };
  const light = (c) => c.map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (node) => {
    for (let n = node; n; n = n.parentElement) {
      const { c, a } = rgb(getComputedStyle(n).backgroundColor);
      if (a === 1) return c;
    }
    return [255, 255, 255];
  };
  const low = [];
  for (const node of document.querySelectorAll("body *")) {
    const own = [...node.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own || !node.checkVisibility() || ["SCRIPT", "NOSCRIPT", "OPTION", "title"].includes(node.tagName)) continue;
    const style = getComputedStyle(node);
    const text = rgb(node.namespaceURI.endsWith("svg") ? style.fill : style.color).c;
    const [x, y] = [light(text), light(behind(node))].sort((a, b) => b - a);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const ratio = (x + 0.05) / (y + 0.05);
    if (ratio < (large ? 3 : 4.5)) low.push([ratio.toFixed(2), node.tagName, node.textContent.trim().slice(0, 40)]);
  }
  return low;
})()"""


def click(page: Browser, selector: str) -> None:
    page.evaluate(f"document.querySelector({selector!r}).click()")


def choose(page: Browser, name: str, value: str) -> None:
    page.evaluate(
        f"(() => {{ const s = document.getElementById('{name}'); s.value = '{value}';"
        " s.dispatchEvent(new Event('change', { bubbles: true })); })()"
    )


def column(page: Browser, table: str, index: int) -> list[str]:
    """First lines of the cells of a column, in the order shown."""
    return page.evaluate(
        f"[...document.querySelectorAll('#{table} tbody tr:not(.clips)')]"
        f".map(r => (r.cells[{index}].querySelector('.value') ?? r.cells[{index}]).textContent)"
    )


def picture(page: Browser, out: Path, selector: str) -> np.ndarray:
    """What a canvas shows on the screen, uint8 (H, W, 3): a page from disk may not read its pixels itself."""
    page.evaluate(f"document.querySelector({selector!r}).scrollIntoView({{ block: 'center' }})")
    box = page.evaluate(f"(() => {{ const b = document.querySelector({selector!r}).getBoundingClientRect();"
                        " return [b.left, b.top, b.right, b.bottom]; })()")  # fmt: skip
    shot = Image.open(io.BytesIO(page.screenshot(out))).convert("RGB")
    return np.asarray(shot.crop(tuple(round(v) for v in box)))


def test_loads_with_everything_in_place(page, report):
    assert page.evaluate("document.title") == "SeMo report"
    assert page.evaluate("document.querySelectorAll('#tables article').length") == 7
    assert page.evaluate("document.querySelectorAll('#curve-charts svg').length") == 2
    assert page.evaluate("document.querySelectorAll('#cost-chart circle').length") == 2
    assert page.evaluate("document.querySelectorAll('svg.rules rect').length") == 3
    assert REASON in page.evaluate("document.getElementById('missing').textContent")
    assert page.evaluate(TILES) == ["Source", "Truth", MARKUP, "lia", "semo"]
    loaded = {url.rsplit("/", 1)[1] for url in page.requests if url.endswith(".mp4")}
    assert loaded == {"reconstruct-0-0.mp4"}, "one video is read, the others when they are asked for"


def test_the_first_view_is_quick(page):
    """Under a second, as work of the page's thread: a busy machine stretches the clock on the wall."""
    assert 0 < page.work() < 1.0


def test_plays_with_sound_and_stops(page):
    click(page, "#wall-play")
    page.wait(f"{FRAME} > 2")
    assert page.evaluate("document.getElementById('wall-play').textContent") == "Pause"
    assert page.evaluate("document.querySelector('video').muted") is False
    page.wait("document.querySelector('video').webkitAudioDecodedByteCount > 0")
    click(page, "#wall-play")
    page.wait("document.getElementById('wall-play').textContent === 'Play'")
    click(page, "#wall-sound")
    assert page.evaluate("document.querySelector('video').muted") is True


def test_steps_by_keyboard_and_slider(page):
    page.evaluate("document.getElementById('wall-stage').focus()")
    for key, frame in ((RIGHT, 1), (RIGHT, 2), (LEFT, 1), (END, 9)):
        page.press(*key)
        page.wait(f"{FRAME} === {frame}")
    assert page.evaluate("document.getElementById('wall-count').value") == "10 / 10"
    page.press(*SPACE, text=" ")
    page.wait("document.getElementById('wall-play').textContent === 'Pause'")
    page.press(*SPACE, text=" ")
    page.wait("document.getElementById('wall-play').textContent === 'Play'")


def test_tiles_are_toggled_and_stay_so_in_the_next_clip(page):
    click(page, "input[data-key='method-semo']")
    click(page, "input[data-key='method-codec']")
    assert page.evaluate(TILES) == ["Source", "Truth", "codec", MARKUP, "lia"]
    choose(page, "wall-clip", "1")
    assert page.evaluate(TILES) == ["Source", "Truth", "codec", MARKUP, "lia"]
    assert "not run: lia: out of memory" in page.evaluate("document.getElementById('wall-stage').textContent")
    choose(page, "wall-set", "1")
    assert page.evaluate(TILES)[:3] == ["Source", "Driving", "Truth"]


def test_the_tile_shows_its_frame(page, tmp_path):
    """The fake truth is a bright square on grey that moves 2 of 32 pixels a frame; a step moves it on the screen."""

    def centre() -> float:
        shown = picture(page, tmp_path / "tile.png", "#wall-stage figure:nth-child(2) canvas")
        red = shown[:, :, 0].astype(int) > 150
        assert red.any()
        return float(np.nonzero(red)[1].mean() / shown.shape[1] * 32)

    page.evaluate("document.getElementById('wall-stage').focus()")
    places = []
    for frame in (1, 2, 3):
        page.press(*RIGHT)
        page.wait(f"{FRAME} === {frame}")
        places.append(centre())
    assert np.allclose(np.diff(places), 2.0, atol=0.4), places
    assert places[0] == pytest.approx(2 + 3.5, abs=0.6)


def test_wipe_and_difference(page, tmp_path):
    click(page, "input[name='wall-mode'][value='wipe']")
    choose(page, "wall-a", "source")
    choose(page, "wall-b", "truth")
    page.evaluate("document.getElementById('wall-stage').focus()")
    page.press(*END)
    page.wait(f"{FRAME} === 9")
    whole = []
    for share in (0, 100):
        page.evaluate(f"(() => {{ const w = document.getElementById('wall-wipe'); w.value = {share};"
                      " w.dispatchEvent(new Event('input')); })()")  # fmt: skip
        whole.append(picture(page, tmp_path / "wipe.png", "#wall-stage canvas")[:, 4:-4])
    assert (whole[0] != whole[1]).any(), "the right one, then the left one"
    click(page, "input[name='wall-mode'][value='difference']")
    shown = picture(page, tmp_path / "difference.png", "#wall-stage canvas")
    truth, source = whole[0].astype(int), whole[1].astype(int)
    moved = np.abs(truth - source).max(axis=2) > 100
    assert shown[:, 4:-4].max(axis=2)[moved].min() > 200, "what differs is bright"
    still = np.abs(truth - source).max(axis=2) == 0
    assert np.median(shown[:, 4:-4].max(axis=2)[still]) < 30, "what does not is dark"


def test_tables_sort_best_first_then_back(page):
    heads = page.evaluate("[...document.querySelectorAll('#table2-1-1 thead th')].map(h => h.textContent)")
    psnr = heads.index("PSNR ↑")
    asked = column(page, "table2-1-1", psnr)
    head = f"#table2-1-1 thead th:nth-child({psnr + 1})"
    for direction in ("descending", "ascending", "none"):
        click(page, f"{head} button")
        assert page.evaluate(f"document.querySelector('{head}').getAttribute('aria-sort')") == direction
        shown = column(page, "table2-1-1", psnr)
        numbers = [float(text) for text in shown if not text.startswith("not run")]
        if direction == "none":
            assert shown == asked
        else:
            assert numbers == sorted(numbers, reverse=direction == "descending")
            assert shown[len(numbers):] == [text for text in shown if text.startswith("not run")], "no value is last"
        assert sorted(shown) == sorted(asked)


def test_a_row_opens_its_clips_by_keyboard(page):
    page.evaluate("document.querySelector('#table2-1-1 tr[data-row=semo] button.drill').focus()")
    page.press("Enter", 13, text="\r")
    page.wait("document.querySelector('tr.clips table')")
    caption = page.evaluate("document.querySelector('tr.clips caption').textContent")
    assert caption == "semo, reconstruct: 4 clips"
    click(page, "#table2-1-1 thead th:nth-child(2) button")
    assert page.evaluate("document.querySelector('tr.clips').previousElementSibling.dataset.row") == "semo"
    choose(page, "wall-set", "2")
    click(page, "tr.clips button.watch")
    assert page.evaluate("document.getElementById('wall-set').value") == "0"
    page.evaluate("document.querySelector('#table2-1-1 tr[data-row=semo] button.drill').click()")
    assert page.evaluate("document.querySelectorAll('tr.clips').length") == 0
    click(page, "#table2-1-1 tr[data-row=fomm] button.drill")
    page.wait("document.querySelector('tr.clips table')")
    assert REASON in page.evaluate("document.querySelector('tr.clips').textContent")


def test_charts_follow_their_controls(page):
    before = page.evaluate("document.querySelector('#curve-charts path').getAttribute('d')")
    choose(page, "curve-quantity", "motion_use_db")
    assert page.evaluate("document.querySelector('#curve-charts path').getAttribute('d')") != before
    click(page, "#curve-together")
    assert page.evaluate("document.querySelectorAll('#curve-charts path.line').length") == 2
    click(page, "#curve-log")
    choose(page, "curve-quantity", "loss")
    click(page, "#cost-ablations")
    assert page.evaluate("document.querySelectorAll('#cost-chart circle').length") == 3
    choose(page, "cost-axis", "memory")
    assert "Peak memory" in page.evaluate("document.querySelector('#cost-chart svg').getAttribute('aria-label')")
    choose(page, "cost-axis", "parameters")
    assert "Without a value" in page.evaluate("document.getElementById('cost-chart').textContent")


def test_every_control_has_a_name_and_can_be_reached(page):
    wanted = {"button", "link", "checkbox", "radio", "combobox", "slider", "image", "img", "table", "region"}
    nameless = [node for node in page.accessible() if node["role"].lower() in wanted and not node["name"].strip()]
    # the lists of what is missing and of the provenance are tables without a caption of their own
    assert [node for node in nameless if node["role"] != "table"] == []
    assert page.evaluate("document.documentElement.lang") == "en"
    levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map(h => Number(h.tagName[1]))")
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(b - a <= 1 for a, b in zip(levels, levels[1:], strict=False)), "no level is left out"
    page.evaluate("document.activeElement.blur()")
    stops = []
    for _ in range(60):
        page.press(*TAB)
        stops.append(page.evaluate("document.activeElement.id || document.activeElement.className"))
    assert stops[0] == "skip"
    for wanted_stop in ("wall-set", "wall-clip", "wall-stage", "wall-play", "wall-frame", "wall-speed"):
        assert wanted_stop in stops, wanted_stop


@pytest.mark.parametrize("width", [1280, 390], ids=["wide", "narrow"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_can_be_read(page, report, width, dark, tmp_path):
    """Contrast of all text, no sideways scrolling of the page, and a screenshot whose ground is that of the scheme."""
    page.look(width, 800, dark)
    page.open(report)
    page.wait("document.getElementById('wall-count').value")
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    click(page, "#table2 button.drill")
    page.wait("document.querySelector('tr.clips table')")
    assert page.evaluate(CONTRAST) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    shot = np.asarray(Image.open(io.BytesIO(page.screenshot(tmp_path / "page.png"))).convert("L"))
    assert np.median(shot) < 60 if dark else np.median(shot) > 220


def test_a_missing_file_is_said(page, report):
    video = report.parent / "page/videos/reconstruct-0-1.mp4"
    hidden = video.with_suffix(".away")
    video.rename(hidden)
    try:
        choose(page, "wall-clip", "1")
        page.wait("document.getElementById('wall-status').textContent.includes('cannot be played')")
    finally:
        hidden.rename(video)
    page.evaluate("1")
    page.problems[:] = [p for p in page.problems if "reconstruct-0-1.mp4" not in p]
