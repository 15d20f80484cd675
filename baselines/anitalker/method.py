"""AniTalker behind the same contract as every other method."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from baselines.anitalker.animate import AniTalkerAnimator
from baselines.anitalker.config import FILES, SIZES, Config, build, published
from baselines.anitalker.diffusion import spaced
from baselines.anitalker.predictor import MotionPredictor
from baselines.anitalker.sampling import MotionSampler
from baselines.anitalker.sound import Hubert, Mfcc
from baselines.blocks.rival import Reconstructing
from baselines.blocks.talk import TalkMethod, cut_sound
from baselines.checkpoints import CheckpointError, load_modules, read_checkpoint, state_of
from baselines.method import ClipContext, MethodUnavailable
from semo.media import RATE

HUBERT = "chinese-hubert-large"
MINI = "mfcc_audio_only"
ANGLES = ("pose_yaw", "pose_pitch", "pose_roll")
NUMBERS = {"location": ("face_location",), "face_scale": ("face_scale",), "pose": ANGLES}  # control -> options
NEUTRAL = {"face_location": 0.5, "face_scale": 0.5} | dict.fromkeys(ANGLES, 0.0)


class Method(Reconstructing, TalkMethod):
    """Options of `talk`: `steps` of DDIM; `variant` of the published stage 2 (by default the first of
    `config.VARIANTS` whose file is there); for those that can be controlled `pose_yaw`, `pose_pitch`, `pose_roll` in
    [-1, 1], where 1 is 90 degrees, and `face_location`, `face_scale` in [0, 1]. With one of these given the others are
    neutral, with none the network predicts them from the sound.

    Option of `reconstruct`: `motion` as the keypoint-driven rivals have it.
    """

    name = "AniTalker"
    mini_name = "AniTalker-mini"
    tasks = ("talk", "reconstruct")
    weights = ("anitalker",)
    official_file = "stage1.ckpt"
    sizes_of = SIZES
    build = staticmethod(build)
    published = staticmethod(published)

    def __init__(self) -> None:
        super().__init__()
        self._config: Config = SIZES["mini"]
        self._folder = Path()
        self._variant = MINI
        self._samplers: dict[str, MotionSampler] = {}

    def networks(self, config: Config) -> dict[str, nn.Module]:
        self._config = config
        return super().networks(config)

    def _read(self, path: Path, modules: dict[str, nn.Module], size: str) -> None:
        """Official: stage 1, and a variant of stage 2 that lies beside it."""
        self._folder, self._samplers = path.parent, {}
        if size == "mini":
            self._variant = MINI
            return super()._read(path, modules, size)
        present = [variant for variant, name in FILES.items() if path.with_name(name).is_file()]
        if not present:
            raise CheckpointError(f"{path.parent.name}: has no stage 2, one of {', '.join(FILES.values())}")
        self._variant = present[0]
        renderer = modules["lia"]
        load_modules({"lia": renderer}, {"lia": _without_extras(read_checkpoint(path), renderer)}, path.name)
        modules["ema_model"] = self._stage2(self._variant)

    def _stage2(self, variant: str) -> MotionPredictor:
        """The averaged weights of a published variant. Raises CheckpointError."""
        network = MotionPredictor(self.published(variant))
        file = self._folder / FILES[variant]
        load_modules({"ema_model": network}, read_checkpoint(file), file.name)
        return network

    def ready(self, modules: dict[str, nn.Module], config: Config) -> None:
        self._animator = AniTalkerAnimator(modules, config.frame_size)
        network: Any = modules["ema_model"]
        try:
            self._samplers = {self._variant: self._make_sampler(network)}
        except CheckpointError as error:
            raise MethodUnavailable(str(error)) from error

    def _make_sampler(self, network: MotionPredictor) -> MotionSampler:
        assert self._animator is not None
        sizes, device = network.sizes, self._animator.device
        heard = sizes.features == "hubert"
        listen = Hubert(self._folder / HUBERT, device, sizes.audio_layers, sizes.audio_dim) if heard else Mfcc()
        config = self._config
        return MotionSampler(network.to(device), listen, config.window, config.overlap)

    def _sampler(self, variant: str) -> MotionSampler:
        """Of the variant asked for, read when it is first needed."""
        if variant not in self._samplers:
            if variant not in FILES or self._variant == MINI:
                known = [MINI] if self._variant == MINI else list(FILES)
                raise ValueError(f"{self.name} has no variant {variant!r} here; there are {', '.join(known)}")
            try:
                self._samplers[variant] = self._make_sampler(self._stage2(variant))
            except CheckpointError as error:
                raise MethodUnavailable(str(error)) from error
        return self._samplers[variant]

    def parameters(self, task: str) -> int:
        """Of the renderer and, for `talk`, of stage 2; without HuBERT."""
        if task == "talk" or not self._samplers:
            return self._parameters
        return self._parameters - sum(p.numel() for p in self._sampler(self._variant).network.parameters())

    def settings(self, options: Mapping[str, Any]) -> dict[str, Any]:
        made = {"sampler": "DDIM", "steps": options.get("steps") or self._config.steps}
        made["variant"] = options.get("variant") or self._variant
        sampler = self._samplers.get(made["variant"])
        if sampler is not None and sampler.network.sizes.predicts != "noise":
            made["predicts"] = f"clean {sampler.network.sizes.predicts}"
        return made | {name: options[name] for name in NEUTRAL if options.get(name) is not None} | super().settings(
            options
        )

    def talk(self, source: np.ndarray, waveform: np.ndarray, frames: int, context: ClipContext) -> Iterator[np.ndarray]:
        """`frames` frames in the size of `source`. Raises ValueError for an option that does not exist or fit."""
        if self._animator is None:
            raise MethodUnavailable(f"{self.name} is not loaded")
        options = context.options
        sampler = self._sampler(options.get("variant") or self._variant)
        control = controls(sampler.network, options)
        steps = int(options.get("steps") or self._config.steps)
        spaced(steps)
        return _talk(
            self._animator, sampler, source, cut_sound(waveform, frames, RATE), context.seed, steps, control
        )


def _talk(
    animator: AniTalkerAnimator,
    sampler: MotionSampler,
    source: np.ndarray,
    sound: np.ndarray,
    seed: int,
    steps: int,
    control: Mapping[str, Tensor],
) -> Iterator[np.ndarray]:
    prepared = animator.start(source)
    assert prepared.small is not None
    motion = sampler(sound, prepared.small, prepared.points["alpha"], seed, steps, control)
    yield from animator.moved(prepared, motion, source.shape[:2])


def controls(network: MotionPredictor, options: Mapping[str, Any]) -> dict[str, Tensor]:
    """Control of stage 2 -> its numbers, where options give one. Raises ValueError where the network has no such."""
    asked = [name for name in NEUTRAL if options.get(name) is not None]
    known = [name for control in network.sizes.controls for name in NUMBERS[control]]
    if unknown := [name for name in asked if name not in known]:
        raise ValueError(f"this variant of AniTalker takes no {unknown[0]}; it takes {', '.join(known) or 'none'}")
    if not asked:
        return {}
    values = NEUTRAL | {name: float(options[name]) for name in asked}
    return {
        control: torch.tensor([values[name] for name in NUMBERS[control]]).clamp(-1, 1)
        for control in network.sizes.controls
    }


def _without_extras(content: Mapping[str, Any], renderer: nn.Module) -> dict[str, Any]:
    """Stage 1 without what only its training needed: whatever lies outside encoder and decoder."""
    kept = tuple(f"{name}." for name, _ in renderer.named_children())
    return {key: value for key, value in state_of(content, "lia").items() if key.startswith(kept)}
