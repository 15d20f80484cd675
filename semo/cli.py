"""The command `semo`: animate a portrait, make it talk, score videos, fetch networks, or say what is installed.

Whatever goes wrong with input, weights or disk is one sentence on stderr and exit code 2, and leaves no half file.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from semo.errors import DatasetError, MediaError
from semo.study.command import study

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
                  help="Semantic latent motion for portrait video.")

app.add_typer(study, name="study")

Portrait = Annotated[Path, typer.Argument(help="picture with one face (PNG, JPEG, WebP, ...)")]
Out = Annotated[Path, typer.Option("--out", "-o", help=".mkv: lossless; .mp4: H.264 for viewing")]
Model = Annotated[Path | None, typer.Option(help="model folder (default: the released weights)")]
Steps = Annotated[int | None, typer.Option(min=1, help="sampling steps (default: the model's own)")]
Seed = Annotated[int, typer.Option(min=0, help="seed of the noise")]
MethodName = Annotated[str, typer.Option(help="a method of baselines/, such as liveportrait or hallo2")]
Options = Annotated[list[str] | None, typer.Option(metavar="KEY=VALUE", help="option of a method, such as "
                                                                             "stitching=true of liveportrait or "
                                                                             "still=true of sadtalker")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N")]

TURNED = 30.0  # degrees beyond which Hallo2's authors advise against a portrait


@contextmanager
def one_sentence() -> Iterator[None]:
    """Turn the expected failures into one line on stderr and exit code 2."""
    from baselines.method import ClipFailure, MethodUnavailable

    try:
        yield
    except (MediaError, DatasetError, MethodUnavailable, ClipFailure, ValueError, OSError) as error:
        message = " ".join(str(error).split()) or type(error).__name__
        print(f"error: {message}", file=sys.stderr)
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        print("stopped; nothing was written", file=sys.stderr)
        raise typer.Exit(130) from None


def note(text: str) -> None:
    print(f"note: {text}", file=sys.stderr)


@app.command()
def animate(portrait: Portrait, driving: Annotated[Path, typer.Argument(help="video whose motion is taken over")],
            out: Out, model: Model = None, steps: Steps = None, seed: Seed = 0, method: MethodName = "semo",
            motion: Annotated[str | None, typer.Option(help="of rivals: relative to the first driving frame (default) "
                                                            "or absolute, for a video of the portrait's own")] = None,
            option: Options = None, device: Device = "auto") -> None:
    """Move PORTRAIT with the head and face motion of the video DRIVING; its sound is kept."""
    with one_sentence():
        from semo.media import FPS, crop_resize, iter_frames, probe, read_audio

        writer = _writer(out, portrait, driving)
        source = _portrait(portrait)
        info = probe(driving)
        box = _driving_crop(info)
        frames = (crop_resize(frame, box, box[2]) for frame in iter_frames(driving, FPS))
        sound = read_audio(driving) if info.has_audio else None
        player = _load(method, model, device, "reconstruct")
        options = _options(option) | _motion(player, motion)
        made = player.reconstruct(source, frames, _context(out, seed, steps, options, _face(player, source, portrait)))
        _write(writer, out, made, info.frames_at(FPS), sound)


@app.command()
def talk(portrait: Portrait, speech: Annotated[Path, typer.Argument(help="sound file, or video with sound")], out: Out,
         model: Model = None, steps: Steps = None, seed: Seed = 0, method: MethodName = "semo",
         option: Options = None, device: Device = "auto") -> None:
    """Make PORTRAIT speak the sound of SPEECH, at 25 frames per second whatever rate the method works at."""
    with one_sentence():
        from semo.media import FPS, RATE, read_audio

        writer = _writer(out, portrait, speech)
        source = _portrait(portrait)
        sound = read_audio(speech)
        frames = int(len(sound) / RATE * FPS)
        if frames < 1:
            raise MediaError(f"{speech}: only {1000 * len(sound) / RATE:.0f} ms of sound, one frame (40 ms) is the "
                             "least")
        if np.abs(sound).max() < 1e-3:
            note(f"{speech} is silent: expect a closed mouth")
        player = _load(method, model, device, "talk")
        context = _context(out, seed, steps, _options(option), _face(player, source, portrait))
        made = player.talk(source, sound, frames, context)
        _write(writer, out, made, frames, sound)


@app.command()
def score(
    real: Annotated[Path, typer.Argument(help="true videos: a folder, a folder of prepared clips, or a manifest")],
    fake: Annotated[Path, typer.Argument(help="generated videos of the same names, in any container")],
    metrics: Annotated[str | None, typer.Option(help="comma-separated, such as psnr,ssim,fid (default: every metric "
                                                     "of pixels, and of every network that is here)")] = None,
    tier: Annotated[str | None, typer.Option(help="networks of this tier only: reference, compact or bundled")] = None,
    size: Annotated[int | None, typer.Option(min=16, help="cut the centre square, scale it to so many pixels")] = None,
    length: Annotated[str, typer.Option(help="unequal videos: min compares what both have, strict refuses")] = "min",
    audio: Annotated[str, typer.Option(help="sound to judge the generated video with: auto (its own, else the true "
                                            "one's), real or fake")] = "auto",
    identity: Annotated[str | None, typer.Option(help="regular expression on a video's name; group 1 is the person "
                                                      "(default: every video is another person)")] = None,
    against: Annotated[Path | None, typer.Option(help="videos of a second method, compared pair by pair")] = None,
    floor: Annotated[bool, typer.Option("--floor", help="also real against real, at equal size")] = False,
    out: Annotated[Path | None, typer.Option("--out", "-o", help=".json; .csv and .md are written beside it")] = None,
    weights_dir: Annotated[Path | None, typer.Option(help="mirror folder with networks")] = None,
    cache: Annotated[Path | None, typer.Option(help="folder that keeps features (default: the user's cache)")] = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="keep no features")] = False,
    seed: Seed = 0,
    device: Device = "cpu",
) -> None:
    """Measure the generated videos FAKE against the true videos REAL, with 95 % intervals.

    Pairs are found by name. Exit code 0: all measured; 2: unusable input; 3: done, but some pairs failed.
    """
    with one_sentence():
        from semo.score.command import Request, run

        request = Request(real=real, fake=fake, metrics=metrics, tier=tier, size=size, length=length, audio=audio,
                          identity=identity, against=against, floor=floor, out=out, weights_dir=weights_dir,
                          cache=cache, no_cache=no_cache, seed=seed,
                          device=device if device == "cpu" else _device(device))
        failed = run(request)
    if failed:
        raise typer.Exit(3)


@app.command()
def fetch(
    names: Annotated[list[str] | None, typer.Argument(help="networks of workflow/config/weights.yaml")] = None,
    weights_dir: Annotated[Path | None, typer.Option(help="mirror folder, searched before downloading")] = None,
) -> None:
    """Bring networks into data/weights, checked against their sha256; without a name, list them."""
    with one_sentence():
        from semo.registry import fetch_weight, listing

        if not names:
            for line in listing(weights_dir):
                print(line)
        for name in names or []:
            print(f"{name}: complete in {fetch_weight(name, weights_dir)}")


@app.command()
def info(config: Annotated[Path | None, typer.Option(help="settings of a run (default: mini.yaml)")] = None) -> None:
    """Print versions, which networks, data sets and methods are here, and what a run would do and cost."""
    with one_sentence():
        from semo.about import sections

        for title, rows in sections(config):
            print(title)
            for name, value in rows:
                print(f"  {name:<26} {value}")


def _writer(out: Path, *inputs: Path) -> Callable[..., None]:
    from semo.media import write_lossless, write_preview

    writers = {".mkv": write_lossless, ".mp4": write_preview}
    if out.suffix.lower() not in writers:
        raise MediaError(f"{out}: name the result .mkv (lossless) or .mp4 (for viewing)")
    if out.is_dir():
        raise MediaError(f"{out}: is a folder; name a file")
    if any(path.exists() and out.exists() and out.samefile(path) for path in inputs):
        raise MediaError(f"{out}: would overwrite an input; name another file")
    return writers[out.suffix.lower()]


def _portrait(path: Path) -> np.ndarray:
    """The square head crop of a portrait, in its own pixels."""
    from semo.detect import Cascade, beside_largest, head_crop
    from semo.pictures import centre_square, crop_resize, read_image

    picture = read_image(path)
    height, width = picture.shape[:2]
    if min(height, width) < 16:
        raise MediaError(f"{path}: {width} x {height} pixels are too few for a face; use at least 64 a side")
    faces = Cascade()(picture)
    box = head_crop([faces], height, width)
    if box is None:
        note(f"{path}: no face found, its centre is used (faces seen from the side are not looked for)")
        box = centre_square(height, width)
    elif (others := beside_largest(faces)) > 0:
        note(f"{path}: {others + 1} faces found, the largest is used")
    return crop_resize(picture, box, int(box[2]))


def _face(player: Any, portrait: np.ndarray, path: Path) -> dict[str, Any]:
    """The annotation `face` of a portrait's crop for methods that need it: of several faces the largest."""
    if not getattr(player, "needs_face", False):
        return {}
    from baselines.inputs.clips import portrait_face
    from baselines.method import ClipFailure

    try:
        face = portrait_face(portrait)
    except ClipFailure as error:
        raise ClipFailure(f"{path}: {error}") from None
    yaw, pitch, _ = face.pose[0]
    if max(abs(yaw), abs(pitch)) > TURNED:
        note(f"{path}: the head is turned by {max(abs(yaw), abs(pitch)):.0f} degrees; {player.name} was made for faces "
             "seen from the front")
    return {"face": lambda: face}


