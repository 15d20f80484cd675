"""Training of the clip network: how fast head, eyes and mouth move, and what was done to a window's time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from semo.features.nets.corpus import FrameNet, network_input
from semo.features.nets.corpus_clip import KINDS, LENGTH, RATES, ClipNet
from semo.features.train.data import AnnotatedClip, distorted, moved, recoloured
from semo.progress import progress
from semo.train.settings import OptimiserSettings

VERSIONS = 1  # of every clip: each with one place, colour and distortion of its own
RATE_COLUMNS = (0, 1, 2, 3, 4, 5, 7)  # pose, gaze, lids, mouth opening
WEIGHTS = {"kind": 1.0, "speed": 1.0, "curves": 1.0, "distortions": 1.0}


@dataclass(frozen=True)
class Featured:
    """One version of a clip: features (T, 128) steady and flickering, curves (T, 29), distortion strengths (5,)."""

    name: str
    steady: np.ndarray
    flicker: np.ndarray
    curves: np.ndarray
    strengths: np.ndarray


def featured(clips: list[AnnotatedClip], frame_net: FrameNet, seed: int, versions: int = VERSIONS) -> list[Featured]:
    """Features of every clip's augmented versions; the flickering ones change colour and place from frame to frame."""
    found = []
    with progress(len(clips) * versions, "clips", "features") as bar, torch.inference_mode():
        for index, clip in enumerate(clips):
            for version in range(versions):
                found.append(_version(clip, frame_net, np.random.default_rng([seed, index, version])))
                bar.advance()
    return found


def _version(clip: AnnotatedClip, frame_net: FrameNet, rng: np.random.Generator) -> Featured:
    place, colour, damage = (int(rng.integers(2**63)) for _ in range(3))
    steady, flicker, curves, amount = [], [], [], rng.uniform(0.02, 0.25)

    def shown(time: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        parts = (part[time] for part in (clip.frames, clip.curves, clip.landmarks))
        return moved(*parts, np.random.default_rng(place))

    for time in range(len(clip.frames)):
        frame, curve, _ = shown(time)
        frame, strengths = distorted(frame, lambda: shown(time - 6)[0], np.random.default_rng(damage))  # noqa: B023
        frame = recoloured(frame, np.random.default_rng(colour))
        steady.append(frame)
        curves.append(curve)
        changed = recoloured(np.roll(frame, rng.integers(-1, 2, 2) * (rng.random() < amount), (0, 1)), rng)
        flicker.append(np.clip((1 - amount) * frame + amount * changed, 0, 255).astype(np.uint8))
    features = [frame_net.features(network_input(np.stack(frames))).numpy() for frames in (steady, flicker)]
    return Featured(clip.name, *features, np.stack(curves).astype(np.float32), strengths)


def times_of(kind: str, length: int, rng: np.random.Generator) -> np.ndarray:
    """Frame numbers (16,) that a window of a clip of `length` frames shows."""
    span = 2 * LENGTH if kind == "fast" else LENGTH
    times = int(rng.integers(length - span + 1)) + np.arange(LENGTH)
    if kind == "frozen":
        return np.full(LENGTH, times[0])
    if kind == "shuffled":
        return rng.permutation(times)
    if kind == "slow":
        return times[0] + np.arange(LENGTH) // 2
    if kind == "fast":
        return times[0] + 2 * np.arange(LENGTH)
    if kind == "jerky":
        held = rng.random(LENGTH) < 0.4
        held[0] = False
        return times[np.maximum.accumulate(np.where(held, 0, np.arange(LENGTH)))]
    return times


@dataclass
class WindowBatch:
    """Features (B, 16, 128), kind (B,), mean speed (B, 7) and mean curves (B, 29), standardised, strengths (B, 5)."""

    frames: Tensor
    kind: Tensor
    speed: Tensor
    curves: Tensor
    strengths: Tensor


class ClipStage(nn.Module):
    """`ClipNet` on features computed once."""

    name = "corpus-clip"
    optimiser = OptimiserSettings(batch=128, lr=1e-3, warmup=50, decay="cosine", weight_decay=0.05, ema=0.99)

    def __init__(self, clips: list[Featured], held_out: list[Featured], seed: int):
        super().__init__()
        self.__dict__.update(clips=clips, held_out=held_out, seed=seed)
        self.net = ClipNet()
        features, curves = (np.concatenate([getattr(c, k) for c in clips]) for k in ("steady", "curves"))
        self.net.mean.copy_(torch.from_numpy(features.mean(0)))
        self.net.scale.copy_(torch.from_numpy(features.std(0) + 1e-3))
        speeds = np.abs(np.diff(curves[:, RATE_COLUMNS], axis=0))
        self.scales = {"curves": (curves.mean(0), curves.std(0) + 1e-3), "speed": (speeds.mean(0), speeds.mean(0))}

    def batch(self, step: int, progress: float, rank: int = 0) -> tuple[WindowBatch, list[str]]:
        """The batch of a step, and the names of its clips."""
        rng = np.random.default_rng([self.seed, step, rank])
        chosen = [self.clips[int(i)] for i in rng.integers(len(self.clips), size=self.optimiser.batch)]
        return self._windows(chosen, rng), [clip.name for clip in chosen]

    def _windows(self, chosen: list[Featured], rng: np.random.Generator) -> WindowBatch:
        rows = []
        for clip in chosen:
            kind = int(rng.integers(len(KINDS)))
            times = times_of(KINDS[kind], len(clip.curves), rng)
            frames = (clip.flicker if KINDS[kind] == "flicker" else clip.steady)[times]
            shown = clip.curves[times]
            speed = np.abs(np.diff(shown[:, RATE_COLUMNS], axis=0)).mean(0)
            rows.append((frames, kind, self._scaled("speed", speed), self._scaled("curves", shown.mean(0)),
                         clip.strengths))
        return WindowBatch(*(torch.from_numpy(np.stack(part)) for part in zip(*rows)))

    def _scaled(self, name: str, values: np.ndarray) -> np.ndarray:
        centre, scale = self.scales[name]
        return ((values - centre) / scale).astype(np.float32)

    def losses(self, batch: WindowBatch) -> tuple[dict[str, Tensor], Tensor]:
        """The loss of every head, and the kinds' scores."""
        active = torch.relu(self.net.features(batch.frames)).float()
        kinds = self.net.kind(active).float()
        return {
            "kind": F.cross_entropy(kinds, batch.kind),
            "speed": F.smooth_l1_loss(self.net.speed(active).float(), batch.speed),
            "curves": F.smooth_l1_loss(self.net.curves(active).float(), batch.curves),
            "distortions": F.smooth_l1_loss(self.net.distortions(active).float(), batch.strengths, beta=0.2),
        }, kinds

    def forward(self, batch: WindowBatch) -> Tensor:
        """The weighted sum of the losses of all heads."""
        return sum(WEIGHTS[name] * loss for name, loss in self.losses(batch)[0].items())

    @torch.no_grad()
    def report(self) -> dict[str, float]:
        """Share of held-out windows whose kind is named, and the losses of the other heads."""
        batch = self._windows([clip for clip in self.held_out for _ in range(8)], np.random.default_rng(0))
        losses, kinds = self.losses(batch)
        right = float((kinds.argmax(1) == batch.kind).float().mean())
        return {"kind_right": right, **{k: float(v) for k, v in losses.items() if k != "kind"}}


assert len(RATE_COLUMNS) == RATES
