"""Typed training settings, read strictly from `semo/presets/<preset>.yaml`."""

from __future__ import annotations

import dataclasses
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

PRESETS = Path(__file__).parent.parent / "presets"


@dataclass(frozen=True)
class CodecSettings:
    """See `semo.codec.make_codec`; `path` is the weights folder (or hub id) of a pretrained one."""

    kind: str = "vae"
    path: str | None = None
    patch: int = 8
    rank: int = 48


@dataclass(frozen=True)
class NetworkSettings:
    """Size of one transformer."""

    width: int
    depth: int
    heads: int


@dataclass(frozen=True)
class AugmentSettings:
    """Augmentation of the two frames of a pair (light codecs only).

    flip: probability; colour: largest relative change of each channel's gain; crop: largest share of the side cut
    away, both frames alike; motion: displacement, zoom and turn drawn for each frame on its own (share of half a side,
    radians), falling linearly to `motion_end`: an easy motion that teaches the decoder early to read the tokens.
    """

    flip: float = 0.0
    colour: float = 0.0
    crop: float = 0.0
    motion: float = 0.0
    motion_end: float = 0.0


@dataclass(frozen=True)
class OptimiserSettings:
    """AdamW, learning rate warmed up over `warmup` steps, then 'constant' (paper) or 'cosine' to zero."""

    batch: int
    lr: float = 1e-4
    warmup: int = 0
    decay: str = "constant"
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.0
    clip: float = 1.0
    ema: float = 0.9999


@dataclass(frozen=True)
class VideoSettings:
    """Stage 1b: `frames` consecutive frames per clip, Temporal Align Block of the given kind."""

    frames: int = 16
    temporal: str = "joint"
    optimiser: OptimiserSettings = OptimiserSettings(batch=32)


@dataclass(frozen=True)
class GeneratorSettings:
    """Stage 2. mask_max: masking of the previous frames (paper 0.2), `variants` masked encodings cached per frame."""

    network: NetworkSettings
    previous: int = 16
    window: int = 16
    audio: str = "whisper"
    audio_path: str | None = "openai/whisper-base"
    mask_max: float = 0.2
    variants: int = 4
    drop_previous: float = 0.15
    drop_audio: float = 0.1
    prediction: str = "v"
    tau_schedule: str = "uniform"
    optimiser: OptimiserSettings = OptimiserSettings(batch=256)


@dataclass(frozen=True)
class ReflowSettings:
    """Reflow: `pairs` (noise, sample) pairs drawn from the teacher with `teacher_steps` Euler steps."""

    pairs: int = 50_000
    generator_pairs: int = 50_000
    teacher_steps: int = 25
    tau_one: float = 0.5
    lr: float = 1e-4


@dataclass(frozen=True)
class Preset:
    """Everything that defines a SeMo model and its training; the defaults are the paper's choices where it has one.

    tau_one is the share of samples trained at pure noise (tau = 1); mask_ramp the shares of the training between
    which the largest mask ratio rises from 0 to mask_max.
    """

    frame_size: int
    codec: CodecSettings
    patch: int
    encoder: NetworkSettings
    decoder: NetworkSettings
    stage1: OptimiserSettings
    stage1b: VideoSettings
    stage2: GeneratorSettings
    reflow: ReflowSettings = ReflowSettings()
    motion_tokens: int = 1
    motion_dim: int = 512
    motion_norm: str = "layer"
    mask_max: float = 0.9
    mask_ramp: tuple[float, float] = (0.0, 0.0)
    activation: str = "gelu"
    gate_init: float = 0.0
    motion_in_adaln: bool = False
    reference_input: str = "sequence"
    reference_skip: str = "none"
    warp_cells: int = 4
    refine_width: int = 0
    prediction: str = "v"
    tau_schedule: str = "uniform"
    tau_one: float = 0.0
    sampler_steps: int = 25
    motion_sampler_steps: int = 25
    augment: AugmentSettings = AugmentSettings()


def build(kind: type, data: dict[str, Any], where: str) -> Any:
    """A frozen settings object from a mapping; ValueError names an unknown, missing or mistyped key and its place."""
    if not isinstance(data, dict):
        raise ValueError(f"{where} must be a mapping of settings, not {data!r}")
    hints = typing.get_type_hints(kind)
    unknown = sorted(set(data) - set(hints))
    if unknown:
        raise ValueError(f"{where}: unknown key {unknown[0]!r}; known keys are {', '.join(sorted(hints))}")
    for field in dataclasses.fields(kind):
        if field.default is dataclasses.MISSING and field.name not in data:
            raise ValueError(f"{where}: key {field.name!r} is missing")
    return kind(**{name: _convert(hints[name], value, f"{where}.{name}") for name, value in data.items()})


def _convert(hint: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(hint):
        return build(hint, value, where)
    options = typing.get_args(hint)
    if typing.get_origin(hint) is tuple:
        if not isinstance(value, (list, tuple)) or len(value) != len(options):
            raise ValueError(f"{where} must be {len(options)} numbers, not {value!r}")
        return tuple(_convert(part, item, where) for part, item in zip(options, value, strict=True))
    allowed = options or (hint,)
    if isinstance(value, int) and not isinstance(value, bool) and float in allowed:
        value = float(value)
    if type(value) not in allowed:
        raise ValueError(f"{where} must be {' or '.join(t.__name__ for t in allowed)}, not {value!r}")
    return value


def apply_overrides(data: dict[str, Any], overrides: list[str]) -> dict[str, Any]:
    """`key=value` or `section.key=value` strings laid over a nested mapping; values are YAML."""
    for item in overrides:
        path, separator, text = item.partition("=")
        if not separator:
            raise ValueError(f"--set {item!r} is not of the form key=value")
        *sections, key = path.split(".")
        target = data
        for section in sections:
            target = target.setdefault(section, {})
        target[key] = yaml.safe_load(text)
    return data


def load_preset(name: str, overrides: list[str] | None = None) -> Preset:
    """The preset of `semo/presets/<name>.yaml` with `key=value` overrides applied."""
    path = PRESETS / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in PRESETS.glob("*.yaml")))
        raise ValueError(f"there is no preset {name!r}; use one of {known}")
    return build(Preset, apply_overrides(yaml.safe_load(path.read_text()), overrides or []), f"preset {name}")