def _driving_crop(info: Any) -> tuple[int, int, int]:
    """The fixed square around the face of a video."""
    from semo.detect import Cascade, head_crop
    from semo.media import iter_frames
    from semo.pictures import centre_square

    detector, looks = Cascade(), 12
    found = [detector(frame) for frame in iter_frames(info.path, looks / info.duration, frames=looks)]
    box = head_crop(found, info.height, info.width)
    if box is None:
        note(f"{info.path}: no face found, the centre of the picture is used")
        box = centre_square(info.height, info.width)
    return int(box[0]), int(box[1]), int(box[2])


def _load(name: str, model: Path | None, device: str, task: str) -> Any:
    from baselines.method import make_method

    player = make_method(name)
    needs = " and needs the true video" if player.needs_truth else ""
    needs = " and needs a clip of another person" if getattr(player, "needs_other_clip", False) else needs
    if task not in player.tasks or needs:
        raise ValueError(f"the method {name} cannot do this: it does {', '.join(player.tasks)}{needs}")
    weights, size = _weights(player, model)
    player.load(weights, size, _device(device))
    return player


def _weights(player: Any, model: Path | None) -> tuple[Path | None, str]:
    """Folder and size to load: of a rival a folder of its training or official files; else the method's own default."""
    from baselines.method import trained_size
    from semo.registry import STORE

    if not hasattr(player, "mini_name"):
        return model, "mini"
    if model is None:
        fetched = STORE / player.weights[0]
        model = fetched if (fetched / "fetched.json").is_file() else None
    return model, trained_size(model) or "official"


