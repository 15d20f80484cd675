"""Run one method over one data set and task: `python -m semo.generate --help`.

Writes `<clip>.mkv` (lossless) per clip and, last, `run.json`. An interrupted run goes on where it stopped; a run asked
for with other weights, seed, steps or clips starts afresh. A clip that fails is recorded with its reason and does not
stop the others.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from baselines.inputs.clips import kind_of_faces
from baselines.method import (
    ClipContext,
    ClipFailure,
    Method,
    MethodUnavailable,
    clip_seed,
    make_method,
    trained_size,
)
from semo import provenance
from semo.annotations import annotate
from semo.clips import ClipSet
from semo.media import FPS, write_lossless
from semo.progress import progress
from semo.tasks import TASKS, Item, task_items, why_nothing

REQUEST = "request.json"
JOURNAL = "finished.tsv"
RECORD = "run.json"
WEIGHTS = (".safetensors", ".pth", ".pt", ".tar")
Made = tuple[int, float, float]  # frames, seconds, processor seconds


class GenerationError(RuntimeError):
    """Nothing usable was generated; the message is one sentence."""


@dataclass(frozen=True)
class Job:
    """One (task, data set, method)."""

    task: str
    method: str
    plugin: str
    clips: Path
    out: Path
    weights: Path | None = None
    seed: int = 0
    size: str = "mini"
    split: str = "test"
    max_clips: int = 0
    max_frames: int = 0
    device: str = "cpu"
    threads: int = 1
    options: dict[str, Any] = field(default_factory=dict)


class Clock:
    """Time spent making frames: the time inside a method less the time it waits for frames we read for it.

    `seconds` passed on the wall; `cpu_seconds` of the processor, which other programs on the machine hardly change.
    """

    def __init__(self, now: Callable[[], tuple[float, float]] = lambda: (time.perf_counter(), time.process_time())):
        self._now = now
        self._reading = [0.0, 0.0]
        self.seconds = 0.0
        self.cpu_seconds = 0.0

    def reading(self, frames: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        """The same frames; waiting for them is not counted."""
        frames = iter(frames)
        while True:
            start = self._now()
            frame = next(frames, None)
            self._reading = [r + now - then for r, now, then in zip(self._reading, self._now(), start, strict=True)]
            if frame is None:
                return
            yield frame

    def making(self, frames: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        """The same frames; waiting for them is counted."""
        frames = iter(frames)
        while True:
            start, before = self._now(), self._reading
            frame = next(frames, None)
            end, after = self._now(), self._reading
            self.seconds += end[0] - start[0] - (after[0] - before[0])
            self.cpu_seconds += end[1] - start[1] - (after[1] - before[1])
            if frame is None:
                return
            yield frame


def generate(job: Job) -> dict[str, Any]:
    """Do the job and return the record written to `run.json`.

    Raises GenerationError where every clip fails, ValueError for unknown ids. A method that cannot run at all, or a
    data set without anything for the task, is a record with `status: unavailable` and a reason, not an error.
    """
    clips = ClipSet(job.clips)
    method = make_method(job.plugin)
    items = task_items(job.task, clips, job.split, job.max_clips, job.max_frames)
    job.out.mkdir(parents=True, exist_ok=True)
    reason = why_nothing(job.task, job.split) if not items else _load(method, job)
    weights_hash = None
    if job.weights and _has_weights(job.weights):
        weights_hash = provenance.sha256_folder(job.weights, (*WEIGHTS, ".json"))
    request = _request(job, clips, weights_hash)
    finished = _resume(job.out, request)
    record = request | _facts(job, method, clips, reason)
    if reason:
        return _write_json(job.out / RECORD, record | {"status": "unavailable", "reason": reason})
    try:
        failed = _make_all(job, method, clips, items, finished)
    except MethodUnavailable as error:
        return _write_json(job.out / RECORD, record | {"status": "unavailable", "reason": str(error)})
    if len(failed) == len(items):
        raise GenerationError(
            f"{job.method}: all {len(items)} clips of {clips.dataset} failed in task {job.task}; "
            f"the first: {failed[0]['clip']}: {failed[0]['reason']}"
        )
    frames, seconds, cpu_seconds = (sum(values) for values in zip(*finished.values(), strict=True))
    return _write_json(
        job.out / RECORD,
        record
        | {
            "status": "complete",
            "clips": len(finished),
            "people": len({item.identity for item in items if item.id in finished}),
            "failed": failed,
            "longest": max(frames for frames, *_ in finished.values()),
            "frames": frames,
            "seconds": round(seconds, 4),
            "cpu_seconds": round(cpu_seconds, 4),
            "fps": round(frames / seconds, 3) if seconds > 0 else None,
            "peak_memory_mib": round(provenance.peak_memory_mib(), 1),
        },
    )


def label_of(method: str, name: str, size: str) -> str:
    """How tables print a method id: `semo` -> SeMo, `semo-released` -> SeMo-mini (released), `ablation-X` -> X."""
    if method.endswith("-released"):
        return f"{name}-{size} (released)"
    if method.startswith("ablation-"):
        return method.removeprefix("ablation-")
    return name if method == name.lower() else method


def label_of_rival(method: Method, size: str, weights: Path | None) -> str:
    """A published name belongs to the published weights alone: FOMM, but FOMM-mini and FOMM (retrained)."""
    if size == "mini":
        return getattr(method, "mini_name", method.name)
    return f"{method.name} (retrained)" if weights and trained_size(weights) else method.name


def _label(job: Job, method: Method) -> str:
    if job.method == job.plugin and hasattr(method, "mini_name"):
        return label_of_rival(method, job.size, job.weights)
    return label_of(job.method, method.name, job.size)


def _has_weights(folder: Path) -> bool:
    return folder.is_dir() and any(path.suffix in WEIGHTS for path in folder.rglob("*"))


def _load(method: Method, job: Job) -> str | None:
    """None, or why the method cannot run."""
    wanted = "talk" if job.task == "talk" else "reconstruct"
    if wanted not in method.tasks:
        return f"the method has no task `{wanted}`"
    try:
        method.load(job.weights, job.size, job.device)
    except MethodUnavailable as error:
        return str(error)
    return None


def _request(job: Job, clips: ClipSet, weights_hash: str | None) -> dict[str, Any]:
    """All that decides the frames: a finished clip is kept only while this stays the same."""
    return {
        "task": job.task,
        "dataset": clips.dataset,
        "clips_sha256": clips.sha256,
        "method": job.method,
        "plugin": job.plugin,
        "weights_sha256": weights_hash,
        "seed": job.seed,
        "size": job.size,
        "split": job.split,
        "max_clips": job.max_clips,
        "max_frames": job.max_frames,
        "options": {key: job.options[key] for key in sorted(job.options)},
        "device": job.device,
    }


def _facts(job: Job, method: Method, clips: ClipSet, reason: str | None) -> dict[str, Any]:
    return {
        "label": _label(job, method),
        "kind": "released" if job.method.endswith("-released") else method.kind,
        "labels": list(method.labels),
        "settings": {} if reason else method.settings(job.options),
        "native_fps": getattr(method, "fps", FPS),
        "faces": kind_of_faces(clips) if getattr(method, "needs_face", False) else None,
        "parameters": None if reason else _parameters(method, job.task),
        "device_name": provenance.device_name(job.device),
        "threads": job.threads,
        "versions": provenance.versions(),
    }


def _parameters(method: Method, task: str) -> int | None:
    """Parameters of the networks that the task uses; None for a method that counts none."""
    count = getattr(method, "parameters", None)
    return count(task) if count else None


def _resume(out: Path, request: dict[str, Any]) -> dict[str, Made]:
    """Clips finished by an earlier run of the same request: id -> what it took; clears the folder otherwise."""
    (out / RECORD).unlink(missing_ok=True)
    try:
        same = json.loads((out / REQUEST).read_text()) == request
    except (OSError, ValueError):
        same = False
    if not same:
        for path in [*out.glob("*.mkv"), out / JOURNAL]:
            path.unlink(missing_ok=True)
        _write_json(out / REQUEST, request)
    finished: dict[str, Made] = {}
    if (out / JOURNAL).is_file():
        for line in (out / JOURNAL).read_text().splitlines():
            cells = line.split("\t")  # the last, a dot, tells a whole line from one cut off by a kill
            if len(cells) == 5 and cells[4] == "." and (out / f"{cells[0]}.mkv").is_file():
                finished[cells[0]] = (int(cells[1]), float(cells[2]), float(cells[3]))
    return finished


def _make_all(
    job: Job, method: Method, clips: ClipSet, items: list[Item], finished: dict[str, Made]
) -> list[dict[str, str]]:
    """Make what is missing; extends `finished` and returns the failures."""
    failed: list[dict[str, str]] = []
    todo = [item for item in items if item.id not in finished]
    label = f"{job.method} {job.task}"
    with progress(len(items), "clips", label, done=len(items) - len(todo)) as bar:
        for item in todo:
            try:
                finished[item.id] = _make(job, method, clips, item)
            except MethodUnavailable:
                raise
            except Exception as error:  # one bad clip must not cost the others; all are reported
                reason = " ".join(str(error).split()) or type(error).__name__
                failed.append({"clip": item.id, "reason": reason})
                print(f"{label}: {item.id} failed: {reason}", file=sys.stderr, flush=True)
            bar.advance(1, failed=len(failed))
    return failed


def _make(job: Job, method: Method, clips: ClipSet, item: Item) -> Made:
    """Write one video; returns its frames and the seconds the method took."""
    clock = Clock()
    given = annotate(method, clips, item, job.split, clock.reading)
    context = ClipContext(item.id, clip_seed(job.seed, job.method, item.id), FPS, job.options, given)
    source = item.source_frame()
    audio = item.waveform() if item.has_audio else None
    if job.task == "talk":
        assert audio is not None  # task_items leaves out clips without sound
        frames = method.talk(source, audio, item.frames, context)
    else:
        frames = method.reconstruct(source, clock.reading(item.driving_frames()), context)
    path = job.out / f"{item.id}.mkv"
    write_lossless(path, _checked(clock.making(frames), source.shape, item.frames), fps=FPS, audio=audio)
    # The journal follows the rename: a line without its video, or a video without its line, is made again.
    with open(job.out / JOURNAL, "a") as journal:
        journal.write(f"{item.id}\t{item.frames}\t{clock.seconds:.6f}\t{clock.cpu_seconds:.6f}\t.\n")
    return item.frames, clock.seconds, clock.cpu_seconds


def _checked(frames: Iterator[np.ndarray], shape: tuple[int, ...], count: int) -> Iterator[np.ndarray]:
    """The same frames; raises ClipFailure unless there are `count`, uint8, of the source's shape."""
    made = 0
    for frame in frames:
        if frame.dtype != np.uint8 or frame.shape != shape:
            raise ClipFailure(f"frame {made} is {frame.dtype} {frame.shape}, not uint8 {shape}")
        made += 1
        if made > count:
            raise ClipFailure(f"the method made more than the {count} frames asked for")
        yield frame
    if made != count:
        raise ClipFailure(f"the method made {made} of {count} frames")


