"""The method contract, generation with resuming and failures, and evaluation, on tiny prepared clips."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import baselines.method
from baselines.method import ClipContext, ClipFailure, Method, MethodUnavailable, clip_seed, make_method, method_ids
from semo import generate as generation
from semo.clips import ClipSet
from semo.evaluate import EvaluationError, evaluate
from semo.evaluate import main as evaluate_main
from semo.generate import Clock, GenerationError, Job, generate, label_of
from semo.generate import main as generate_main
from semo.media import read_audio, read_frames, write_lossless
from semo.tasks import task_items
from tests.unit.fake_clips import FRAMES, SIZE, prepared, video

ROOT = Path(__file__).resolve().parents[2]
CLIPS = ["fake-p0-c0", "fake-p0-c1", "fake-p1-c0", "fake-p1-c1"]


class Shifted:
    """Driving frames made darker by the options' `by`; fails or stops on request; counts calls."""

    name = "Shifted"
    tasks = ("reconstruct", "talk")
    weights: tuple[str, ...] = ()
    sizes = ("mini",)
    labels = ("landmarks",)
    kind = "scratch"
    needs_truth = False
    made: list[str]
    seeds: dict[str, int]

    def __init__(self):
        self.made, self.seeds = [], {}

    def load(self, weights, size, device):
        pass

    def settings(self, options):
        return {"steps": options.get("steps", 1)}

    def reconstruct(self, source, driving, context):
        self.made.append(context.clip)
        self.seeds[context.clip] = context.seed
        for i, frame in enumerate(driving):
            if context.clip in context.options.get("fail", ()) and i == 3:
                raise ClipFailure("the motion ran away")
            if context.clip == context.options.get("interrupt"):
                raise KeyboardInterrupt
            yield np.maximum(frame, context.options.get("by", 1)) - context.options.get("by", 1)

    def talk(self, source, waveform, frames, context):
        assert waveform.dtype == np.float32 and len(waveform) == frames * 640
        for t in range(frames):
            yield np.full_like(source, int(np.abs(waveform[t * 640 : (t + 1) * 640]).max() * 255))


@pytest.fixture
def clips(tmp_path):
    return prepared(tmp_path / "clips")


@pytest.fixture
def shifted(monkeypatch):
    method = Shifted()
    monkeypatch.setattr(generation, "make_method", lambda name: method)
    return method


def job(clips: Path, out: Path, task: str = "reconstruct", plugin: str = "copy-reference", **more) -> Job:
    return Job(task=task, method=more.pop("method", plugin), plugin=plugin, clips=clips, out=out, **more)


def rows(path: Path) -> list[dict[str, str]]:
    with open(path) as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


# ---- the contract


def test_every_shipped_method_keeps_the_contract():
    assert {"copy-reference", "codec", "semo", "external"} <= set(method_ids())
    for name in method_ids():
        method = make_method(name)
        assert isinstance(method, Method)
        readme = Path(baselines.method.__file__).parent / name.replace("-", "_") / "README.md"
        assert readme.is_file(), f"{name} has no README.md"


def test_unknown_method():
    with pytest.raises(ValueError, match=r"no method 'fomn'.*copy-reference"):
        make_method("fomn")


def test_a_new_folder_is_a_new_method(clips, tmp_path, monkeypatch):
    """One folder makes a rival: listed, generated and measured without another change."""
    folder = tmp_path / "rivals" / "grey_rival"
    folder.mkdir(parents=True)
    (folder / "method.py").write_text(
        "from baselines.copy_reference.method import Method as Copy\n\n\n"
        "class Method(Copy):\n"
        "    name = 'Grey'\n"
        "    kind = 'scratch'\n\n"
        "    def reconstruct(self, source, driving, context):\n"
        "        return (source * 0 + 128 for _ in driving)\n"
    )
    monkeypatch.setattr(baselines, "__path__", [*baselines.__path__, str(folder.parent)])
    assert "grey-rival" in method_ids()
    record = generate(job(clips, tmp_path / "made", plugin="grey-rival"))
    assert (record["kind"], record["clips"]) == ("scratch", 4)
    assert evaluate("reconstruct", tmp_path / "made", clips, tmp_path / "m.tsv")[0]["psnr"] < 20