def _motion(player: Any, motion: str | None) -> dict[str, str]:
    """The option `motion` of rivals: relative unless told, since portrait and driving video rarely show one person."""
    if hasattr(player, "mini_name"):
        return {"motion": motion or "relative"}
    if motion is not None:
        raise ValueError(f"the method {player.name} knows one kind of motion: leave out --motion")
    return {}


def _options(pairs: list[str] | None) -> dict[str, Any]:
    import json

    options = {}
    for pair in pairs or []:
        key, separator, value = pair.partition("=")
        if not separator or not key:
            raise ValueError(f"--option {pair!r} is not of the form key=value")
        try:
            options[key] = json.loads(value)
        except ValueError:
            options[key] = value
    return options


def _device(name: str) -> str:
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        kind = torch.device(name).type
    except RuntimeError:
        raise ValueError(f"unknown device {name!r}: use auto, cpu, cuda or cuda:N") from None
    if kind == "cuda" and not torch.cuda.is_available():
        raise ValueError("no CUDA device on this machine: use --device cpu")
    return name


def _context(out: Path, seed: int, steps: int | None, options: dict[str, Any], given: dict[str, Any]) -> Any:
    from baselines.method import ClipContext

    return ClipContext(out.stem, seed, options=options | ({"steps": steps} if steps else {}), annotations=given)


def _write(writer: Callable[..., None], out: Path, made: Iterable[np.ndarray], total: int,
           sound: np.ndarray | None) -> None:
    from semo.progress import progress

    shape: tuple[int, ...] = ()
    count, start = 0, time.monotonic()

    def counted() -> Iterator[np.ndarray]:
        nonlocal shape, count
        for frame in made:
            shape, count = frame.shape, count + 1
            yield frame
            bar.advance()

    with progress(total, "frames", out.name) as bar:
        writer(out, counted(), audio=sound)
    rate = count / max(time.monotonic() - start, 1e-9)
    print(f"{out}: {count} frames of {shape[1]} x {shape[0]}, {rate:.1f} frames/s")


if __name__ == "__main__":
    app()
