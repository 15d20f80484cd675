"""The report page of a small run: what stands on it, what is missing and why, and that no name can become markup."""

from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from semo.errors import MediaError
from semo.media import read_audio, read_frames
from semo.report.definitions import Column, Table
from semo.report.page import write
from semo.report.page.__main__ import main
from semo.report.page.gains import gain_table
from semo.report.page.missing import missing
from semo.report.page.mosaic import BLOCK, Layout, fit, mosaic, tile_side
from semo.report.page.rulegraph import BOX_HEIGHT, draw, parse
from semo.report.page.tables import whisker
from semo.report.page.verdict import verdict
from semo.report.page.wall import choose
from semo.report.page.write import HERE, write_page
from semo.report.rows import Block, Cell, Row
from semo.report.tables import build
from semo.tasks import Item
from tests.unit.page_run import DATASET, MARKUP, REASON, ROOT, RULES, empty_run, inputs_of, make_run


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def page(results, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("reports") / "index.html"
    write_page(inputs_of(results), out, ROOT, results / "rulegraph.dot")
    return out


class Elements(HTMLParser):
    """Tags with their attributes, and the text between them."""

    VOID = {"meta", "link", "img", "input", "br", "line", "rect", "path"}

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text.append(data)

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def script(path: Path) -> dict:
    """The content of `SEMO.<name> = ...;`."""
    return json.loads(path.read_text().split(" = ", 1)[1].rstrip().removesuffix(";"))


def test_no_name_becomes_markup(page):
    """The method is called `<img ... onerror=...>`, a reason holds <b>, a rule <b>: all of it is text."""
    found = Elements(page.read_text())
    text = "".join(found.text)
    assert MARKUP in text and REASON in text and "page <b>" in text
    assert not [a for _, a in found.tags if any(name.startswith("on") for name in a)]
    assert {a["src"].split("/")[0] for a in found.named("script")} == {"page"}
    assert not [a for a in found.named("img") if not a["src"].startswith("figures/")]
    for path in page.parent.glob("page/**/*.js"):
        if path.name == "data.js" or path.parent.name == "clips":
            assert "<" not in path.read_text(), path
    tiles = script(page.parent / "page/data.js")["wall"]["sets"][0]["clips"][0]["tiles"]
    assert MARKUP in [tile["label"] for tile in tiles]


def test_scripts_never_parse_markup():
    for path in (HERE / "assets").glob("*.js"):
        for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "fetch(", "XMLHttp"):
            assert word not in path.read_text(), f"{path.name} uses {word}"


def test_everything_the_page_names_is_beside_it(page):
    found = Elements(page.read_text())
    named = [a["src"] for a in found.named("script")] + [a["href"] for a in found.named("link")]
    assert named and not [name for name in named if "//" in name]
    assert [name for name in named if not name.startswith("data:") and not (page.parent / name).is_file()] == []
    data = script(page.parent / "page/data.js")
    for clips in (s["clips"] for s in data["wall"]["sets"]):
        assert all((page.parent / "page/videos" / clip["video"]).is_file() for clip in clips)
    keys = [a["data-clips"] for a in found.named("table") if a.get("data-clips")]
    assert keys and all((page.parent / f"page/clips/{key}.js").is_file() for key in keys)
    ids = [a["id"] for _, a in found.tags if a.get("id")]
    assert len(ids) == len(set(ids))
    assert {a["href"][1:] for a in found.named("a") if a["href"].startswith("#")} <= set(ids)


def test_what_failed_is_named_with_its_reason(results, page):
    inputs = inputs_of(results)
    entries = {(m.what, m.reason) for m in missing(build(inputs), inputs.results)}
    assert ("lia: all columns", "out of memory") in entries
    assert ("hallo2: all columns", "its weights are not here") in entries
    assert (f"{MARKUP}: clip fake-p1-c1", REASON) in entries
    assert ("the paper's MRAA, TPSMM, LivePortrait", "no such method in this run") in entries
    tiles = script(page.parent / "page/data.js")["wall"]["sets"][0]["clips"][0]["tiles"]
    assert {t["label"]: t.get("reason") for t in tiles}["lia"] == "lia: out of memory"
    assert [t["kind"] for t in tiles[:2]] == ["given", "given"]


