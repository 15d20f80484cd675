"""LR-ASD (Liao et al. 2025), an active-speaker network: what FD-lrasd and AV-lrasd are measured on.

A logit that says whether a face speaks what is heard follows lip sync, but is no distance between lips and sound: it is
never called a Sync score, nor the Frechet distance of its visual half FVD.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np

from semo.features.base import Extractor, Features, Session, WindowExtractor
from semo.features.face_finder import PROTOCOL, cut, face_finder, follow, square

SIDE = 112
BORDER = 110  # grey outside the picture, as upstream
LARGEST = 512  # px, longer side of the frames crops are cut from: those of a segment are held in memory
SEGMENT = 100  # frames the network sees at once: 4 s, the middle of the lengths upstream averages over
CROP = (
    f"{PROTOCOL}; grey 112x112, the square from brows to chin (0.85 box heights, 0.1 below its middle) at the median "
    "place over the frames seen at once, so that the crop stands still and the head moves in it"
)


def _load(files: Mapping[str, Path], device: str):
    from semo.features.nets.loading import filled, read_tensors
    from semo.features.nets.lrasd import LRASD

    path = files["lr_asd_ava.model"]
    return filled(LRASD(), read_tensors(path), path, device)


def _grey(frame: np.ndarray, face: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None]:
    """Frame and box of its face as they are kept: grey, the longer side at most 512 pixels."""
    import cv2

    factor = max(frame.shape[:2]) / LARGEST
    grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
    if factor <= 1:
        return grey, face
    size = max(1, round(frame.shape[1] / factor)), max(1, round(frame.shape[0] / factor))
    return cv2.resize(grey, size, interpolation=cv2.INTER_AREA), None if face is None else face[:4] / factor


def _crops(frames: list[np.ndarray], faces: list[np.ndarray | None]) -> np.ndarray | None:
    """Grey frames seen at once and the box in each -> uint8 (frames, 112, 112), None if under half of them show one."""
    seen = [face for face in faces if face is not None]
    if 2 * len(seen) < len(faces):
        return None
    x, y, width, height = np.median([face[:4] for face in seen], axis=0).astype(np.float64)
    to_crop = square(x + width / 2, y + 0.6 * height, 0.85 * height, SIDE)
    return np.stack([cut(frame, to_crop, SIDE, BORDER) for frame in frames])


class LRASDVisual(WindowExtractor):
    """Visual encoder on windows of 16 frames, averaged over the window: (windows, 128). No window without a face."""

    name: ClassVar[str] = "lrasd-visual"
    tier: ClassVar[str] = "compact"
    weights: ClassVar[tuple[str, ...]] = ("yunet", "lr-asd")
    protocol: ClassVar[str] = f"windows of 16 frames, stride 16; {CROP}; 128 features averaged over the window"
    length: ClassVar[int] = 16
    stride: ClassVar[int] = 16

    def __init__(self, files: Mapping[str, Path], device: str = "cpu"):
        self.network, self.device = _load(files, device), device
        self.find = face_finder(files["yunet_n_dynamic.onnx"])

    def windows(self, windows: np.ndarray) -> np.ndarray:
        import torch

        crops = [self._one(list(window)) for window in windows]
        kept = [crop for crop in crops if crop is not None]
        if not kept:
            return np.zeros((0, 128), np.float32)
        with torch.inference_mode():
            features = self.network.visual(torch.from_numpy(np.stack(kept)).float().to(self.device))
        return features.mean(1).cpu().numpy()

    def _one(self, frames: list[np.ndarray]) -> np.ndarray | None:
        kept, previous = [], None
        for frame in frames:
            face = follow(self.find(frame), previous)
            previous = face if face is not None else previous
            kept.append(_grey(frame, face))
        return _crops([grey for grey, _ in kept], [face for _, face in kept])


class LRASDSpeaker(Extractor):
    """Logit of speaking what is heard, `logits` (T,): NaN in segments without a face, none at all without sound."""

    name: ClassVar[str] = "lrasd"
    tier: ClassVar[str] = "compact"
    weights: ClassVar[tuple[str, ...]] = ("yunet", "lr-asd")
    needs_audio: ClassVar[bool] = True
    protocol: ClassVar[str] = f"segments of 100 frames, the last as long as it is; {CROP}; 13 MFCC at 100 Hz"

    def __init__(self, files: Mapping[str, Path], device: str = "cpu"):
        self.network, self.device = _load(files, device), device
        self.find = face_finder(files["yunet_n_dynamic.onnx"])

    def start(self) -> Session:
        return _SpeakerSession(self)


class _SpeakerSession(Session):
    """Keeps 128 numbers a frame and the frames of one segment."""

    def __init__(self, extractor: LRASDSpeaker):
        self.extractor = extractor
        self.previous: np.ndarray | None = None
        self.frames: list[np.ndarray] = []
        self.faces: list[np.ndarray | None] = []
        self.segments: list[tuple[int, np.ndarray | None]] = []  # frames, visual features (frames, 128)

    def add(self, frames: np.ndarray) -> None:
        for frame in frames:
            face = follow(self.extractor.find(frame), self.previous)
            self.previous = face if face is not None else self.previous
            grey, box = _grey(frame, face)
            self.frames.append(grey)
            self.faces.append(box)
            if len(self.frames) == SEGMENT:
                self._see()

    def _see(self) -> None:
        import torch

        crops = _crops(self.frames, self.faces)
        features = None
        if crops is not None:
            with torch.inference_mode():
                faces = torch.from_numpy(crops)[None].float().to(self.extractor.device)
                features = self.extractor.network.visual(faces)[0].cpu().numpy()
        self.segments.append((len(self.frames), features))
        self.frames, self.faces = [], []

    def finish(self, waveform: np.ndarray | None) -> Features:
        import torch

        from semo.features.mfcc import mfcc, to_int16

        if self.frames:
            self._see()
        if waveform is None or not len(waveform):
            return {"logits": np.zeros(0, np.float32)}
        total = sum(count for count, _ in self.segments)
        heard = mfcc(to_int16(waveform))[: 4 * total].astype(np.float32)
        heard = np.pad(heard, ((0, 4 * total - len(heard)), (0, 0)), mode="edge")
        logits, start = np.full(total, np.nan, np.float32), 0
        for count, visual in self.segments:
            if visual is not None:
                piece = torch.from_numpy(heard[4 * start : 4 * (start + count)])[None].to(self.extractor.device)
                with torch.inference_mode():
                    seen = torch.from_numpy(visual)[None].to(self.extractor.device)
                    logits[start : start + count] = self.extractor.network.logits(seen, piece)[0].cpu().numpy()
            start += count
        return {"logits": logits}


NETWORKS = (LRASDVisual, LRASDSpeaker)
