"""The bundled tier: small networks trained by this project on the rendered faces and voices of portraits-mini.

They know that corpus and nothing else; their metrics say so in their names (FD-corpus, AVC-corpus, ...). How they were
trained and how well they measure: semo/weights/metrics/README.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from semo.features.base import Extractor, Features, PairedNetwork, Session

if TYPE_CHECKING:
    from torch import Tensor

    from semo.features.nets.corpus import FrameNet

VERSION = "networks of portraits-mini, version 1"
RESIZE = "resized to 64 px (area average down, cubic up), RGB in [0, 1]"


class CorpusFrame(Extractor):
    """Per frame 128 features (`frames`) and the annotations that linear heads read from them.

    `pose` (T, 3): head yaw, pitch, roll in degrees; `gaze` (T, 2): yaw and pitch of the eyes in the head in degrees;
    `blink` (T,): closure of the lids 0..1; `mouth` (T,): weight of the morph that opens the mouth, 0..1.1.
    """

    name = "corpus-frame"
    tier = "bundled"
    protocol = f"frames {RESIZE}; 128 features, and pose, gaze, lids and mouth read from them; {VERSION}"
    shipped = ("corpus-frame.safetensors",)

    def __init__(self, files: Mapping[str, Path], device: str = "cpu"):
        from semo.features.nets.corpus import load_frame_net

        self.net, self.device = load_frame_net(files[self.shipped[0]], device), device

    def start(self) -> Session:
        return _FrameSession(self)


class _FrameSession(Session):
    def __init__(self, extractor: CorpusFrame):
        self.extractor = extractor
        self.rows: list[Tensor] = []

    def add(self, frames: np.ndarray) -> None:
        self.rows += frame_features(frames, self.extractor.net, self.extractor.device)

    def finish(self, waveform: np.ndarray | None) -> Features:
        import torch

        from semo.features.nets.corpus import BLINK, GAZE, MOUTH, POSE

        features = torch.cat(self.rows)
        with torch.inference_mode():
            read = self.extractor.net.annotations(features.to(self.extractor.device)).float().cpu().numpy()
        return {"frames": features.numpy(), "pose": read[:, POSE], "gaze": read[:, GAZE], "blink": read[:, BLINK],
                "mouth": read[:, MOUTH]}


class CorpusClip(Extractor):
    """Windows of 16 frames every 8 frames -> 128 features of look and motion; shorter clips have no row."""

    name = "corpus-clip"
    tier = "bundled"
    protocol = f"frames {RESIZE}; windows of 16 frames every 8 frames; 128 features; {VERSION}"
    shipped = ("corpus-frame.safetensors", "corpus-clip.safetensors")

    def __init__(self, files: Mapping[str, Path], device: str = "cpu"):
        from semo.features.nets.corpus import load_frame_net
        from semo.features.nets.corpus_clip import load_clip_net

        self.frame_net = load_frame_net(files[self.shipped[0]], device)
        self.clip_net, self.device = load_clip_net(files[self.shipped[1]], device), device

    def start(self) -> Session:
        return _ClipSession(self)


class _ClipSession(Session):
    """Keeps 128 numbers per frame and windows them in the end."""

    def __init__(self, extractor: CorpusClip):
        self.extractor = extractor
        self.rows: list[Tensor] = []

    def add(self, frames: np.ndarray) -> None:
        self.rows += frame_features(frames, self.extractor.frame_net, self.extractor.device)

    def finish(self, waveform: np.ndarray | None) -> Features:
        import torch

        from semo.features.nets.corpus_clip import windows_of

        windows = windows_of(torch.cat(self.rows)).to(self.extractor.device)
        with torch.inference_mode():
            return {"windows": self.extractor.clip_net.features(windows).float().cpu().numpy()}


class CorpusPerceptual(PairedNetwork):
    """Distance of true and generated frames on the frame network's maps; 1 is that of two different people."""

    name = "corpus-perceptual"
    tier = "bundled"
    protocol = f"frames {RESIZE}; weighted distance on 5 maps; {VERSION}"
    shipped = ("corpus-frame.safetensors", "corpus-perceptual.safetensors")

    def __init__(self, files: Mapping[str, Path], device: str = "cpu"):
        from semo.features.nets.corpus import load_perceptual

        self.net, self.device = load_perceptual(device, *(files[name] for name in self.shipped)), device

    def distances(self, truth: np.ndarray, generated: np.ndarray) -> np.ndarray:
        import torch

        from semo.features.nets.corpus import network_input

        rows = []
        with torch.inference_mode():
            for a, b in zip(_parts(truth), _parts(generated), strict=True):
                rows.append(self.net(network_input(a, self.device), network_input(b, self.device)).cpu().numpy())
        return np.concatenate(rows).astype(np.float64)


