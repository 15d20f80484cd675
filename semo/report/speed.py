"""Everything that depends on the clock: reports/speed.md and results/tables/speed.tsv."""

from __future__ import annotations

from pathlib import Path

from semo import provenance
from semo.report.capabilities import REAL_TIME, generation_speed, undisturbed_speed
from semo.report.markdown import escape, grid
from semo.report.measurements import Measured, Results

TIMED_TASKS = ("reconstruct", "talk")
NOTE = """\
Measured in the run at hand, so two runs differ; compare the column *of codec*, not seconds, between machines.
Generation counts the time a method takes per frame (codec and sampler included), not reading or writing videos.
*Undisturbed* is frames per second of processor time where one CPU thread works, what the machine gives when nothing
else runs on it; otherwise it repeats the measured speed. Real-time means at least 25 of those per second, at the frame
size of this run on the device named."""


def speed_rows(results: Results) -> list[dict[str, str]]:
    """One row per (task, method) with frames per second over all data sets."""
    rows = []
    for task in TIMED_TASKS:
        done = {name: _complete(results, task, name) for name in results.methods}
        speeds = {name: speed for name, found in done.items() if found and (speed := undisturbed_speed(found))}
        for name, speed in speeds.items():
            record = done[name][0].record
            rows.append(
                {
                    "task": task,
                    "method": record["label"],
                    "frames": str(sum(m.record["frames"] for m in done[name])),
                    "seconds": f"{sum(m.record['seconds'] for m in done[name]):.2f}",
                    "frames_per_s": f"{generation_speed(done[name]) or 0:.1f}",
                    "undisturbed": f"{speed:.1f}",
                    "of_codec": f"{speed / speeds['codec']:.2g}" if "codec" in speeds else "",
                    "real_time": "yes" if speed >= REAL_TIME else "no",
                    "peak_memory_mib": f"{max(m.record['peak_memory_mib'] for m in done[name]):.0f}",
                    "threads": str(record["threads"]),
                    "device": record["device_name"],
                }
            )
    return rows


def _complete(results: Results, task: str, name: str) -> list[Measured]:
    found = (results.measured(task, dataset, name) for dataset in dict.fromkeys(results.roles.values()))
    return [m for m in found if m and m.record["status"] == "complete"]


def training_rows(results: Results) -> list[list[str]]:
    """Run, stage, steps, seconds, samples per second."""
    rows = []
    for run in results.training:
        step, seconds, rate = (run.last(column) for column in ("step", "seconds", "samples_per_s"))
        rows.append(
            [
                escape(run.run),
                escape(run.stage),
                f"{int(step):,}" if step is not None else "-",
                f"{seconds:.0f}" if seconds is not None else "-",
                f"{rate:.0f}" if rate is not None else "-",
            ]
        )
    return rows


def speed_page(results: Results, root: Path) -> str:
    """The Markdown of speed.md."""
    rows = speed_rows(results)
    cells = [
        [
            row["task"],
            escape(row["method"]),
            row["frames_per_s"],
            row["undisturbed"],
            row["of_codec"] or "-",
            row["real_time"],
            row["frames"],
            row["seconds"],
            row["peak_memory_mib"],
            f"{escape(row['device'])}, {row['threads']}",
        ]
        for row in rows
    ]
    header = [
        "Task",
        "Method",
        "Frames/s",
        "undisturbed",
        "of codec",
        "Real-time",
        "Frames",
        "Seconds",
        "Peak memory, MiB",
        "Device, threads",
    ]
    lines = ["# Speed", "", NOTE, "", "## Generation", ""]
    lines += grid(header, cells) if cells else ["not run: no method was timed in this run"]
    training = training_rows(results)
    lines += ["", "## Training", ""]
    lines += (
        grid(["Run", "Stage", "Steps", "Seconds", "Samples/s"], training)
        if training
        else ["not run: nothing was trained in this run"]
    )
    versions = ", ".join(f"{name} {number}" for name, number in provenance.versions().items())
    lines += ["", f"Source {provenance.revision(root)}; {escape(versions)}; {escape(provenance.cpu_model())}.", ""]
    return "\n".join(lines)