def _write_json(path: Path, value: dict[str, Any]) -> dict[str, Any]:
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    partial.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n")
    os.replace(partial, path)
    return value


def _option(text: str) -> tuple[str, Any]:
    key, separator, value = text.partition("=")
    if not separator or not key:
        raise argparse.ArgumentTypeError(f"{text!r} is not key=value")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


def parse(arguments: Sequence[str] | None = None) -> Job:
    parser = argparse.ArgumentParser(prog="python -m semo.generate", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--task", required=True, choices=TASKS)
    parser.add_argument("--method", required=True, help="id of the row in results, e.g. semo or ablation-T1D512")
    parser.add_argument("--plugin", help="folder of baselines/ that runs it (default: the method id)")
    parser.add_argument("--weights", type=Path, help="model folder, or folder of videos for `external`")
    parser.add_argument("--clips", type=Path, required=True, help="prepared clips of one data set")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--size", default="mini", choices=("mini", "official"))
    parser.add_argument("--split", default="test", help="people of this split (default: test)")
    parser.add_argument("--max-clips", type=int, default=0, help="0: all")
    parser.add_argument("--max-frames", type=int, default=0, help="0: all")
    parser.add_argument("--steps", type=int, help="sampler steps per frame (default: the model's)")
    parser.add_argument("--motion-steps", type=int, help="sampler steps per motion window (default: the model's)")
    parser.add_argument("--option", type=_option, action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args(arguments)
    options = dict(args.option)
    options |= {k: v for k, v in (("steps", args.steps), ("motion_steps", args.motion_steps)) if v is not None}
    return Job(
        task=args.task,
        method=args.method,
        plugin=args.plugin or args.method,
        clips=args.clips,
        out=args.out,
        weights=args.weights,
        seed=args.seed,
        size=args.size,
        split=args.split,
        max_clips=args.max_clips,
        max_frames=args.max_frames,
        device=args.device,
        threads=args.threads,
        options=options,
    )


def limit_threads(threads: int) -> None:
    """Make torch use `threads` threads, whether or not it is imported yet: more than the free cores is far slower."""
    os.environ["OMP_NUM_THREADS"] = str(threads)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)


def main(arguments: Sequence[str] | None = None) -> int:
    job = parse(arguments)
    limit_threads(job.threads)
    try:
        record = generate(job)
    except (GenerationError, ValueError, OSError) as error:
        print(f"semo.generate: {error}", file=sys.stderr)
        return 1
    if record["status"] != "complete":
        print(f"{job.method} {job.task}: not run: {record['reason']}")
        return 0
    speed = f"{record['fps']:.1f} frames/s" if record["fps"] else "no time measured"
    print(f"{job.method} {job.task}: {record['clips']} clips, {record['frames']} frames, {speed} -> {job.out}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