def test_a_folder_that_breaks_the_contract(tmp_path, monkeypatch):
    (tmp_path / "my_rival").mkdir()
    (tmp_path / "my_rival" / "method.py").write_text("class Method:\n    name = 'Rival'\n")
    monkeypatch.setattr(baselines, "__path__", [*baselines.__path__, str(tmp_path)])
    with pytest.raises(ValueError, match="class Method lacks tasks"):
        make_method("my-rival")


def test_context_is_frozen():
    context = ClipContext("c", 1, options={"steps": 2})
    with pytest.raises(AttributeError):
        context.seed = 2
    with pytest.raises(TypeError):
        context.options["steps"] = 3


def test_seeds_differ_by_run_method_and_clip_and_hold_across_processes():
    seeds = {clip_seed(r, m, c) for r in (0, 1) for m in ("semo", "codec") for c in ("a", "b")}
    assert len(seeds) == 8 and all(0 <= seed < 2**31 for seed in seeds)
    code = "from baselines.method import clip_seed; print(clip_seed(0, 'semo', 'fake-p0-c0'))"
    printed = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": str(h), "PYTHONPATH": str(ROOT)},
        ).stdout.strip()
        for h in (1, 2)
    }
    assert printed == {str(clip_seed(0, "semo", "fake-p0-c0"))}


def test_labels():
    assert label_of("semo", "SeMo", "mini") == "SeMo"
    assert label_of("semo-released", "SeMo", "mini") == "SeMo-mini (released)"
    assert label_of("ablation-T1D4", "SeMo", "mini") == "T1D4"
    assert label_of("their-method", "external", "mini") == "their-method"


# ---- tasks


def test_limits_take_as_many_people_as_possible(clips):
    items = task_items("reconstruct", ClipSet(clips), "test", max_clips=2, max_frames=4)
    assert [item.id for item in items] == ["fake-p0-c0", "fake-p1-c0"]
    assert all(item.frames == 4 and len(list(item.true_frames())) == 4 for item in items)


def test_cross_pairs_join_source_motion_and_truth(clips):
    (item,) = task_items("cross", ClipSet(clips), "test", 0, 0)
    assert (item.id, item.identity) == ("pair0", "p0")
    assert np.array_equal(item.source_frame(), video(0, 0)[0])
    assert np.array_equal(np.stack(list(item.driving_frames())), video(1, 1))
    assert np.array_equal(np.stack(list(item.true_frames())), video(0, 1))


def test_unknown_task(clips):
    with pytest.raises(ValueError, match="no task 'sing'"):
        task_items("sing", ClipSet(clips), "test", 0, 0)


# ---- generation


def test_copy_reference_from_command_line_to_metrics(clips, tmp_path, capsys):
    out, table = tmp_path / "made", tmp_path / "metrics" / "copy-reference.tsv"
    common = ["--clips", str(clips)]
    assert generate_main(["--task", "reconstruct", "--method", "copy-reference", "--out", str(out), *common]) == 0
    assert "4 clips, 40 frames" in capsys.readouterr().out
    record = json.loads((out / "run.json").read_text())
    assert record["status"] == "complete" and record["failed"] == []
    assert (record["clips"], record["people"], record["frames"], record["longest"]) == (4, 2, 40, 10)
    assert record["weights_sha256"] is None and record["kind"] == "bound" and record["fps"] > 0
    assert evaluate_main(["--task", "reconstruct", "--generated", str(out), "--out", str(table), *common]) == 0
    found = rows(table)
    assert [row["clip"] for row in found] == CLIPS
    assert list(found[0])[:3] == ["clip", "identity", "frames"]
    assert {"l1", "psnr", "psnr_moving", "ssim", "pd_corpus"} <= set(found[0])
    assert found[0]["identity"] == "p0" and 0 < float(found[0]["psnr"]) < 100
    beside = json.loads(table.with_suffix(".json").read_text())
    assert beside["run"] == record and beside["metrics"]["psnr"]["protocol"] == "psnr-frame-mean-cap100"
    assert beside["tier"] == "bundled" and beside["metrics"]["fd_corpus"]["weights_sha256"]
    assert beside["sets"]["fd_corpus"]["clips"] == len(found) and not beside["not_run"]


