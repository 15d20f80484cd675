"""What stands before and after the tables: the short answer, and the protocol that made the numbers."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from semo.metrics import Metric, all_metrics, metric
from semo.report.definitions import ROLE_NAMES, Ablation, Table
from semo.report.markdown import NO_BREAK, escape, grid
from semo.report.measurements import Measured, Results
from semo.report.rows import Block
from semo.stats import MIN_PEOPLE, Estimate, kendall_tau, paired_difference

INTRO = """\
Every number here was computed by this repository from what it generated itself. Blocks headed *Paper, their data*
repeat the paper's printed numbers: other data, other clips, other size, so they stand beside ours and are never
compared cell by cell; [audit.md](audit.md) holds them against each other. What depends on the clock is in
[speed.md](speed.md); everything here is the same in two runs on one machine.

A cell reads: mean, below it [95 % interval]; n clips/people is that of the column's head, or stands in the cell where
it differs. ↑ higher is better, ↓ lower is better. Bold is the best mean among methods trained alike in this run;
intervals may overlap. *Italic* rows are no methods. Bounds:
copy-reference repeats the source frame, codec encodes and decodes the truth. Controls, which nobody made from the
sound: other-motion moves the portrait as another person's clip, mean-motion holds the mean motion of training. Rows
marked (released) come from longer training. A cell without a number says `not run`, and
the note of its letter why.

