"""One shard of a data set: videos become latents (or frames) and audio features of training clips, files of test clips.

A shard holds all clips of the source videos that a hash of their path assigns to it, so that the windows of one video
are cut by one job, and a new video changes one shard. It is written whole or not at all; a finished one is kept.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from semo.audio import AudioEncoder, make_audio_encoder
from semo.clips import Clip, CrossPair, Refusal
from semo.codec import Codec, make_codec
from semo.corpora.lock import exclusive
from semo.datasets import Candidate, CandidatePair, candidates
from semo.errors import DatasetError, MediaError, WriteError
from semo.pictures import to_float
from semo.prepare import Preparation, check_unique
from semo.progress import progress
from semo.shards.store import INDEX, Index, Shard, ShardClip, ShardWriter, Statistics, StoreSettings
from semo.train.settings import Preset
from semo.video_writer import replaced_when_complete

CHUNK = 16  # frames encoded at once


def shard_of(path: str, count: int) -> int:
    """The shard of a source file, from its path below the data set's folder."""
    return int(hashlib.sha256(path.encode()).hexdigest()[:12], 16) % count


def shard_folder(out: Path, number: int, count: int) -> Path:
    """Folder of a shard; stores of different counts never share one."""
    return out / "shards" / f"{count}" / f"{number:05d}"


def store_settings(preset: Preset) -> StoreSettings:
    """What the preset's training reads: frames for a codec that is light, else latents."""
    codec = preset.codec
    light = codec.kind in ("pixel", "patch-pca")
    return StoreSettings(preset.frame_size, None if light else codec.kind, None if light else codec.path,
                         preset.stage2.audio, preset.stage2.audio_path)


@dataclass(frozen=True)
class Encoders:
    """Networks between a clip and what is stored of it."""

    codec: Codec | None
    audio: AudioEncoder
    device: str

    @classmethod
    def of(cls, preset: Preset, device: str) -> Encoders:
        settings = store_settings(preset)
        codec = make_codec(preset.codec.kind, preset.frame_size, preset.codec.path) if settings.codec else None
        return cls(codec.to(device) if codec else None, make_audio_encoder(settings.audio, settings.audio_path, device),
                   device)

    def latents(self, frames: np.ndarray) -> np.ndarray:
        """uint8 (T, S, S, 3) -> float16 (T, c, h, w), unstandardised; frames as they are without a codec."""
        if self.codec is None:
            return frames
        parts = [frames[i:i + CHUNK] for i in range(0, len(frames), CHUNK)]
        return np.concatenate([self.codec.encode(to_float(part).to(self.device)).half().cpu().numpy()
                               for part in parts])


