"""Runs syncnet-python on seeded weights and inputs and writes what comes out. Usage: python reference.py OUT.npz

Runs in the environment that workflow/envs/syncnet.sh makes; `make test-syncnet` calls it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import torch
from scenedetect import ContentDetector
from scenedetect.scene_detector import FlashFilter
from scipy.io import wavfile

sys.path.insert(0, str(Path(__file__).resolve().parent))
import seeded  # noqa: E402
from syncnet_python.detectors.s3fd import S3FD  # noqa: E402
from syncnet_python.detectors.s3fd.nets import S3FDNet  # noqa: E402
from syncnet_python.syncnet_pipeline import SyncNetPipeline  # noqa: E402
from syncnet_python.SyncNetInstance import SyncNetInstance, calc_pdist  # noqa: E402
from syncnet_python.SyncNetModel import S  # noqa: E402


def networks(folder: Path) -> tuple[Path, Path]:
    """Seeded weight files under upstream's names."""
    syncnet, s3fd = S(), S3FDNet("cpu")
    seeded.seed_weights(syncnet, 1)
    seeded.seed_weights(s3fd, 2)
    torch.save(syncnet.state_dict(), folder / "syncnet_v2.model")
    torch.save(s3fd.state_dict(), folder / "sfd_face.pth")
    return folder / "syncnet_v2.model", folder / "sfd_face.pth"


def kept_distances() -> list[torch.Tensor]:
    """Mean distances per shift of every later SyncNetInstance.evaluate, which itself returns their summary only."""
    module, rows = sys.modules[SyncNetInstance.__module__], []

    def recorded(lips: torch.Tensor, speech: torch.Tensor, vshift: int) -> list[torch.Tensor]:
        found = calc_pdist(lips, speech, vshift)
        rows.append(torch.stack(found, 1).mean(1))
        return found

    module.calc_pdist = recorded
    return rows


@torch.inference_mode()
def embeddings(path: Path) -> dict[str, np.ndarray]:
    net = S()
    net.load_state_dict(torch.load(path))
    net.eval()
    crops = torch.from_numpy(seeded.mouth_crops(9)).permute(3, 0, 1, 2)[None].float()  # BGR as given
    lips = net.forward_lip(torch.cat([crops[:, :, i : i + 5] for i in range(5)]))
    patches = np.random.default_rng(13).normal(size=(6, 1, 13, 20)).astype(np.float32) * 10
    return {"lips": lips.numpy(), "speech": net.forward_aud(torch.from_numpy(patches)).numpy()}


def detector(path: Path) -> dict[str, np.ndarray]:
    """Faces of one picture at the score its 200 best anchors reach."""
    net = S3FDNet("cpu")
    net.load_state_dict(torch.load(path))
    found = S3FD(net, "cpu")
    image = seeded.texture(17, 300, 400)
    least = float(np.float32(found.detect_faces(image, 0.05, [0.25])[:, 4].min()) * 0.999)
    faces = found.detect_faces(image, least, [0.25])
    return {"faces": faces[:, :4], "faces_least": np.array(least), "faces_scores": faces[:, 4]}


