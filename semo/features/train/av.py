"""Training of the audio-visual network: which sound of the clip belongs to which lips."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from semo.audio import LogMel
from semo.features.nets.corpus import SIZE, VISEMES, FrameNet, mouth_boxes, network_input
from semo.features.nets.corpus_av import CROP, SPACE, WINDOW, AudioVisualNet, cut_squares
from semo.features.train.data import AnnotatedClip, blurred, coarser, noisy, recoloured
from semo.metrics.avc_corpus import distances_by_shift
from semo.pictures import to_float
from semo.progress import progress
from semo.train.settings import OptimiserSettings

MARGIN = 1.25  # of the cuts kept in memory over the network's crop, room for shifts and scales
KEPT = round(CROP * MARGIN)
FRAMES = 42    # consecutive frames of one clip in a batch
TARGET_SPREAD = 0.6  # frames: how far the sound may be from the lips and still be partly right
VISEME_WEIGHT = 0.5


@dataclass(frozen=True)
class Talker:
    """Mouths of a clip, uint8 (2, T, 40, 40, 3) from frames of 64 and 128 px; log-mel (2 T, 80); visemes (T, 16)."""

    name: str
    mouths: np.ndarray
    mel: np.ndarray
    visemes: np.ndarray


def talkers(clips: list[AnnotatedClip], frame_net: FrameNet) -> list[Talker]:
    """The mouths that the frame network finds in every clip."""
    found = []
    with progress(len(clips), "clips", "mouths") as bar, torch.inference_mode():
        for clip in clips:
            boxes = mouth_boxes(frame_net.points(frame_net.whole(network_input(clip.frames)))).numpy()
            boxes[:, 2:] *= MARGIN
            small = np.stack([cv2.resize(f, (SIZE, SIZE), interpolation=cv2.INTER_AREA) for f in clip.frames])
            mouths = np.stack([cut_squares(frames, boxes, KEPT) for frames in (small, clip.frames)])
            mel = LogMel().encode(clip.audio, len(clip.frames))
            found.append(Talker(clip.name, mouths, mel, clip.curves[:, -VISEMES:]))
            bar.advance()
    return found


@dataclass
class TalkBatch:
    """Mouths (B, T, 3, 32, 32), log-mel (B, 2 T, 80), visemes (B, T - 8, 16) of the windows' middle frames."""

    mouths: Tensor
    mel: Tensor
    visemes: Tensor