class ShardPreparation:
    """Shard `number` of `count` of a data set, written into `preparation.out`. Raises DatasetError or WriteError."""

    def __init__(self, preparation: Preparation, preset: Preset, number: int, count: int, device: str = "cpu"):
        if not 0 <= number < count:
            raise DatasetError(f"there is no shard {number} of {count}: they are numbered from 0")
        self.preparation, self.preset, self.device = preparation, preset, device
        self.number, self.count = number, count
        self.folder = shard_folder(preparation.out, number, count)

    def run(self) -> dict[str, Any]:
        """Prepare the shard, unless that was done with the same settings and videos; the contents of its part.json."""
        with exclusive(self.folder):
            dataset = self.preparation.dataset
            found, pairs, refused = candidates(dataset) if dataset.enabled else ([], [], [])
            check_unique(found, dataset)
            own = [c for c in found if self._owns(c.relative)]
            pairs = [p for p in pairs if self._owns(p.pair)]
            key = self._key(own, pairs)
            part = self._finished(key)
            if part is None:
                for leftover in self.folder.glob(".*.partial"):
                    leftover.unlink()
                text = json.dumps(self._make(own, pairs, [r for r in refused if self._owns(r.path)]) | {"key": key})
                with replaced_when_complete(self.folder / "part.json") as partial:
                    partial.write_text(text + "\n")
                part = json.loads(text)
        return part

    def _owns(self, path: str) -> bool:
        return shard_of(path, self.count) == self.number

    def _key(self, own: list[Candidate], pairs: list[CandidatePair]) -> str:
        """Digest of the settings, the clips and the state of their videos."""
        states = {}
        for file in {c.file for c in own} | {p.file for p in pairs}:
            state = file.stat() if file.is_file() else None
            states[str(file)] = (state.st_size, state.st_mtime_ns) if state else None
        described = [asdict(self.preparation.dataset), asdict(store_settings(self.preset)), self.count,
                     [asdict(c) for c in own], [asdict(p) for p in pairs], sorted(states.items())]
        return hashlib.sha256(json.dumps(described, default=str).encode()).hexdigest()

    def _finished(self, key: str) -> dict[str, Any] | None:
        try:
            part = json.loads((self.folder / "part.json").read_text())
            data = self.folder / "data.tar"
            tests = [self.preparation.out / "clips" / f"{row['clip']}.mkv" for row in part["clips"]
                     if row["split"] != "train"]
            whole = data.stat().st_size == part["bytes"] and all(video.is_file() for video in tests)
            return part if part["key"] == key and whole else None
        except (OSError, ValueError, KeyError):
            return None

    def _make(self, own: list[Candidate], pairs: list[CandidatePair], refused: list[Refusal]) -> dict[str, Any]:
        cv2.setNumThreads(1)  # shards are the unit of parallel work
        (self.preparation.out / "truth").mkdir(exist_ok=True)
        encoders = Encoders.of(self.preset, self.device)
        rows: list[Clip] = []
        stored: list[ShardClip] = []
        statistics = Statistics()
        data = self.folder / "data.tar"
        with replaced_when_complete(data) as partial, ShardWriter(partial) as writer, \
                progress(len(own), "clips", f"shard {self.number} of {self.count}") as bar:
            for candidate in sorted(own, key=lambda c: (c.relative, c.start)):
                if candidate.split == "train":
                    clip, new, added = self._store(candidate, encoders, writer)
                    statistics += added
                    stored += [ShardClip(clip.clip, clip.frames, clip.has_audio)] if clip else []
                    result = [*([clip] if clip else []), *new]
                else:
                    result = self.preparation.prepared(candidate)
                rows += [row for row in result if isinstance(row, Clip)]
                refused += [row for row in result if isinstance(row, Refusal)]
                bar.advance(1, refused=len(refused))
        for pair in pairs:
            self.preparation.prepare_pair(pair)
        return {"settings": asdict(store_settings(self.preset)), "bytes": data.stat().st_size,
                "clips": [asdict(row) for row in rows], "stored": [list(asdict(clip).values()) for clip in stored],
                "statistics": asdict(statistics), "refused": [asdict(row) for row in refused],
                "pairs": [asdict(p) | {"file": p.file.name} for p in pairs]}

    def _store(self, candidate: Candidate, encoders: Encoders,
               writer: ShardWriter) -> tuple[Clip | None, list[Refusal], Statistics]:
        """One training clip into the tar: the clip, or why there is none; why it has no sound."""
        try:
            cut = self.preparation.cut(candidate, self.preparation.digest(candidate))
            frames = encoders.latents(np.stack(list(cut.frames)))
        except WriteError:
            raise
        except MediaError as error:
            reason = str(error).removeprefix(f"{candidate.file}: ")
            return None, [Refusal(candidate.place, reason)], Statistics()
        sound = encoders.audio.encode(cut.sound, cut.clip.frames) if cut.sound is not None else None
        writer.add(asdict(cut.clip), store_settings(self.preset).content, frames, sound)
        refused = [Refusal(candidate.place, f"{cut.objected}; kept without sound")] if cut.objected else []
        return cut.clip, refused, Statistics.of(frames) if encoders.codec else Statistics()


def gather(preparation: Preparation, count: int) -> tuple[list[Clip], list[CrossPair], list[Refusal]]:
    """One manifest and one index of all shards. Raises DatasetError for a missing one, or one of other settings."""
    out = preparation.out
    with exclusive(out):
        parts = [_read_part(shard_folder(out, number, count)) for number in range(count)]
        settings = {json.dumps(part["settings"], sort_keys=True) for part in parts}
        if len(settings) > 1:
            odd = _odd_one(parts)
            raise DatasetError(f"{shard_folder(out, odd, count)}: was prepared with other settings than the shards "
                               "beside it; delete its folder and rerun the workflow")
        clips = [Clip(**row) for part in parts for row in part["clips"]]
        refused = [Refusal(**row) for part in parts for row in part["refused"]]
        have = {clip.clip for clip in clips}
        pairs = [CrossPair(p["pair"], p["source_clip"], p["driving_clip"], f"cross/{p['pair']}.mkv", p["frames"])
                 for part in parts for p in part["pairs"] if {p["source_clip"], p["driving_clip"]} <= have]
        shards, statistics = [], Statistics()
        for number, part in enumerate(parts):
            path = shard_folder(out, number, count) / "data.tar"
            shards.append(Shard(path, part["bytes"], tuple(ShardClip(*row) for row in part["stored"])))
            statistics += Statistics(**{k: tuple(v) if isinstance(v, list) else v
                                        for k, v in part["statistics"].items()})
        with replaced_when_complete(out / INDEX) as partial:
            Index(StoreSettings(**parts[0]["settings"]), statistics, tuple(shards)).write(partial)
        preparation.write(sorted(clips, key=lambda clip: clip.clip), pairs, refused)
    return clips, pairs, refused


def _read_part(folder: Path) -> dict[str, Any]:
    try:
        part = json.loads((folder / "part.json").read_text())
        found = (folder / "data.tar").stat().st_size
    except (OSError, ValueError) as error:
        raise DatasetError(f"{folder}: this shard is not finished ({error}); rerun the workflow") from error
    if found != part["bytes"]:
        raise DatasetError(f"{folder / 'data.tar'}: has {found} bytes where {part['bytes']} were written; delete its "
                           "folder and rerun the workflow")
    return part


def _odd_one(parts: list[dict[str, Any]]) -> int:
    """The first shard whose settings are not those of most."""
    settings = [json.dumps(part["settings"], sort_keys=True) for part in parts]
    common = max(settings, key=settings.count)
    return next(number for number, own in enumerate(settings) if own != common)
