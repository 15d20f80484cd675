"""`semo score`: pairing, reading, numbers, exit codes, what it writes, and what it says of bad input."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from semo import cli
from semo.clips import ClipSet
from semo.media import iter_frames, write_lossless
from semo.metrics import all_metrics, metric
from semo.stats import estimate
from tests.unit.fake_clips import prepared

PIXELS = "psnr,ssim,l1"


def film(seed: int, frames: int = 6, size: int = 24) -> np.ndarray:
    rng = np.random.default_rng(seed)
    start = rng.integers(40, 200, (1, size, size, 3))
    return np.clip(start + rng.integers(-30, 30, (frames, size, size, 3)), 0, 255).astype(np.uint8)


def noisy(frames: np.ndarray, by: int) -> np.ndarray:
    noise = np.random.default_rng(99).integers(-by, by + 1, frames.shape)
    return np.clip(frames.astype(int) + noise, 0, 255).astype(np.uint8)


@pytest.fixture
def sides(tmp_path):
    """Six people with two videos each, true and generated in other containers, and a second, worse method."""
    for i in range(12):
        name = f"p{i // 2}/take{i % 2}"
        for folder, frames, suffix in (
            ("real", film(i), ".mkv"), ("fake", noisy(film(i), 10), ".mkv"), ("worse", noisy(film(i), 30), ".mkv")
        ):
            path = tmp_path / folder / f"{name}{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_lossless(path, iter(frames), fps=25)
    return tmp_path


def run(*arguments, code=0):
    result = CliRunner().invoke(cli.app, ["score", *map(str, arguments)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output + result.stderr
    return result


def scored(folder: Path, *options, real="real", fake="fake", code=0):
    out = folder / "score.json"
    run(folder / real, folder / fake, "-o", out, "--cache", folder / "cache", *options, code=code)
    return json.loads(out.read_text())


def test_values_intervals_and_counts(sides):
    found = scored(sides, "--metrics", "PSNR,ssim,L1", "--identity", "^(p[0-9]+)/")
    assert set(found["metrics"]) == {"PSNR", "SSIM", "L1"}
    expected = {}
    for path in sorted((sides / "real").rglob("*.mkv")):
        name = path.relative_to(sides / "real")
        real, fake = (np.stack(list(iter_frames(sides / side / name))) for side in ("real", "fake"))
        expected[name.with_suffix("").as_posix()] = metric("psnr").clip(real, fake, real[0])
    psnr = found["metrics"]["PSNR"]
    assert psnr["value"] == pytest.approx(np.mean(list(expected.values())), rel=1e-12)
    result = estimate(list(expected.values()), [name[:2] for name in expected])
    assert psnr["ci95"] == pytest.approx([result.low, result.high])
    assert (psnr["n"], psnr["identities"], psnr["unit"], psnr["better"]) == (12, 6, "dB", "higher")
    assert psnr["protocol"] == metric("psnr").protocol and psnr["weights_sha256"] is None
    by_clip = {row["clip"]: row["values"]["PSNR"] for row in found["clips"]}
    assert by_clip == pytest.approx(expected)
    rows = list(csv.DictReader((sides / "score.csv").open()))
    assert [row["clip"] for row in rows] == sorted(expected) and float(rows[0]["PSNR"]) == by_clip["p0/take0"]
    text = (sides / "score.md").read_text()
    assert "| PSNR ↑ |" in text and psnr["protocol"] in text


def test_two_runs_and_any_cache_state_give_the_same_document(sides):
    first = scored(sides, "--metrics", PIXELS)
    again = scored(sides, "--metrics", PIXELS)
    fresh = scored(sides, "--metrics", PIXELS, "--no-cache")
    assert first == again == fresh


def test_an_interrupted_run_goes_on(sides, monkeypatch):
    """What was measured before the interruption is not decoded again."""
    import semo.score.run as running

    real = running._frames
    seen = []

    def counting(path, frames, size):
        seen.append(path.name)
        if len(seen) > 8:
            raise KeyboardInterrupt
        return real(path, frames, size)

    monkeypatch.setattr(running, "_frames", counting)
    run(sides / "real", sides / "fake", "--metrics", "psnr", "--cache", sides / "cache", code=130)
    monkeypatch.setattr(running, "_frames", real)
    half = len(list((sides / "cache").rglob("*.json")))
    assert 0 < half < 12
    scored(sides, "--metrics", "psnr")
    assert len(list((sides / "cache").rglob("*.json"))) == 12


def test_prepared_clips_bring_their_people(tmp_path):
    clips = ClipSet(prepared(tmp_path / "clips"))
    (tmp_path / "fake").mkdir()
    for clip in clips.select("test"):
        shutil.copy(clips.video(clip), tmp_path / "fake" / f"{clip.clip}.mkv")
    found = scored(tmp_path, "--metrics", "psnr", real="clips")
    assert found["metrics"]["PSNR"]["value"] == 100.0
    assert {row["identity"] for row in found["clips"]} == {clip.identity for clip in clips.select("test")}


def test_a_manifest_names_videos_and_people(sides):
    rows = ["path,clip,identity", *(f"p{i // 2}/take{i % 2}.mkv,clip{i},somebody{i // 4}" for i in range(12))]
    for side in ("real", "fake"):
        (sides / side / "list.csv").write_text("\n".join(rows) + "\n", encoding="utf-8-sig")
    found = scored(sides, "--metrics", "psnr", real="real/list.csv", fake="fake/list.csv")
    assert found["metrics"]["PSNR"]["identities"] == 3
    assert found["metrics"]["PSNR"]["ci95"] is None and "no intervals: 3 identities" in found["warnings"][0]


def test_unpaired_and_unequal_videos_are_said(sides):
    write_lossless(sides / "fake" / "p0" / "take0.mkv", iter(film(0)[:4]), fps=25)
    (sides / "fake" / "p1" / "take0.mkv").unlink()
    write_lossless(sides / "fake" / "extra.mkv", iter(film(50)), fps=25)
    found = scored(sides, "--metrics", "psnr")
    assert found["without_partner"] == {"real": ["p1/take0"], "fake": ["extra"]}
    first = found["clips"][0]
    assert (first["frames"], first["dropped_frames"], first["values"]["PSNR"]) == (4, 2, 100.0)
    assert any("unequal length" in text for text in found["warnings"])
    strict = scored(sides, "--metrics", "psnr", "--length", "strict", code=3)
    assert strict["clips"][0]["status"] == "failed" and "6 true and 4 generated" in strict["clips"][0]["reason"]


def test_size_makes_videos_of_other_sizes_comparable(sides):
    for i in range(12):
        path = sides / "fake" / f"p{i // 2}" / f"take{i % 2}.mkv"
        write_lossless(path, iter(np.repeat(np.repeat(film(i), 2, 1), 2, 2)), fps=25)
    assert "sizes differ" in run(sides / "real", sides / "fake", "--metrics", "psnr", "--no-cache", code=2).stderr
    assert scored(sides, "--metrics", "psnr", "--size", "24")["metrics"]["PSNR"]["value"] == 100.0


def test_frame_rates_are_resampled_by_time(sides):
    """Half the frames at half the rate show the same times: every second frame is repeated, none is shifted."""
    slow = film(0)[::2]
    write_lossless(sides / "fake" / "p0" / "take0.mkv", iter(slow), fps=12.5)
    found = scored(sides, "--metrics", "psnr")
    expected = np.repeat(slow, 2, axis=0)
    real = film(0)
    assert found["clips"][0]["frames"] == 6
    shown = np.stack(list(iter_frames(sides / "fake" / "p0" / "take0.mkv")))
    assert {bytes(f) for f in shown} <= {bytes(f) for f in expected}
    assert found["clips"][0]["values"]["PSNR"] == pytest.approx(metric("psnr").clip(real, shown, real[0]))


def test_a_corrupt_file_does_not_cost_the_others(sides):
    (sides / "fake" / "p2" / "take1.mkv").write_bytes(b"no video at all")
    found = scored(sides, "--metrics", PIXELS, code=3)
    failed = [row for row in found["clips"] if row["status"] == "failed"]
    assert [row["clip"] for row in failed] == ["p2/take1"] and "not a readable media file" in failed[0]["reason"]
    assert found["metrics"]["PSNR"]["n"] == 11


def test_against_another_method(sides):
    found = scored(sides, "--metrics", PIXELS, "--against", sides / "worse", "--identity", "^(p[0-9]+)/")
    better = found["comparison"]["PSNR"]
    assert better["difference"] > 0 and better["ci95"][0] > 0 and better["n"] == 12
    assert better["p"] == pytest.approx(2 / 2**6) and better["p_holm"] == pytest.approx(3 * 2 / 2**6)


def test_one_pair_is_enough(sides):
    for i in range(1, 12):
        (sides / "real" / f"p{i // 2}" / f"take{i % 2}.mkv").unlink()
    found = scored(sides, "--metrics", "psnr")
    assert found["metrics"]["PSNR"]["n"] == 1 and found["metrics"]["PSNR"]["ci95"] is None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["real", "empty"], "holds no video"),
        (["real", "nowhere"], "neither a folder of videos nor a manifest"),
        (["real", "others"], "no video of one side has its name"),
        (["real", "fake", "--metrics", "pnsr"], "no metric 'pnsr'"),
        (["real", "fake", "--length", "longest"], "--length must be one of"),
        (["real", "fake", "--tier", "best"], "--tier must be one of"),
        (["real", "fake", "--identity", "p[0-9]"], "no group"),
        (["real", "fake", "--identity", "(q)"], "does not match"),
        (["real", "fake", "-o", "score.txt"], "name a .json file"),
        (["real/bad.tsv", "fake"], "no column `path`"),
    ],
)
def test_unusable_input_is_one_sentence(sides, arguments, words):
    (sides / "empty").mkdir()
    (sides / "real" / "bad.tsv").write_text("file\nx.mkv\n")
    (sides / "others").mkdir()
    write_lossless(sides / "others" / "z.mkv", iter(film(0)), fps=25)
    paths = [sides / a if i < 2 else a for i, a in enumerate(arguments)]
    result = run(*paths, "--no-cache", code=2)
    errors = [line for line in result.stderr.splitlines() if line.startswith("error:")]
    assert len(errors) == 1 and words in errors[0]
    assert "Traceback" not in result.stderr


def test_two_files_of_one_name_are_refused(sides):
    shutil.copy(sides / "fake" / "p0" / "take0.mkv", sides / "fake" / "p0" / "take0.avi")
    assert "both called" in run(sides / "real", sides / "fake", "--no-cache", code=2).stderr


def test_metric_without_its_network_says_so(sides, monkeypatch):
    monkeypatch.delenv("SEMO_WEIGHTS", raising=False)
    found = scored(sides, "--metrics", "psnr,fid")
    assert "semo fetch" in found["not_run"]["FID"] and "FID" not in found["metrics"]
    assert "none of the metrics" in run(sides / "real", sides / "fake", "--metrics", "fid", "--no-cache", code=2).stderr


def test_default_is_every_usual_metric_that_can_run(sides, monkeypatch):
    monkeypatch.delenv("SEMO_WEIGHTS", raising=False)
    found = scored(sides)
    expected = {m.title for m in all_metrics().values() if m.tier in ("pixels", "bundled") and not m.variant_of}
    assert set(found["metrics"]) | set(found["not_run"]) == expected
    assert {"PSNR", "SSIM", "L1", "PSNR moving"} <= set(found["metrics"])


def test_help_is_quick():
    """Nothing heavy is imported to explain the options: measured in processor time of a fresh process."""
    code = "import sys; from semo.cli import app; app(['score', '--help'], standalone_mode=False); " \
           "print('heavy:', [m for m in ('torch', 'cv2', 'scipy', 'pandas', 'av') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip().endswith("heavy: []"), done.stdout[-300:] + done.stderr
