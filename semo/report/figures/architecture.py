"""Figs. 1 and 2, drawn anew: the networks of this run with the shapes that pass between them."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from semo.report.figures import MissingInput
from semo.report.figures._style import COLOURS
from semo.report.figures._videos import load_model
from semo.report.tables import Inputs

WIDTH, HEIGHT = 100.0, 60.0  # of the drawing, in its own units
DATA, NETWORK, MOTION = "#F2F2F2", "#D9E8F5", "#FBE3D6"
Box = tuple[float, float, float, float]  # x, y of the lower left corner, width, height


def figure(inputs: Inputs) -> Figure:
    model, title = _model(inputs)
    shapes = Shapes(model)
    figure = Figure(figsize=(10.6, 6.4), layout="constrained")
    axes = figure.add_subplot()
    axes.set(xlim=(0, WIDTH), ylim=(0, HEIGHT))
    axes.axis("off")
    _stage1(axes, shapes)
    if model.motion_generator is not None:
        _stage2(axes, shapes)
    figure.suptitle(f"{title}: {shapes.finding()}", fontsize=11, fontweight="bold")
    return figure


class Shapes:
    """Sizes of one model, as the boxes name them."""

    def __init__(self, model: Any):
        self.encoder, self.decoder = model.motion_encoder.config, model.decoder.config
        self.generator = model.motion_generator.config if model.motion_generator is not None else None
        self.side, self.audio = model.frame_size, model.config.audio
        self.motion = f"{self.encoder.motion_tokens} × {self.encoder.motion_dim}"
        self.latent = f"{self.encoder.channels} × {self.encoder.size} × {self.encoder.size}"
        self.patches = (self.encoder.size // self.encoder.patch) ** 2

    def finding(self) -> str:
        """How much smaller than the frame the motion is."""
        numbers = self.encoder.motion_tokens * self.encoder.motion_dim
        return f"{3 * self.side**2:,} numbers of a frame become {numbers} of motion"


def _model(inputs: Inputs) -> tuple[Any, str]:
    for method, title in (("semo", "SeMo of this run"), ("semo-released", "SeMo (released)")):
        try:
            return load_model(inputs, method), title
        except MissingInput as missing:
            reason = missing
    raise reason


def _stage1(axes: Axes, s: Shapes) -> None:
    _heading(axes, 57.5, "Stage 1: masked motion encoder and rectified-flow decoder")
    frame = f"3 × {s.side} × {s.side}"
    target = _box(axes, (1, 45, 13, 8), "target frame", [frame], DATA)
    reference = _box(axes, (1, 33, 13, 8), "reference frame", [frame], DATA)
    z_t = _box(axes, (19, 45, 13, 8), "latent z", [s.latent], DATA)
    z_ref = _box(axes, (19, 33, 13, 8), "latent z_ref", [s.latent], DATA)
    layers = f"{s.encoder.depth} layers, width {s.encoder.width}"
    hidden = f"{s.patches} patches, 0-90 % hidden"
    encoder = _box(
        axes, (38, 38, 17, 12), "motion encoder", [hidden, f"+ {s.encoder.motion_tokens} token", layers], NETWORK
    )
    tokens = _box(axes, (61, 40, 11, 8), "M_t, M_ref", [s.motion], MOTION)
    layers = f"{s.decoder.depth} layers, width {s.decoder.width}"
    decoder = _box(
        axes, (78, 36, 14, 14), "decoder (DiT)", ["noise z_τ, time τ", "+ z_ref, M_ref, M_t", layers], NETWORK
    )
    for start, end in (
        (target, z_t),
        (reference, z_ref),
        (z_t, encoder),
        (z_ref, encoder),
        (encoder, tokens),
        (tokens, decoder),
    ):
        _arrow(axes, start, end)
    _path(axes, (25.5, 33), (25.5, 31), (85, 31), (85, 36))
    _path(axes, (92, 43), (99, 43))
    axes.text(95.6, 44, "frame", ha="center", fontsize=8)


def _stage2(axes: Axes, s: Shapes) -> None:
    g = s.generator
    _heading(axes, 26, "Stage 2: motion from sound, window by window")
    sound = _box(axes, (1, 14, 13, 8), "sound", ["16 kHz"], DATA)
    features = _box(axes, (19, 14, 14, 8), s.audio, [f"{2 * (g.previous + g.window)} × {g.audio_dim}"], DATA)
    before = _box(axes, (19, 2, 14, 8), "previous motions", [f"{g.previous} × {s.motion}"], MOTION)
    lines = [f"noise {g.window} × {s.motion}", "+ M_ref (portrait)", f"{g.depth} layers, width {g.width}"]
    network = _box(axes, (40, 6, 17, 13), "motion generator", lines, NETWORK)
    motions = _box(axes, (64, 8.5, 14, 8), "motions", [f"{g.window} × {s.motion}"], MOTION)
    for start, end in ((sound, features), (features, network), (before, network), (network, motions)):
        _arrow(axes, start, end)
    _path(axes, (71, 8.5), (71, 1), (36, 1), (36, 6), (33, 6), style=":")
    axes.text(53, 1.6, f"the last {g.previous} lead into the next window", ha="center", fontsize=8)
    _path(axes, (78, 12.5), (90, 12.5), (90, 36))
    axes.text(91, 24, "in place of M_t", fontsize=8)


def _heading(axes: Axes, y: float, text: str) -> None:
    axes.text(1, y, text, fontsize=10, fontweight="bold")


def _box(axes: Axes, place: Box, title: str, lines: list[str], colour: str) -> Box:
    x, y, width, height = place
    axes.add_patch(FancyBboxPatch((x, y), width, height, boxstyle="round,pad=0,rounding_size=0.8", facecolor=colour,
                                  edgecolor="#666666", linewidth=0.9))  # fmt: skip
    step = height / (len(lines) + 1.6)
    axes.text(x + width / 2, y + height - step, title, ha="center", va="center", fontsize=9, fontweight="bold")
    for i, line in enumerate(lines, start=2):
        axes.text(x + width / 2, y + height - i * step, line, ha="center", va="center", fontsize=7.5)
    return place


def _arrow(axes: Axes, start: Box, end: Box) -> None:
    """From the right side of one box to the left side of another."""
    _path(axes, (start[0] + start[2], start[1] + start[3] / 2), (end[0], end[1] + end[3] / 2))


def _path(axes: Axes, *points: tuple[float, float], style: str = "-") -> None:
    """Straight pieces from point to point, with an arrow at the last."""
    colour = COLOURS["copy-reference"]
    axes.plot(*zip(*points[:-1], strict=True), color=colour, linewidth=1.2, linestyle=style)
    line = {"arrowstyle": "-|>", "color": colour, "linewidth": 1.2, "linestyle": style, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", points[-1], points[-2], arrowprops=line)
