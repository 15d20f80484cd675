"""The released weights: size, format, and what they can do with people they never saw."""

import csv
from pathlib import Path

import numpy as np
import pytest

from semo.media import crop_resize, read_audio, read_frames
from semo.metrics.psnr_moving import moving_error, pooled_decibels
from semo.pipeline import RELEASED, SeMoPipeline, released

CORPUS = Path(__file__).parents[2] / "data" / "portraits-mini"
SUBSETS = ("broadcast", "street", "studio")

pytestmark = pytest.mark.skipif(not (RELEASED / "pipeline.json").exists(), reason="this copy ships no released weights")


@pytest.fixture(scope="module")
def pipeline() -> SeMoPipeline:
    return SeMoPipeline.from_pretrained(released())


def rows(name: str) -> list[dict[str, str]]:
    with open(CORPUS / name, newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def frames(path: str, size: int, count: int) -> np.ndarray:
    return np.stack([crop_resize(frame, None, size) for frame in read_frames(CORPUS / path, frames=count)])


def moving_psnr(truth: np.ndarray, generated: np.ndarray, source: np.ndarray) -> float:
    return pooled_decibels(moving_error(truth, generated, source))


def test_size_and_format():
    files = [path for path in RELEASED.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 16_000_000
    assert {path.suffix for path in files} <= {".json", ".safetensors", ".tsv", ".md"}


@pytest.mark.parametrize("subset", SUBSETS)
def test_three_decibels_above_copying_on_moving_pixels_of_unseen_people(pipeline, subset):
    """One clip of each of the ten test people, every tenth frame."""
    clips = [row for row in rows("corpus.tsv") if row["subset"] == subset and row["split"] == "test"]
    gains = []
    for row in clips[::3]:
        video = frames(row["path"], pipeline.frame_size, 101)[::10]
        made = np.stack(list(pipeline.reconstruct(video[0], video[1:])))
        copy = np.repeat(video[:1], len(made), axis=0)
        gains.append(moving_psnr(video[1:], made, video[0]) - moving_psnr(video[1:], copy, video[0]))
    assert len(gains) == 10
    assert np.mean(gains) >= 3.0


@pytest.mark.parametrize("subset", SUBSETS)
def test_three_decibels_above_copying_across_identities(pipeline, subset):
    """Against the rendered truth: one person with another one's motion, on the pixels that move."""
    paths = {row["clip"]: row["path"] for row in rows("corpus.tsv")}
    gains = []
    for row in (row for row in rows("cross.tsv") if row["subset"] == subset):
        size = pipeline.frame_size
        source = frames(paths[row["source_clip"]], size, 1)[0]
        driving = frames(paths[row["driving_clip"]], size, 50)[::10]
        truth = frames(row["path"], size, 50)[::10]
        made = np.stack(list(pipeline.reconstruct(source, driving)))
        copy = np.repeat(source[None], len(made), axis=0)
        gains.append(moving_psnr(truth, made, source) - moving_psnr(truth, copy, source))
    assert len(gains) == 10
    assert np.mean(gains) >= 3.0


def test_portrait_talks(pipeline):
    row = next(row for row in rows("corpus.tsv") if row["split"] == "test")
    source = frames(row["path"], pipeline.frame_size, 1)[0]
    video = np.stack(list(pipeline.talk(source, read_audio(CORPUS / row["path"]), frames=32)))
    assert video.shape == (32, pipeline.frame_size, pipeline.frame_size, 3)
    assert video.std(axis=0).mean() > 0.5  # it moves
    assert np.abs(video.astype(int) - source).mean() < 25  # and stays the same picture