def test_nothing_was_made(tmp_path):
    out = tmp_path / "index.html"
    written = write_page(inputs_of(empty_run(tmp_path)), out, ROOT)
    text = out.read_text()
    assert written.videos == 0
    for sentence in ("not run: no video was made", "not run: nothing was trained", "not drawn: Snakemake did not"):
        assert sentence in text
    assert "not run: not measured in this run" in text
    assert "24.690" in text, "the paper's numbers stand there in any case"


def test_a_damaged_video_takes_one_tile_not_the_wall(results, tmp_path):
    copy = tmp_path / "results"
    shutil.copytree(results, copy)
    for path in (copy / "generated/reconstruct" / DATASET / "fomm").glob("*.mkv"):
        path.write_bytes(b"no video")
    write_page(inputs_of(copy), tmp_path / "index.html", ROOT)
    tiles = script(tmp_path / "page/data.js")["wall"]["sets"][0]["clips"][0]["tiles"]
    reasons = {tile["key"]: tile.get("reason", "") for tile in tiles}
    assert "not a readable media file" in reasons["method-fomm"]
    assert not reasons["method-semo"]


def test_an_earlier_page_stays_until_the_new_one_is_complete(results, page, monkeypatch):
    def broken(inputs, folder):
        raise MediaError("disk full")

    before = page.read_bytes()
    monkeypatch.setattr(write, "wall", broken)
    with pytest.raises(MediaError):
        write_page(inputs_of(results), page, ROOT)
    assert page.read_bytes() == before
    assert (page.parent / "page/data.js").is_file()
    assert sorted(p.name for p in page.parent.iterdir()) == ["index.html", "page"]


def test_two_pages_of_one_run_are_equal(results, page, tmp_path):
    write_page(inputs_of(results), tmp_path / "index.html", ROOT, results / "rulegraph.dot")
    files = [p.relative_to(page.parent) for p in page.parent.rglob("*") if p.is_file()]
    assert len(files) > 10
    assert [f for f in files if (tmp_path / f).read_bytes() != (page.parent / f).read_bytes()] == []


def test_tiles_of_a_mosaic_are_the_videos(results, page):
    """Every tile, cut out of the H.264 file, is its own method's video and has the clip's sound."""
    clip = script(page.parent / "page/data.js")["wall"]["sets"][0]["clips"][0]
    shown = read_frames(page.parent / "page/videos" / clip["video"])
    assert len(shown) == clip["frames"] == 10
    for tile in clip["tiles"]:
        if "reason" in tile or tile["kind"] == "given":
            continue
        folder = results / "generated/reconstruct" / DATASET / tile["key"].removeprefix("method-")
        made = np.stack([fit(frame, clip["side"]) for frame in read_frames(folder / f"{clip['id']}.mkv")])
        cut = shown[:, tile["y"] : tile["y"] + clip["side"], tile["x"] : tile["x"] + clip["side"]]
        error = np.abs(cut.astype(float) - made)
        assert error.mean() < 3.0, tile["label"]  # what H.264 at CRF 17 loses on flat colours; another tile is 6 off
    sound = read_audio(page.parent / "page/videos" / clip["video"])
    true = read_audio(results / "clips" / DATASET / "clips" / f"{clip['id']}.mkv")
    assert np.corrcoef(sound[: len(true)], true)[0, 1] > 0.9


@given(st.integers(1, 40), st.integers(8, 300))
def test_tiles_lie_apart_on_blocks(tiles, frame):
    layout = Layout(tiles, tile_side(frame))
    height, width = layout.size
    corners = [layout.corner(i) for i in range(tiles)]
    assert len(set(corners)) == tiles
    for x, y in corners:
        assert x % BLOCK == 0 and y % BLOCK == 0
        assert x + layout.side <= width and y + layout.side <= height
    assert layout.cell >= layout.side
    assert frame > 256 or layout.side % frame == 0 or layout.side == 256


