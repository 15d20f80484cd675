"""The whole set of metrics on one pair of videos, as a ratio to the pieces that other suites run one after the other.

    python benchmarks/score.py [--frames 64] [--size 256] [--memory] [--out FILE.tsv]

Ours: every pixel metric and every metric of the bundled tier, features of both sides, nothing kept from before. Theirs,
from public packages with seeded weights where the real ones would be downloaded (their time is that of the real ones):
numpy PSNR and L1, scikit-image's SSIM, lpips one frame at a time, Inception v3 features with scipy's matrix square root
as pytorch-fid does, R3D-18 features of 16-frame windows. Processor seconds of one thread; the Frechet distance of 64
frames in 2,048 dimensions has a row of its own. `--memory` prints the peak of a light score of 1,000 and 10,000 frames.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from skimage.metrics import structural_similarity
from torch import nn

from semo.frechet import frechet_distance
from semo.measure import Measurer, Pair, Side, set_values
from semo.metrics import metrics_for

LIGHT = "psnr,ssim,l1,psnr_moving"
PEAK = (
    "import resource, sys; from semo.cli import app; app(sys.argv[1:], standalone_mode=False); "
    "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
)


def film(seed: int, frames: int, size: int) -> np.ndarray:
    """uint8 (T, S, S, 3): smooth colours that drift, with a little noise."""
    rng = np.random.default_rng(seed)
    ramp = np.linspace(0, 2 * np.pi, size)
    waves = [np.sin(ramp[None, :, None] * (c + 1) + ramp[:, None, None] + rng.random()) for c in range(3)]
    base = 128 + 80 * np.concatenate(waves, axis=2)
    made = (np.roll(base, t, axis=1) + rng.normal(0, 4, (size, size, 3)) for t in range(frames))
    return np.stack([np.clip(frame, 0, 255).astype(np.uint8) for frame in made])


def seconds(work: Callable[[], object]) -> float:
    """Processor time of one call."""
    start = time.process_time()
    work()
    return time.process_time() - start


def ours(real: np.ndarray, fake: np.ndarray) -> Callable[[], object]:
    measurer = Measurer(metrics_for("reconstruct", "bundled") + metrics_for("talk", "bundled"))
    sound = np.random.default_rng(0).normal(0, 0.1, len(real) * 640).astype(np.float32)

    def run() -> None:
        sides = (Side(name, lambda v=video: iter(v), lambda: sound) for name, video in (("r", real), ("f", fake)))
        measured = measurer.measure(Pair("pair", "person", *sides, source=lambda: real[0]))
        set_values(measurer.metrics, [measured], ["person"])

    return run


def peers(real: np.ndarray, fake: np.ndarray) -> dict[str, Callable[[], object]]:
    """Step -> what a peer runs for it."""
    import lpips
    from pytorch_fid.fid_score import calculate_frechet_distance
    from torchvision.models import inception_v3
    from torchvision.models.video import r3d_18

    torch.manual_seed(0)
    perceptual = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False).eval()
    inception = inception_v3(weights=None, init_weights=False, transform_input=False).eval()
    inception.fc = nn.Identity()
    video = r3d_18(weights=None).eval()
    video.fc = nn.Identity()
    pair = [torch.from_numpy(v).permute(0, 3, 1, 2).float() / 255 for v in (real, fake)]

    def frames_of(x: torch.Tensor) -> np.ndarray:
        large = nn.functional.interpolate(x, (299, 299), mode="bilinear")
        return np.concatenate([inception(2 * part - 1).numpy() for part in large.split(50)])

    def windows_of(x: torch.Tensor) -> np.ndarray:
        small = nn.functional.interpolate(x, (112, 112), mode="bilinear")
        return np.concatenate([video(w.transpose(0, 1)[None]).numpy() for w in small.split(16) if len(w) == 16])

    def distance(features: Callable[[torch.Tensor], np.ndarray]) -> None:
        sides = [features(x) for x in pair]
        calculate_frechet_distance(*(m for s in sides for m in (s.mean(0), np.cov(s, rowvar=False))))

    def numpy_errors() -> None:
        for a, b in zip(real, fake, strict=True):
            d = a / 255.0 - b / 255.0
            -10 * np.log10((d**2).mean()), np.abs(d).mean()

    return {
        "PSNR and L1": numpy_errors,
        "SSIM": lambda: [structural_similarity(a, b, channel_axis=-1, gaussian_weights=True, sigma=1.5,
                                               use_sample_covariance=False) for a, b in zip(real, fake, strict=True)],
        "LPIPS": lambda: [perceptual(2 * a[None] - 1, 2 * b[None] - 1) for a, b in zip(*pair, strict=True)],
        "FID": lambda: distance(frames_of),
        "video distance": lambda: distance(windows_of),
    }


def frechet_row() -> tuple[float, float]:
    """Our and pytorch-fid's seconds for 64 frames in 2,048 dimensions."""
    from pytorch_fid.fid_score import calculate_frechet_distance

    a, b = np.random.default_rng(0).normal(size=(2, 64, 2048))
    stats = [m for s in (a, b) for m in (s.mean(0), np.cov(s, rowvar=False))]
    return seconds(lambda: frechet_distance(a, b)), seconds(lambda: calculate_frechet_distance(*stats))


def peak_memory() -> Iterator[tuple[int, float]]:
    """Frames -> peak MiB of a light score of one 64-pixel pair of that length, each in a fresh process."""
    from semo.media import write_lossless

    for frames in (1000, 10_000):
        with tempfile.TemporaryDirectory() as folder:
            for side, seed in (("real", 0), ("fake", 1)):
                (Path(folder) / side).mkdir()
                block = film(seed, 100, 64)
                write_lossless(Path(folder) / side / "long.mkv", (block[t % 100] for t in range(frames)), fps=25)
            arguments = ["score", f"{folder}/real", f"{folder}/fake", "--metrics", LIGHT, "--no-cache"]
            done = subprocess.run([sys.executable, "-c", PEAK, *arguments], capture_output=True, text=True, check=True)
            yield frames, int(done.stdout.split()[-1]) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description="All metrics of one pair against the pieces of other suites.")
    parser.add_argument("--frames", type=int, default=64)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--memory", action="store_true", help="print peak memory of 1,000 and 10,000 frames instead")
    parser.add_argument("--out", type=Path, help="also write the rows to this TSV")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    warnings.simplefilter("ignore")
    if options.memory:
        lines = ["frames\tpeak_mib", *(f"{frames}\t{peak:.0f}" for frames, peak in peak_memory())]
    else:
        real, fake = (film(seed, options.frames, options.size) for seed in (0, 1))
        theirs = {name: seconds(work) for name, work in peers(real, fake).items()}
        own = seconds(ours(real, fake))
        frechet = frechet_row()
        lines = ["benchmark\tours_s\tpeers_s\tratio", *(f"peers: {n}\t\t{s:.2f}\t" for n, s in theirs.items())]
        lines += [f"whole set\t{own:.2f}\t{sum(theirs.values()):.2f}\t{sum(theirs.values()) / own:.1f}"]
        lines += [f"Frechet, 64 x 2048\t{frechet[0]:.3f}\t{frechet[1]:.2f}\t{frechet[1] / frechet[0]:.0f}"]
    print("\n".join(lines))
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