def test_frames_are_lossless_and_carry_the_sound(clips, tmp_path, shifted):
    generate(job(clips, tmp_path / "made", plugin="shifted", options={"by": 3}))
    made = read_frames(tmp_path / "made" / "fake-p1-c1.mkv")
    assert np.array_equal(made, np.maximum(video(1, 1), 3) - 3)
    assert len(read_audio(tmp_path / "made" / "fake-p1-c1.mkv")) == FRAMES * 640


def test_perfect_frames_score_perfectly(clips, tmp_path, shifted):
    generate(job(clips, tmp_path / "made", plugin="shifted", options={"by": 0}))
    found = evaluate("reconstruct", tmp_path / "made", clips, tmp_path / "m.tsv")
    assert all((row["psnr"], row["ssim"], row["l1"], row["psnr_moving"]) == (100.0, 1.0, 0.0, 100.0) for row in found)


def test_talk_gets_source_and_sound(clips, tmp_path, shifted):
    record = generate(job(clips, tmp_path / "made", task="talk", plugin="shifted", max_frames=4))
    assert record["frames"] == 16 and record["settings"] == {"steps": 1}
    assert read_frames(tmp_path / "made" / "fake-p0-c0.mkv").shape == (4, SIZE, SIZE, 3)
    assert evaluate("talk", tmp_path / "made", clips, tmp_path / "m.tsv")[0]["frames"] == 4


def test_cross_is_measured_against_the_rendered_truth(clips, tmp_path, shifted):
    generate(job(clips, tmp_path / "made", task="cross", plugin="shifted", options={"by": 0}))
    (row,) = evaluate("cross", tmp_path / "made", clips, tmp_path / "m.tsv")
    assert row["clip"] == "pair0" and "psnr" not in row
    assert row["l1"] == pytest.approx(np.abs(video(1, 1) / 255.0 - video(0, 1) / 255.0).mean())


def test_seed_belongs_to_run_method_and_clip(clips, tmp_path, shifted):
    generate(job(clips, tmp_path / "a", plugin="shifted", seed=5))
    assert shifted.seeds == {clip: clip_seed(5, "shifted", clip) for clip in CLIPS}


def test_one_bad_clip_is_recorded_and_the_rest_measured(clips, tmp_path, shifted):
    record = generate(job(clips, tmp_path / "made", plugin="shifted", options={"fail": [CLIPS[1]]}))
    assert record["failed"] == [{"clip": CLIPS[1], "reason": "the motion ran away"}]
    assert record["clips"] == 3 and not (tmp_path / "made" / f"{CLIPS[1]}.mkv").exists()
    assert not list((tmp_path / "made").glob(".*partial*")), "nothing half-written"
    assert len(evaluate("reconstruct", tmp_path / "made", clips, tmp_path / "m.tsv")) == 3


def test_all_clips_bad_is_an_error(clips, tmp_path, shifted, capsys, monkeypatch):
    with pytest.raises(GenerationError, match="all 4 clips of fake failed.*ran away"):
        generate(job(clips, tmp_path / "made", plugin="shifted", options={"fail": CLIPS}))
    assert not (tmp_path / "made" / "run.json").exists()


def test_an_interrupted_run_goes_on_where_it_stopped(clips, tmp_path, shifted, monkeypatch):
    wanted = job(clips, tmp_path / "made", plugin="shifted")
    original = Shifted.reconstruct

    def interrupted(self, source, driving, context):
        if context.clip == CLIPS[2]:
            raise KeyboardInterrupt
        return original(self, source, driving, context)

    monkeypatch.setattr(Shifted, "reconstruct", interrupted)
    with pytest.raises(KeyboardInterrupt):
        generate(wanted)
    assert not (tmp_path / "made" / "run.json").exists()
    times = {clip: (tmp_path / "made" / f"{clip}.mkv").stat().st_mtime_ns for clip in CLIPS[:2]}
    monkeypatch.setattr(Shifted, "reconstruct", original)
    shifted.made.clear()
    record = generate(wanted)
    assert shifted.made == CLIPS[2:] and record["clips"] == 4 and record["frames"] == 40
    assert times == {clip: (tmp_path / "made" / f"{clip}.mkv").stat().st_mtime_ns for clip in CLIPS[:2]}