def test_a_short_video_keeps_its_last_frame():
    short = [np.full((8, 8, 3), value, np.uint8) for value in (10, 20)]
    frames = list(mosaic([short, iter([])], Layout(2, 128), 4))
    assert [int(f[0, 0, 0]) for f in frames] == [10, 20, 20, 20]
    assert all(f[:, 128:].max() == 0 for f in frames)


def item(name: str) -> Item:
    path = Path(f"{name}.mkv")
    return Item(name, "p", path, path, path, 1, False, source_clip=name, motion_of=name)


def test_fixed_best_median_and_worst():
    values = {"a": 3.0, "b": 9.0, "c": 1.0, "d": 5.0, "e": 4.0}
    chosen = {c.item.id: (c.why, c.value) for c in choose([item(n) for n in "abcde"], values)}
    assert chosen == {
        "a": (("fixed",), 3.0),
        "b": (("best",), 9.0),
        "e": (("median",), 4.0),
        "c": (("worst",), 1.0),
    }
    [alone] = choose([item("a")], {"a": 1.0})
    assert alone.why == ("fixed", "best", "median", "worst")
    assert [(c.item.id, c.why, c.value) for c in choose([item("a"), item("b")], {})] == [("a", ("fixed",), None)]


def test_values_of_clips_are_those_measured(results, page):
    content = script(page.parent / "page/clips/table2-hdtf.js")
    task = next(t for t in content["tasks"] if t["task"] == "reconstruct")
    titles = [h["title"] for h in task["heads"]]
    measured = inputs_of(results).results.measured("reconstruct", DATASET, "semo")
    column = 2 + titles.index("PSNR ↑")
    shown = {row[0]: row[column] for row in task["rows"]["semo"]}
    assert shown == {clip: round(value, 2) for clip, value in measured.values("psnr").items()}
    assert task["failed"]["fomm"] == [["fake-p1-c1", REASON]]
    assert "lia" not in task["rows"]


COLUMNS = tuple(Column(name, "reconstruct") for name in ("fid", "psnr", "ssim", "l1"))


def block(source: str, rows: dict[str, dict[str, Cell]], columns=COLUMNS) -> Block:
    made = ({c: cells.get(c.metric, Cell(reason="none")) for c in columns} for cells in rows.values())
    named = [Row(name, name, "scratch", cells) for name, cells in zip(rows, made, strict=True)]
    return Block(source, "hdtf", "d", columns, tuple(named))


def test_verdict_counts_cells_inside_the_interval():
    table = Table(2, "t", "methods", "reconstruct", ("hdtf",), COLUMNS, {}, "", (), ())
    names = ("fomm", "mraa", "semo")
    columns = (Column("fd_corpus", "reconstruct"), *COLUMNS[1:])
    ours = {
        name: {
            "fd_corpus": Cell(10.0 + i, 5.0, 40.0, 3, 3),
            "psnr": Cell(20.0 + i, 19.5 + i, 20.5 + i, 3, 3),
            "ssim": Cell(0.8, None, None, 1, 1),
            "l1": Cell(0.02, 0.01, 0.03, 3, 3),
        }
        for i, name in enumerate(names)
    }
    paper = {
        name: {"fid": Cell(text="20"), "psnr": Cell(text=psnr), "ssim": Cell(text="0.8"), "l1": Cell(text="20")}
        for name, psnr in zip(names, ("20.1", "21.1", "29.0"), strict=True)
    }
    inside, ranks = verdict(table, "hdtf", [block("run", ours, columns), block("paper", paper)])
    assert inside == (
        "The paper's number lies inside this run's 95 % interval in 2 of 3 cells (PSNR). "
        "Not counted: FD-corpus (another network than the paper's); L1 (the paper gives it no unit)."
    )
    assert "PSNR +1.00 (n 3)" in ranks
    few = verdict(table, "hdtf", [block("run", {"semo": ours["semo"]}, columns), block("paper", paper)])
    assert few[1] == "Kendall's tau of the rankings: not run: 1 method in common with the paper, three are needed."


