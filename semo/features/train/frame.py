"""Training of the frame network: annotations, landmarks, distortions and identity from single frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from semo.features.nets.corpus import BLINK, DIM, GAZE, MOUTH, POSE, FrameNet, network_input
from semo.features.train.data import AnnotatedClip, distorted, moved, recoloured
from semo.pictures import to_float
from semo.train.settings import OptimiserSettings

WEIGHTS = {"curves": 4.0, "landmarks": 8.0, "distortions": 1.5, "identity": 0.1}
BLINK_SHARE, SHUT = 0.15, 0.3  # share of the frames drawn among those with lids closed so far: blinks are rare
GHOST_REACH = 12  # frames between a frame and the one laid over it


@dataclass
class FrameBatch:
    """Frames (B, 3, 64, 64) and what the heads should say: see `FrameNet`; `identity` indexes the training clips.

    `looked_at`: the landmarks as wrong as a trained network finds them, by which mouth and eyes are cut out.
    """

    frames: Tensor
    curves: Tensor
    landmarks: Tensor
    looked_at: Tensor
    distortions: Tensor
    identity: Tensor


class FrameStage(nn.Module):
    """`FrameNet` with a classifier of the training people, which is not kept."""

    name = "corpus-frame"
    optimiser = OptimiserSettings(batch=64, lr=2e-3, warmup=100, decay="cosine", weight_decay=0.02, ema=0.995)

    def __init__(self, clips: list[AnnotatedClip], held_out: list[AnnotatedClip], seed: int):
        super().__init__()
        self.__dict__.update(clips=clips, held_out=held_out, seed=seed)
        self.net = FrameNet(training_norm=True).to(memory_format=torch.channels_last)
        self.people = nn.Linear(DIM, len(clips), bias=False)
        curves = np.concatenate([clip.curves for clip in clips])
        self.net.curve_mean.copy_(torch.from_numpy(curves.mean(0)))
        self.net.curve_scale.copy_(torch.from_numpy(curves.std(0) + 1e-3))

    def example(self, rng: np.random.Generator) -> tuple[int, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """One random augmented frame with its labels."""
        index = int(rng.integers(len(self.clips)))
        clip = self.clips[index]
        shut = np.flatnonzero(clip.curves[:, BLINK] > SHUT)
        times = shut if len(shut) and rng.random() < BLINK_SHARE else np.arange(len(clip.frames))
        time = int(rng.choice(times))
        other = int(np.clip(time + rng.integers(-GHOST_REACH, GHOST_REACH + 1), 0, len(clip.frames) - 1))
        state = rng.integers(2**63)
        frame, curves, points = moved(clip.frames[time], clip.curves[time], clip.landmarks[time],
                                      np.random.default_rng(state))

        def ghost() -> np.ndarray:
            return moved(clip.frames[other], clip.curves[other], clip.landmarks[other], np.random.default_rng(state))[0]

        frame, strengths = distorted(frame, ghost, rng)
        return index, recoloured(frame, rng), curves, points, strengths

    def batch(self, step: int, progress: float, rank: int = 0) -> tuple[FrameBatch, list[str]]:
        """The batch of a step, and the names of its clips."""
        rng = np.random.default_rng([self.seed, step, rank])
        index, frames, curves, points, strengths = zip(*(self.example(rng) for _ in range(self.optimiser.batch)))
        wrong = [misplaced(p, rng) for p in points]
        stacked = [torch.from_numpy(np.stack(part).astype(np.float32)) for part in (curves, points, wrong, strengths)]
        batch = FrameBatch(to_float(np.stack(frames)), *stacked, torch.tensor(index))
        return batch, [self.clips[i].name for i in index]

    def forward(self, batch: FrameBatch) -> Tensor:
        """The weighted sum of the losses of all heads."""
        frames = batch.frames.contiguous(memory_format=torch.channels_last)
        whole = self.net.whole(frames)
        features = self.net.join(frames, whole, batch.looked_at)
        active = torch.relu(features)
        target = (batch.curves - self.net.curve_mean) / self.net.curve_scale
        people = 12 * F.normalize(features.float(), dim=1) @ F.normalize(self.people.weight, dim=1).T
        losses = {
            "curves": F.smooth_l1_loss(self.net.curves(active).float(), target, beta=2.0) * 2,
            "landmarks": 2 * F.l1_loss(self.net.points(whole).float(), batch.landmarks),
            "distortions": F.smooth_l1_loss(self.net.distortions(active).float(), batch.distortions, beta=0.2),
            "identity": F.cross_entropy(people, batch.identity, label_smoothing=0.1),
        }
        return sum(WEIGHTS[name] * loss for name, loss in losses.items())

    @torch.no_grad()
    def report(self) -> dict[str, float]:
        """Mean absolute errors on frames of held-out clips, seen as they are."""
        found = [self._errors(clip) for clip in self.held_out]
        return {name: float(np.mean([f[name] for f in found])) for name in found[0]}

    def _errors(self, clip: AnnotatedClip) -> dict[str, float]:
        chosen = slice(2, None, 6)
        features = self.net.features(network_input(clip.frames[chosen]))
        error = (self.net.annotations(features).numpy() - clip.curves[chosen])
        points = (self.net.points(features).numpy() - clip.landmarks[chosen])
        open_eyes = clip.curves[chosen, BLINK] < 0.5
        return {"pose_deg": np.abs(error[:, POSE]).mean(), "gaze_deg": np.abs(error[open_eyes, GAZE]).mean(),
                "blink": np.abs(error[:, BLINK]).mean(), "mouth": 100 * np.abs(error[:, MOUTH]).mean(),
                "landmarks": 100 * np.linalg.norm(points, axis=-1).mean()}


def misplaced(points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Landmarks shifted by about 1.2 % of the frame and scaled by about 5 % around their centre."""
    centre = points.mean(0)
    return centre + (points - centre) * np.exp(rng.normal(0, 0.05)) + rng.normal(0, 0.012, 2)