def test_another_request_starts_afresh(clips, tmp_path, shifted):
    generate(job(clips, tmp_path / "made", plugin="shifted"))
    shifted.made.clear()
    generate(job(clips, tmp_path / "made", plugin="shifted"))
    assert shifted.made == [], "the same request makes nothing anew"
    generate(job(clips, tmp_path / "made", plugin="shifted", seed=1))
    assert shifted.made == CLIPS
    generate(job(clips, tmp_path / "made", plugin="shifted", seed=1, max_clips=2))
    assert len(list((tmp_path / "made").glob("*.mkv"))) == 2


def test_wrong_frames_are_refused(clips, tmp_path, shifted, monkeypatch):
    for make, message in (
        (lambda self, s, d, c: iter([s] * (FRAMES - 1)), "made 9 of 10 frames"),
        (lambda self, s, d, c: iter([s] * (FRAMES + 1)), "more than the 10 frames"),
        (lambda self, s, d, c: iter([s[:16]] * FRAMES), "not uint8"),
        (lambda self, s, d, c: iter([s / 255.0] * FRAMES), "float64"),
    ):
        monkeypatch.setattr(Shifted, "reconstruct", make)
        with pytest.raises(GenerationError, match=message):
            generate(job(clips, tmp_path / "made", plugin="shifted"))


def test_a_method_that_cannot_run_says_why(clips, tmp_path, shifted, monkeypatch, capsys):
    def unavailable(self, weights, size, device):
        raise MethodUnavailable("its weights are not here")

    monkeypatch.setattr(Shifted, "load", unavailable)
    record = generate(job(clips, tmp_path / "made", plugin="shifted"))
    assert (record["status"], record["reason"]) == ("unavailable", "its weights are not here")
    assert evaluate("reconstruct", tmp_path / "made", clips, tmp_path / "m.tsv") == []
    assert rows(tmp_path / "m.tsv") == []
    assert json.loads((tmp_path / "m.json").read_text())["run"]["reason"] == "its weights are not here"


def test_tasks_without_clips(tmp_path):
    silent = prepared(tmp_path / "silent", sound=False, cross=False)
    assert "with sound" in generate(job(silent, tmp_path / "a", task="talk"))["reason"]
    assert "cross-identity" in generate(job(silent, tmp_path / "b", task="cross"))["reason"]


def test_time_of_reading_is_not_counted():
    now = [0.0]

    def tick(seconds, frames):
        for frame in frames:
            now[0] += seconds
            yield frame

    clock = Clock(now=lambda: (now[0], now[0] / 2))
    frame = np.zeros(1)
    assert len(list(clock.making(tick(2.0, clock.reading(tick(30.0, [frame] * 5)))))) == 5
    assert clock.seconds == pytest.approx(10.0) and clock.cpu_seconds == pytest.approx(5.0)


# ---- bounds and videos made elsewhere