def test_gains_are_those_over_copying(results):
    found = gain_table(inputs_of(results).results)
    assert [label for _, label, _ in found.rows] == [MARKUP, "semo"]
    assert found.heads[0] == ("reconstruct", DATASET)
    assert all(float(cells[0].shown) > 0 for _, _, cells in found.rows)
    assert found.rows[0][2][2].reason == "does not do this task"


@given(st.lists(st.floats(-100, 100), min_size=3, max_size=3), st.floats(-100, 0), st.floats(1, 100))
def test_a_whisker_stays_in_its_cell(values, bottom, top):
    low, middle, high = sorted(values)
    found = whisker(low, middle, high, (bottom, top))
    inside = bottom <= low and high <= top
    assert (found is not None) == inside
    if found:
        assert 0 <= found[0] <= found[1] <= found[2] <= 100


def test_rules_are_drawn_in_layers():
    names, edges = parse(RULES)
    assert set(names) == {"reproduce_all", "train", "page <b>"}
    assert ("train", "train") not in edges
    drawn = draw(RULES)
    place = {box.name: box for box in drawn.boxes}
    assert all(place[a].y + BOX_HEIGHT < place[b].y for a, b in drawn.edges)
    assert draw("") is None and draw("digraph x {}") is None


edge_lists = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)).filter(lambda e: e[0] < e[1]), max_size=25)


@given(edge_lists)
def test_boxes_of_rules_do_not_overlap(edges):
    text = "".join(f'{i}[label = "rule{i}"];\n' for i in range(10)) + "".join(f"{a} -> {b}\n" for a, b in edges)
    drawn = draw(text)
    place = {box.name: box for box in drawn.boxes}
    assert len(place) == 10
    for a, b in edges:
        assert place[f"rule{a}"].y < place[f"rule{b}"].y
    for one in drawn.boxes:
        assert one.x >= 0 and one.x + one.width <= drawn.width
        for other in drawn.boxes:
            if one is not other and one.y == other.y:
                assert one.x + one.width <= other.x or other.x + other.width <= one.x


def luminance(colour: str) -> float:
    """WCAG 2: relative luminance of #rrggbb."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_can_be_told_apart(scheme):
    """WCAG 2 AA: text 4.5 on every ground it stands on, marks and lines that carry meaning 3."""
    css = (HERE / "assets/page.css").read_text()
    light, dark = (dict(re.findall(r"--([\w-]+): (#\w{6})", part)) for part in css.split("@media", 2)[:2])
    colours = light if scheme == "light" else light | dark
    grounds = [colours[name] for name in ("ground", "card", "stripe")]
    for name in ("text", "quiet", "accent"):
        assert min(contrast(colours[name], ground) for ground in grounds) >= 4.5, name
    for text, ground in (("accent-text", "accent"), ("best-text", "best"), ("quiet", "best"), ("warn-text", "warn")):
        assert contrast(colours[text], colours[ground]) >= 4.5, text
    for name in ("edge", "range", "mean", *(f"c{i}" for i in range(10))):
        assert min(contrast(colours[name], ground) for ground in grounds) >= 3.0, name


def test_the_command_says_what_is_wrong(results, tmp_path, capsys):
    out = ["--out", str(tmp_path / "index.html")]
    assert main(["--config", str(results / "config.json"), "--results", str(results), *out]) == 0
    assert "7 tables" in capsys.readouterr().out
    assert main(["--config", str(tmp_path / "none.json"), *out]) == 1
    error = capsys.readouterr().err
    assert error.startswith("semo.report.page:") and "none.json" in error and error.count("\n") == 1


def test_long_clips_are_cut_and_said_so(results, tmp_path, monkeypatch):
    """A wall shows ten seconds; the page says of how many."""
    monkeypatch.setattr("semo.report.page.wall.FRAMES", 6)
    write_page(inputs_of(results), tmp_path / "index.html", ROOT)
    clip = script(tmp_path / "page/data.js")["wall"]["sets"][0]["clips"][0]
    assert clip["frames"] == 6 and clip["cut"] == "the first 6 of 10 frames"
    assert len(read_frames(tmp_path / "page/videos" / clip["video"])) == 6