class AudioVisualStage(nn.Module):
    """`AudioVisualNet` with heads that name visemes, which are not kept."""

    name = "corpus-av"
    optimiser = OptimiserSettings(batch=12, lr=2e-3, warmup=50, decay="cosine", weight_decay=0.05, ema=0.99)

    def __init__(self, clips: list[Talker], held_out: list[Talker], seed: int):
        super().__init__()
        self.__dict__.update(clips=clips, held_out=held_out, seed=seed)
        self.net = AudioVisualNet(training_norm=True)
        self.seen, self.heard = nn.Linear(SPACE, VISEMES), nn.Linear(SPACE, VISEMES)
        self.sharpness = nn.Parameter(torch.tensor(2.3))

    def batch(self, step: int, progress: float, rank: int = 0) -> tuple[TalkBatch, list[str]]:
        """The batch of a step, and the names of its clips."""
        rng = np.random.default_rng([self.seed, step, rank])
        chosen = [self.clips[int(i)] for i in rng.choice(len(self.clips), self.optimiser.batch, replace=False)]
        examples = [self._example(talker, rng) for talker in chosen]
        mouths, mel, visemes = (np.stack(part) for part in zip(*examples))
        batch = TalkBatch(to_float(mouths), torch.from_numpy(mel), torch.from_numpy(visemes))
        return batch, [talker.name for talker in chosen]

    def _example(self, talker: Talker, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        start = int(rng.integers(talker.mouths.shape[1] - FRAMES + 1))
        mouths = talker.mouths[int(rng.random() < 0.35), start : start + FRAMES]
        mel = varied_sound(talker.mel[2 * start : 2 * (start + FRAMES)], rng)
        middle = slice(start + WINDOW // 2, start + FRAMES - WINDOW // 2)
        return varied_mouths(mouths, rng), mel, talker.visemes[middle]

    def forward(self, batch: TalkBatch) -> Tensor:
        """Cross-entropy over the times of a clip, both ways, and over visemes."""
        count, length = batch.mouths.shape[:2]
        lips = self.net.lips(self.net.look(batch.mouths.flatten(0, 1)).unflatten(0, (count, length)))
        speech = self.net.speech(batch.mel)
        similarity = self.sharpness.exp() * lips.float() @ speech.float().transpose(1, 2)  # (B, W, W)
        times = torch.arange(similarity.shape[1], dtype=torch.float32, device=similarity.device)
        target = torch.softmax(-(times[:, None] - times).square() / (2 * TARGET_SPREAD**2), dim=1)
        target = target.expand_as(similarity)
        loss = F.cross_entropy(similarity.transpose(1, 2), target.transpose(1, 2))
        loss = loss + F.cross_entropy(similarity, target.transpose(1, 2))
        for head, found in ((self.seen, lips), (self.heard, speech)):
            named = head(8 * found.float()).flatten(0, 1)
            loss = loss + VISEME_WEIGHT * F.cross_entropy(named, batch.visemes.flatten(0, 1))
        return loss

    @torch.no_grad()
    def report(self) -> dict[str, float]:
        """Share of held-out clips whose offset is found, and their mean confidence, from 64-px mouths."""
        found = [self.distances(talker) for talker in self.held_out]
        offsets = np.array([int(np.argmin(distances)) - 15 for distances in found])
        return {"within_one": float((np.abs(offsets) <= 1).mean()),
                "confidence": float(np.mean([np.median(distances) - distances.min() for distances in found]))}

    @torch.no_grad()
    def distances(self, talker: Talker) -> np.ndarray | None:
        """Mean distance by shift of one clip."""
        edge = (KEPT - CROP) // 2
        mouths = to_float(talker.mouths[0][:, edge : edge + CROP, edge : edge + CROP])
        lips = self.net.lips(self.net.look(mouths)[None])[0]
        speech = self.net.speech(torch.from_numpy(talker.mel)[None])[0]
        return distances_by_shift({"lips": lips.numpy(), "speech": speech.numpy()})


def varied_sound(mel: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Log-mel of another level, a longer or shorter vocal tract (bins shifted by up to 2) and a little noise."""
    mel = np.roll(mel, int(rng.integers(-2, 3)), axis=1) + np.float32(rng.uniform(-0.4, 0.2))
    mel = mel + rng.standard_normal(mel.shape, np.float32) * np.float32(rng.uniform(0, 0.15))
    if rng.random() < 0.5:
        first = int(rng.integers(mel.shape[1] - 8))
        mel[:, first : first + 8] = mel.mean()
    return mel.astype(np.float32)


def varied_mouths(mouths: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(T, 40, 40, 3) -> (T, 32, 32, 3): one turn, scale, shift, mirroring and colour for all, and some jitter."""
    if rng.random() < 0.5:
        mouths = mouths[:, :, ::-1]
    if rng.random() < 0.3:
        strength = float(rng.uniform(0, 0.5))
        choices = (lambda f: blurred(f, strength), lambda f: coarser(f, strength),
                   lambda f: noisy(f, strength / 2, rng))
        degrade = choices[int(rng.integers(3))]
        mouths = np.stack([degrade(np.ascontiguousarray(f)) for f in mouths])
    angle, scale, shift = rng.uniform(-0.12, 0.12), np.exp(rng.uniform(-0.12, 0.12)), rng.uniform(-2, 2, 2)
    state = rng.integers(2**63)
    cuts = []
    for frame in mouths:
        jitter = rng.normal(0, (0.01, 0.01, 0.3, 0.3))
        cos, sin = scale * (1 + jitter[0]) * np.cos(angle + jitter[1]), scale * np.sin(angle + jitter[1])
        turn = np.array([[cos, -sin], [sin, cos]])  # from the cut to the kept square
        centre = (KEPT - 1) / 2 + shift + jitter[2:] - turn @ np.full(2, (CROP - 1) / 2)
        cut = cv2.warpAffine(np.ascontiguousarray(frame), np.concatenate([turn, centre[:, None]], axis=1), (CROP, CROP),
                             flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE)
        cuts.append(recoloured(cut, np.random.default_rng(state)))
    return np.stack(cuts)