def evaluated(net: S, crops: list[np.ndarray], sound: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean distance per shift, and (offset, confidence, distance), of crops without any video in between."""
    rows = kept_distances()
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        for i, crop in enumerate(crops):  # PNG bytes: read by content, and no loss
            (Path(folder) / f"{i:06d}.jpg").write_bytes(cv2.imencode(".png", crop)[1].tobytes())
        wavfile.write(Path(folder) / "audio.wav", seeded.RATE, sound)
        options = SimpleNamespace(tmp_dir=folder, batch_size=20, vshift=15)
        summary = SyncNetInstance(net, "cpu").evaluate(options)
    return rows[-1].numpy(), np.array(summary)


def evaluation(path: Path) -> dict[str, np.ndarray]:
    """Crops and sound; and whole frames as Wav2Lip's wrapper takes them: FFmpeg's pictures, resized."""
    net = S()
    net.load_state_dict(torch.load(path))
    distances, summary = evaluated(net, list(seeded.mouth_crops(40)), seeded.sound(40))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_lossless(folder / "in.mkv", seeded.video(20))
        subprocess.run(["ffmpeg", "-loglevel", "error", "-i", str(folder / "in.mkv"), "-threads", "1", "-f", "image2",
                        str(folder / "%06d.jpg")], check=True)
        pictures = [cv2.resize(cv2.imread(str(path)), (224, 224)) for path in sorted(folder.glob("*.jpg"))]
    whole_frame, _ = evaluated(net, pictures, seeded.sound(20))
    return {"evaluate_distances": distances, "evaluate": summary, "whole_frame_distances": whole_frame}


def cuts() -> dict[str, np.ndarray]:
    rows = {}
    for seed in range(4):
        keep = FlashFilter(FlashFilter.Mode.MERGE, 15)
        found = [f for i, v in enumerate(seeded.changes(seed)) for f in keep.filter(i, bool(v >= 27.0))]
        rows[f"cuts_{seed}"] = np.array(found, np.int64)
    content = ContentDetector()
    pictures = [seeded.texture(seed, 200, 240) for seed in range(4)]
    rows["content"] = np.array([content._calculate_frame_score(i, p) for i, p in enumerate(pictures)])
    return rows


def tracking(pipeline: SyncNetPipeline) -> dict[str, np.ndarray]:
    """One track from detections, and the video of its crops."""
    boxes = [[{"frame": i, "bbox": b, "conf": 1.0} for b in found] for i, found in enumerate(seeded.detections())]
    (track,) = pipeline._track(boxes)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        wavfile.write(root / "a.wav", seeded.RATE, seeded.sound(90))
        frames = []
        for i in range(90):
            frames.append(str(root / f"{i:06d}.png"))
            cv2.imwrite(frames[-1], seeded.texture(100 + i, 240, 320, 8.0))
        cropped = pipeline._crop(track, frames, root / "a.wav", root / "out" / "00000")
        capture = cv2.VideoCapture(cropped)
        crops = []
        while (read := capture.read())[0]:
            crops.append(cv2.resize(read[1], (16, 16), interpolation=cv2.INTER_AREA))
    return {"track_first": track["frame"][:1], "track_boxes": track["bbox"], "track_crops": np.stack(crops[::8])}


def write_lossless(path: Path, frames: np.ndarray) -> None:
    height, width = frames.shape[1:3]
    command = ["ffmpeg", "-y", "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", f"{width}x{height}",
               "-r", "25", "-i", "-", "-c:v", "libx264", "-qp", "0", str(path)]
    subprocess.run(command, input=np.stack(seeded.planes(frames)).tobytes(), check=True)


def whole(folder: Path, syncnet: Path, s3fd: Path) -> dict[str, np.ndarray]:
    """The full pipeline from a video file to distances."""
    net = S3FDNet("cpu")
    net.load_state_dict(torch.load(s3fd))
    seeded.look_for_disc(net)
    torch.save(net.state_dict(), folder / "disc.pth")
    write_lossless(folder / "in.mkv", seeded.video())
    wavfile.write(folder / "in.wav", seeded.RATE, seeded.sound(seeded.FRAMES))
    pipeline = SyncNetPipeline(
        {"s3fd_weights": str(folder / "disc.pth"), "syncnet_weights": str(syncnet), "min_track": 50}, device="cpu"
    )
    rows = kept_distances()
    with torch.inference_mode():
        files = str(folder / "in.mkv"), str(folder / "in.wav")
        offsets, confidences, distances, *_, faces, _ = pipeline.inference(*files)
    boxes = np.array([face["bbox"] for face in json.loads(faces)])
    print("whole", offsets, confidences, distances, len(boxes))
    assert len(offsets) == 1, "the seeded detector should follow the disc and nothing else"
    return {**tracking(pipeline), "whole_boxes": boxes, "whole_distances": rows[-1].numpy(),
            "whole": np.array([offsets[0], confidences[0], distances[0]])}


def main(out: str) -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        syncnet, s3fd = networks(folder)
        found = {**embeddings(syncnet), **detector(s3fd), **evaluation(syncnet), **cuts(),
                 **whole(folder, syncnet, s3fd)}
    small = {key: value.astype(np.float32) if value.dtype == np.float64 and value.ndim > 1 else value
             for key, value in found.items()}
    np.savez_compressed(out, **small)


if __name__ == "__main__":
    main(sys.argv[1])
