"""The plot of Figure 8: how often each method won its comparisons, by question."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from semo.report.figures import _style as style
from semo.study.tally import Tally
from semo.video_writer import replaced_when_complete


def draw(counted: Tally, out: Path) -> None:
    """Bars with 95 % intervals over raters; the line at one half is chance."""
    style.apply()
    methods = sorted({method for wins in counted.wins.values() for method in wins})
    colours = {m: style.COLOURS.get(m, style.CYCLE[i % len(style.CYCLE)]) for i, m in enumerate(methods)}
    figure = Figure(figsize=(7, 0.7 + 0.28 * len(methods) * len(counted.wins)), layout="constrained")
    axes = figure.add_subplot()
    row, ticks = 0.0, []
    for dimension, wins in counted.wins.items():
        ticks.append((row + (len(wins) - 1) / 2, dimension))
        for method, won in wins.items():
            spread = (
                [[won.mean - won.low], [won.high - won.mean]] if won.low is not None and won.high is not None else None
            )
            axes.barh(row, won.mean, color=colours[method], xerr=spread, ecolor="#444444", height=0.8)
            axes.text(1.02, row, f"{method}  {won.mean:.2f}", va="center", fontsize=8)
            row += 1
        row += 0.6
    axes.axvline(0.5, color="#444444", linewidth=0.8, linestyle=":")
    axes.set(xlim=(0, 1), xlabel="share of comparisons won", ylim=(row - 0.6, -0.8))
    axes.set_yticks(*zip(*ticks, strict=True))
    axes.grid(axis="y", visible=False)
    axes.set_title(f"{counted.comparisons} comparisons by {counted.raters} raters", loc="left")
    with replaced_when_complete(out) as partial:
        figure.savefig(partial, dpi=style.DPI, format="png")