Abbreviations: PSNR, peak signal-to-noise ratio in dB; PSNR moving, the same on pixels that differ from the source
frame; PSNR cross, one person driven by another, against the rendered truth; SSIM, structural similarity; L1, mean
absolute difference; FID, Fréchet inception distance; FVD, Fréchet video distance; LPIPS, learned perceptual image patch
similarity; Sync-C and Sync-D, lip-sync confidence and distance; T1D512, one motion token of 512 values. {tier}"""

TIER_NOTES = {
    "bundled": "In the places of FID, FVD, LPIPS, Sync-C and Sync-D stand FD-corpus, FD-corpus-clip (Fréchet distances "
    "of frames and of 16-frame windows), PD-corpus (perceptual distance), AVC-corpus and AVD-corpus (audio-visual "
    "confidence and distance): the same kinds of measure on small networks that this project trained on rendered "
    "faces. Their numbers cannot be compared with those of the official networks.",
    "compact": "In the places of FID, FVD and Sync-C stand FD-squeeze (SqueezeNet), FD-lrasd (LR-ASD on 16-frame "
    "windows) and AV-lrasd (its speaking score): the same kinds of measure on small permissive networks. Their numbers "
    "cannot be compared with those of the official networks.",
    "reference": "The networks behind them are the official ones.",
}

ABLATION_NOTE = (
    "All runs of a table share data, seed and steps. Runs this short ({steps} steps) show whether training works and "
    "effects of about half a dB and more, such as masking and dimensions below the number of true motion parameters; "
    "they cannot rank 32 to 1024 dimensions or 1 to 8 tokens, where the paper's rows differ by 0.05 to 1 dB after "
    "training to convergence."
)


def intro(results: Results) -> str:
    """What stands above the tables."""
    lines = INTRO.format(tier=TIER_NOTES.get(results.tier, "")).split("\n\n")
    return "\n\n".join(textwrap.fill(part, 120, break_long_words=False, break_on_hyphens=False) for part in lines)


def in_short(results: Results) -> list[str]:
    """Gain over copying, per data set, with intervals: the first thing a reader wants."""
    header = ["Gain over copy-reference, dB", "moving pixels", "moving pixels, cross-identity"]
    rows = []
    for name in ("semo", "semo-released"):
        for dataset in dict.fromkeys(results.roles.values()):
            found = [results.measured(task, dataset, name) for task in ("reconstruct", "cross")]
            if not any(found):
                continue
            label = next(m for m in found if m).record["label"]
            gains = [_gain(results, task, dataset, name) for task in ("reconstruct", "cross")]
            rows.append([f"{escape(label)}, {escape(dataset)}", *(_signed(gain) for gain in gains)])
    lines = ["## In short", "", *grid(header, rows)] if rows else ["## In short", ""]
    used = [(t, t.last("motion_use_db")) for t in results.training if t.run == "semo"]
    texts = [f"{value:+.2f} dB after {t.stage}" for t, value in used if value is not None]
    if texts:
        lines += ["", f"Motion tokens shuffled between clips cost SeMo, in PSNR: {', '.join(texts)}."]
    return lines


def protocol(results: Results, shown: set[str]) -> list[str]:
    """Data, methods and training behind the tables, and definitions of the metrics `shown` in them."""
    metrics = [m for m in all_metrics().values() if m.name in shown]
    return [
        "## Protocol",
        "",
        f"Scale `{escape(str(results.config.get('scale', '?')))}`, seed {results.config.get('seed', '?')}, "
        f"{results.config.get('frame_size', '?')} px, 25 frames/s. Source = frame 0 of the clip (cross: frame 0 of "
        f"person A's clip, motion of person B); {_length(results)}; test people are never in training. Intervals: "
        f"bootstrap over people, then over their clips, 2,000 draws, fixed seed, at least {MIN_PEOPLE} people.",
        "",
        *_folded("Data sets, as prepared for this run", _data(results)),
        *_folded("Methods: weights, samplers, machine", _methods(results)),
        *_folded("Training runs", _training(results)),
        *_folded("Definitions of the metrics", _definitions(results, metrics)),
    ]


def _folded(title: str, lines: list[str]) -> list[str]:
    """Opens at a click: what proves a number is long, and seldom what a reader came for."""
    return ["<details>", f"<summary>{title}</summary>", "", *lines, "", "</details>", ""]


def _definitions(results: Results, metrics: Sequence[Metric]) -> list[str]:
    rows = [[f"{m.label} {m.arrow}", f"{escape(m.variant)} (`{m.protocol}`)", *_network(results, m)] for m in metrics]
    return grid(["Metric", "Definition", "Network", "Weights sha256"], rows, numbers=False)


def ranking(table: Table, role: str, blocks: Sequence[Block]) -> str | None:
    """Kendall's tau between our ranking and the paper's in each column both have; None below three common methods."""
    ours, paper = (
        next((b for b in blocks if b.source == source and b.role == role), None) for source in ("run", "paper")
    )
    if ours is None or paper is None:
        return None
    texts = []
    for column in table.columns:
        mine = next((c for c in ours.columns if c.task == column.task and stands_for(c.metric) == column.metric), None)
        if mine is None or column not in paper.columns:
            continue
        found = kendall_tau(
            {row.id: row.cells[mine].value for row in ours.rows if row.cells[mine].value is not None},
            {row.id: float(row.cells[column].text) for row in paper.rows if row.cells[column].text},
        )
        if found:
            texts.append(f"{metric(mine.metric).title} {found[0]:+.2f} (n {found[1]})")
    return f"Kendall's tau between this run's ranking and the paper's: {', '.join(texts)}." if texts else None


def stands_for(name: str) -> str:
    """The column of the paper that a metric fills."""
    return metric(name).stands_for or name


def _network(results: Results, m: Metric) -> list[str]:
    """Its network with tier, and the hash of the weights behind this run's numbers."""
    if not m.network:
        return ["none", "-"]
    records = (measured.metrics.get(m.name, {}) for *_, measured in _records(results))
    found = sorted({record["weights_sha256"][:12] for record in records if record.get("weights_sha256")})
    return [f"{m.network} ({m.tier})", ", ".join(f"`{sha}`" for sha in found) or "not run"]


def ablation_note(results: Results, ablations: list[Ablation], number: int) -> str:
    """Same-steps note of Tables 5-7."""
    steps = results.config.get("budgets", {}).get("ablation_steps", "?")
    fixed = {a.settings.get("motion_norm") for a in ablations if number in a.tables}
    norm = f" Motion normalisation: {', '.join(sorted(str(n) for n in fixed))}." if fixed else ""
    return ABLATION_NOTE.format(steps=steps) + norm


