"""`semo study build` and `semo study tally`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

study = typer.Typer(no_args_is_help=True, help="A user study of generated videos, as in Figure 8 of the paper.")


@study.command()
def build(
    methods: Annotated[str, typer.Option(help="comma-separated ids of methods, such as semo,hallo2,echomimic")],
    dataset: Annotated[str, typer.Option(help="data set of the videos")],
    out: Annotated[Path, typer.Option("--out", "-o", help="folder of the page; its key is written beside it")],
    results: Annotated[Path, typer.Option(help="results of a run")] = Path("results"),
    task: Annotated[str, typer.Option(help="talk, reconstruct or cross")] = "talk",
    clips: Annotated[int, typer.Option(min=1, help="clips, drawn among those with sound")] = 20,
    forms: Annotated[
        int, typer.Option(min=1, help="forms; give each rater the address of one, ?form=1, ?form=2, ...")
    ] = 8,
    trials: Annotated[int, typer.Option(min=1, help="pairs in a form")] = 24,
    checks: Annotated[int, typer.Option(min=0, help="attention checks in a form")] = 2,
    seed: Annotated[int, typer.Option(min=0)] = 0,
) -> None:
    """Make a page that shows blinded pairs of videos and saves the answers as a file."""
    from semo.cli import one_sentence

    with one_sentence():
        from semo.study.build import Plan, generated
        from semo.study.build import build as make

        chosen = [name.strip() for name in methods.split(",") if name.strip()]
        plan = Plan(generated(results, task, dataset, chosen), clips, forms, trials, checks, seed)
        page, key = make(plan, out)
        print(f"{page}/index.html: {forms} forms of {trials} pairs and {checks} checks; keep {key} to yourself")


@study.command()
def tally(
    answers: Annotated[list[Path], typer.Argument(help="files that raters saved")],
    key: Annotated[Path, typer.Option(help="what `build` wrote beside the page")],
    out: Annotated[Path, typer.Option("--out", "-o", help="tally.json; the plot is written beside it as .png")],
) -> None:
    """Count answers: win rates with 95 % intervals, agreement of the raters, the plot of Figure 8."""
    from semo.cli import one_sentence

    with one_sentence():
        from semo.study.figure import draw
        from semo.study.tally import tally as count
        from semo.video_writer import replaced_when_complete

        counted = count(answers, key)
        for dimension, wins in counted.wins.items():
            alpha, items = counted.agreement[dimension]
            rates = ", ".join(f"{method} {_shown(won.mean, won.low, won.high)}" for method, won in wins.items())
            agreed = f"; agreement {alpha:+.2f} over {items} shared comparisons" if alpha is not None else ""
            print(f"{dimension}: {rates}{agreed}")
        for rater, reason in counted.excluded.items():
            print(f"not counted: {rater}: {reason}")
        draw(counted, out.with_suffix(".png"))
        with replaced_when_complete(out) as partial:
            partial.write_text(json.dumps(counted.as_json(), indent=1) + "\n")


def _shown(mean: float, low: float | None, high: float | None) -> str:
    return f"{mean:.2f}" + (f" [{low:.2f}, {high:.2f}]" if low is not None and high is not None else "")