class CorpusAudioVisual(Extractor):
    """Embeddings of lips and speech: `lips` and `speech` (T - 8, 64), of length 1, of every 9 frames of a clip.

    `speech` has no row without sound, neither has one in a clip of fewer than 9 frames.
    """

    name = "corpus-av"
    tier = "bundled"
    needs_audio = True
    protocol = ("mouth found by corpus-frame in every frame, cut out at 32 px (from 128 px where frames are larger); "
                f"80 log-mel bins at 50 Hz; windows of 9 frames; {VERSION}")
    shipped = ("corpus-frame.safetensors", "corpus-av.safetensors")

    def __init__(self, files: Mapping[str, Path], device: str = "cpu"):
        from semo.features.nets.corpus import load_frame_net
        from semo.features.nets.corpus_av import load_av_net

        self.frame_net = load_frame_net(files[self.shipped[0]], device)
        self.av_net, self.device = load_av_net(files[self.shipped[1]], device), device

    def start(self) -> Session:
        return _AudioVisualSession(self)


class _AudioVisualSession(Session):
    """Keeps the lip network's vector of every frame; time is looked at in the end."""

    def __init__(self, extractor: CorpusAudioVisual):
        self.extractor = extractor
        self.rows: list[Tensor] = []
        self.count = 0

    def add(self, frames: np.ndarray) -> None:
        import torch

        from semo.features.nets.corpus_av import mouth_crops
        from semo.pictures import to_float

        with torch.inference_mode():
            for part in _parts(frames):
                crops = mouth_crops(part, self.extractor.frame_net, self.extractor.device)
                self.rows.append(self.extractor.av_net.look(to_float(crops).to(self.extractor.device)).cpu())
        self.count += len(frames)

    def finish(self, waveform: np.ndarray | None) -> Features:
        import torch

        from semo.audio import LogMel
        from semo.features.nets.corpus_av import SPACE, WINDOW

        net, device = self.extractor.av_net, self.extractor.device
        found = {"lips": np.zeros((0, SPACE), np.float32), "speech": np.zeros((0, SPACE), np.float32)}
        if self.count < WINDOW:
            return found
        with torch.inference_mode():
            found["lips"] = net.lips(torch.cat(self.rows)[None].to(device))[0].cpu().numpy()
            if waveform is not None:
                mel = torch.from_numpy(LogMel().encode(waveform, self.count))
                found["speech"] = net.speech(mel[None].to(device))[0].cpu().numpy()
        return found


def frame_features(frames: np.ndarray, net: FrameNet, device: str) -> list[Tensor]:
    """uint8 (n, H, W, 3) -> features of the frame network, (<= 32, 128) each, on the CPU."""
    import torch

    from semo.features.nets.corpus import network_input

    with torch.inference_mode():
        return [net.features(network_input(part, device)).float().cpu() for part in _parts(frames)]


def _parts(frames: np.ndarray, size: int = 32) -> list[np.ndarray]:
    return [frames[i : i + size] for i in range(0, len(frames), size)]


NETWORKS = (CorpusFrame, CorpusClip, CorpusPerceptual, CorpusAudioVisual)