def against_reference(table: Table, results: Results, ablations: list[Ablation]) -> list[str]:
    """Differences to the table's reference run on the same clips, as Markdown lines; empty where nothing compares."""
    lines = []
    for role in table.roles:
        reference = results.measured(table.task, results.roles.get(role, ""), f"ablation-{table.reference}")
        texts = []
        for run in (a.run for a in ablations if table.number in a.tables and a.run != table.reference):
            other = results.measured(table.task, results.roles.get(role, ""), f"ablation-{run}")
            if reference and other and reference.values("psnr").keys() & other.values("psnr").keys():
                gain = paired_difference(other.values("psnr"), reference.values("psnr"), reference.people)
                texts.append(f"{escape(table.labels.get(run, run))} {_inline(gain)}")
        if texts:
            name = escape(table.labels.get(table.reference, table.reference))
            lines.append(f"PSNR minus that of {name} on the same clips, dB: {'; '.join(texts)}.")
    return lines


def _inline(gain: Estimate) -> str:
    interval = f" \\[{gain.low:+.2f}, {gain.high:+.2f}\\]" if gain.low is not None and gain.high is not None else ""
    return f"{gain.mean:+.2f}{interval}"


def _gain(results: Results, task: str, dataset: str, name: str) -> Estimate | None:
    ours, copy = results.measured(task, dataset, name), results.measured(task, dataset, "copy-reference")
    if not ours or not copy:
        return None
    first, second = ours.values("psnr_moving"), copy.values("psnr_moving")
    return paired_difference(first, second, copy.people) if first.keys() & second.keys() else None


def _signed(gain: Estimate | None) -> str:
    if gain is None:
        return "not run: no measurement"
    known = gain.low is not None and gain.high is not None
    interval = f"[{gain.low:+.2f},{NO_BREAK}{gain.high:+.2f}] " if known else ""
    return f"{gain.mean:+.2f}<br><sub>{interval}n {gain.clips}/{gain.people}</sub>"


def _role(role: str) -> str:
    return ROLE_NAMES.get(role, role)


def _length(results: Results) -> str:
    frames = results.config.get("budgets", {}).get("eval_frames", 0)
    clips = results.config.get("budgets", {}).get("eval_clips", 0)
    length = f"the first {frames} frames" if frames else "all frames"
    return f"{length} of {clips if clips else 'all'} test clips per data set"


def _records(results: Results) -> list[tuple[str, str, str, Measured]]:
    found = []
    for name in [*results.methods, *results.externals("reconstruct")]:
        for task in ("reconstruct", "cross", "talk"):
            for role, dataset in results.roles.items():
                if measured := results.measured(task, dataset, name):
                    found.append((name, task, role, measured))
    return found


def _data(results: Results) -> list[str]:
    rows = []
    for role, dataset in results.roles.items():
        found = [m for _, _, r, m in _records(results) if r == role]
        done = [m for m in found if m.record["status"] == "complete"]
        manifest = f"`{found[0].record['clips_sha256'][:12]}`" if found else "not run: no measurement"
        most = max((m.record["clips"] for m in done), default=0)
        failed = sum(len(m.record["failed"]) for m in done)
        rows.append([_role(role), escape(dataset), manifest, str(most), str(failed)])
    return grid(["Stands for", "Data set", "Manifest sha256", "Clips", "Failed"], rows, numbers=False)


def _methods(results: Results) -> list[str]:
    """One row for the tasks that a method did alike."""
    tasks: dict[tuple[str, ...], list[str]] = {}
    for _, task, _, measured in _records(results):
        record = measured.record
        weights = f"`{record['weights_sha256'][:12]}`" if record["weights_sha256"] else "none"
        sampler = ", ".join(f"{key} {value}" for key, value in record["settings"].items()) or "-"
        device = f"{record['device_name']}, {record['threads']} thread{'s' if record['threads'] != 1 else ''}"
        done = tasks.setdefault((escape(record["label"]), weights, escape(sampler), escape(device)), [])
        done += [task] if task not in done else []
    rows = [[label, ", ".join(done), weights, *facts] for (label, weights, *facts), done in tasks.items()]
    return grid(["Method", "Tasks", "Weights sha256", "Sampler and training", "Machine"], rows, numbers=False)


def _training(results: Results) -> list[str]:
    rows = []
    for run in results.training:
        use = run.last("motion_use_db")
        step = run.last("step")
        rows.append(
            [
                escape(run.run),
                escape(run.stage),
                f"{int(step):,}" if step is not None else "-",
                f"{use:+.2f}" if use is not None else "-",
            ]
        )
    return grid(["Training run", "Stage", "Steps", "Motion use, dB"], rows) if rows else ["No training in this run."]