def test_codec_bound_gets_the_truth_also_across_identities(clips, tmp_path, monkeypatch):
    from baselines.codec.method import Method as Codec

    class Halved:
        def encode_decode(self, frames):
            return frames // 2 * 2

    monkeypatch.setattr(Codec, "load", lambda self, *a: setattr(self, "_pipeline", Halved()))
    generate(job(clips, tmp_path / "made", task="cross", plugin="codec"))
    assert np.array_equal(read_frames(tmp_path / "made" / "pair0.mkv"), video(0, 1) // 2 * 2)


def test_codec_without_a_model(clips, tmp_path):
    assert "model folder" in generate(job(clips, tmp_path / "made", plugin="codec"))["reason"]


def test_external_videos(clips, tmp_path, capsys):
    theirs = tmp_path / "theirs"
    write_lossless(theirs / "fake-p0-c0.mkv", video(0, 0))
    write_lossless(theirs / "fake-p0-c1.mkv", video(0, 1, FRAMES - 2))
    write_lossless(theirs / "fake-p1-c0.mkv", np.repeat(np.repeat(video(1, 0, FRAMES + 5), 2, 1), 2, 2))
    record = generate(job(clips, tmp_path / "made", plugin="external", method="theirs", weights=theirs))
    assert record["label"] == "theirs" and record["weights_sha256"] is None
    reasons = {entry["clip"]: entry["reason"] for entry in record["failed"]}
    assert reasons["fake-p0-c1"] == "fake-p0-c1.mkv has 8 frames at 25 fps, the clip 10"
    assert reasons["fake-p1-c1"] == "no video fake-p1-c1.* in the folder theirs"
    found = {row["clip"]: row for row in evaluate("reconstruct", tmp_path / "made", clips, tmp_path / "m.tsv")}
    assert found["fake-p0-c0"]["psnr"] == 100.0 and found["fake-p1-c0"]["psnr"] == 100.0


def test_external_folder_missing_or_ambiguous(clips, tmp_path):
    record = generate(job(clips, tmp_path / "made", plugin="external", weights=tmp_path / "nowhere"))
    assert "does not exist" in record["reason"]
    for suffix in ("mkv", "avi"):
        write_lossless(tmp_path / "twice" / f"fake-p0-c0.{suffix}", video(0, 0))
    with pytest.raises(GenerationError, match="2 videos are called"):
        generate(job(clips, tmp_path / "made", plugin="external", weights=tmp_path / "twice", max_clips=1))


# ---- evaluation refuses what does not belong together


def test_unequal_lengths(clips, tmp_path):
    generate(job(clips, tmp_path / "made"))
    write_lossless(tmp_path / "made" / f"{CLIPS[0]}.mkv", video(0, 0, FRAMES - 1))
    with pytest.raises(EvaluationError, match="has 9 frames and the truth 10"):
        evaluate("reconstruct", tmp_path / "made", clips, tmp_path / "m.tsv")
    write_lossless(tmp_path / "made" / f"{CLIPS[0]}.mkv", video(0, 0, FRAMES + 4))
    with pytest.raises(EvaluationError, match="has 14 frames and the truth 10"):
        evaluate("reconstruct", tmp_path / "made", clips, tmp_path / "m.tsv")
    assert not (tmp_path / "m.tsv").exists()


def test_other_clips_and_missing_videos(clips, tmp_path, capsys):
    generate(job(clips, tmp_path / "made"))
    (tmp_path / "made" / f"{CLIPS[0]}.mkv").unlink()
    with pytest.raises(EvaluationError, match="is missing"):
        evaluate("reconstruct", tmp_path / "made", clips, tmp_path / "m.tsv")
    others = prepared(tmp_path / "others", people=3)
    with pytest.raises(EvaluationError, match="from other clips"):
        evaluate("reconstruct", tmp_path / "made", others, tmp_path / "m.tsv")
    arguments = ["--task", "talk", "--generated", str(tmp_path / "made"), "--clips", str(clips), "--out", "m.tsv"]
    assert evaluate_main(arguments) == 1
    assert "holds task reconstruct, not talk" in capsys.readouterr().err


def test_values_do_not_depend_on_chunks(clips, tmp_path, monkeypatch, shifted):
    generate(job(clips, tmp_path / "made", plugin="shifted", options={"by": 7}))
    evaluate("reconstruct", tmp_path / "made", clips, tmp_path / "whole.tsv")
    monkeypatch.setattr("semo.measure.CHUNK", 3)
    evaluate("reconstruct", tmp_path / "made", clips, tmp_path / "chunks.tsv")
    assert (tmp_path / "whole.tsv").read_text() == (tmp_path / "chunks.tsv").read_text()


def test_bad_option_and_missing_clips(tmp_path, capsys):
    with pytest.raises(SystemExit):
        generate_main(["--task", "talk", "--method", "semo", "--clips", "c", "--out", "o", "--option", "steps"])
    assert "not key=value" in capsys.readouterr().err
    out = str(tmp_path / "made")
    assert generate_main(["--task", "talk", "--method", "copy-reference", "--clips", str(tmp_path), "--out", out]) == 1
    assert "holds no manifest.tsv" in capsys.readouterr().err
