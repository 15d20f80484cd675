"""SyncNet v2 (Chung and Zisserman 2016) behind Sync-C, Sync-D and offset, in the two wrappers that papers use.

Features of a clip: `distances` (tracks, 31), mean distance between lips and speech shifted by -15..15 frames;
`windows` and `detections` (tracks,). Of shape (1,) is what explains a missing value: `frames`; `sound`, 0 none, 1
digital silence, 2 audible; and with tracks `faces`, frames with a face, `longest`, most detections of a track,
`largest`, pixels of the largest face followed for more than 50 frames.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from semo.features.base import Extractor, Session

_AUDIO = (
    "16 kHz mono rounded to int16, MFCC as python_speech_features' defaults; windows of 5 frames, "
    "min(frames, samples / 640) - 5 of them; Euclidean distance of embeddings that are not normalised, speech padded "
    "with zero vectors; digital silence has no value"
)


class SyncNet(Extractor):
    """joonson/syncnet_python: run_pipeline.py and run_syncnet.py.

    Nothing is enlarged: a clip whose faces are all 100 px or smaller has no track. Differences to upstream: the sound
    does not pass through MP3 on its way, and frames come as RGB, so the first encoder sees colours rounded once more
    (0.1 % of Sync-D in tests/unit/test_sync_reference.py; from the same YUV nothing differs).
    """

    name = "syncnet"
    tier = "reference"
    weights = ("syncnet-v2", "s3fd")
    needs_audio = True
    protocol = (
        "25 fps; MPEG-4 at q 2, its frames as JPEG at q 2; S3FD at scale 0.25, confidence 0.9, NMS 0.1; scenes by "
        "ContentDetector 27 of PySceneDetect 0.6; tracks by IoU 0.5, at most 25 frames missed, more than 50 "
        "detections, face over 100 px; medians over 13 frames; margin 0.4 on grey 110, 224 px; XVID as OpenCV "
        "writes it, JPEG at FFmpeg's default rate; BGR 0..255; " + _AUDIO
    )

    def __init__(self, files: Mapping[str, Path], device: str = "cpu"):
        from semo.features.lipsync.detect import FaceFinder
        from semo.features.lipsync.embed import Embedder

        self.embedder = Embedder(files["syncnet_v2.model"], device)
        self.finder = FaceFinder(files["sfd_face.pth"], device)

    def start(self) -> Session:
        from semo.features.lipsync.sessions import TrackedSession

        return TrackedSession(self.embedder, self.finder)


class SyncNetWholeFrame(Extractor):
    """Wav2Lip's calculate_scores_LRS.py: no detection, meant for clips that are tight face crops already."""

    name = "syncnet-whole-frame"
    tier = "reference"
    weights = ("syncnet-v2",)
    needs_audio = True
    protocol = "25 fps; JPEG at FFmpeg's default rate; whole frame squeezed to 224 px; BGR 0..255; " + _AUDIO

    def __init__(self, files: Mapping[str, Path], device: str = "cpu"):
        from semo.features.lipsync.embed import Embedder

        self.embedder = Embedder(files["syncnet_v2.model"], device)

    def start(self) -> Session:
        from semo.features.lipsync.sessions import WholeFrameSession

        return WholeFrameSession(self.embedder)


NETWORKS = (SyncNet, SyncNetWholeFrame)
