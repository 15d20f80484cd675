import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import baselines.method
from semo import cli, media
from semo.planned import CONFIGS
from tests.unit.media_samples import astronaut, astronaut_video, click, numbered_frames, write_stamped, write_wav


class Recorder:
    """A method that repeats the source and keeps what it was given."""

    name, tasks, needs_truth = "recorder", ("reconstruct", "talk"), False

    def load(self, weights, size, device):
        self.loaded = weights, size, device

    def reconstruct(self, source, driving, context):
        self.source, self.context, self.driving = source, context, []
        for frame in driving:
            self.driving.append(frame)
            yield media.crop_resize(frame, None, 32)

    def talk(self, source, waveform, frames, context):
        self.source, self.waveform, self.context = source, waveform, context
        for _ in range(frames):
            yield media.crop_resize(source, None, 32)


@pytest.fixture
def method(monkeypatch):
    recorder = Recorder()
    monkeypatch.setattr(baselines.method, "make_method", lambda name: recorder)
    return recorder


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    Image.fromarray(astronaut()).save(folder / "face.png")
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(folder / "square.png")
    astronaut_video(folder / "drive.mp4")
    media.write_preview(folder / "plain.mp4", np.zeros((12, 64, 96, 3), np.uint8))
    write_wav(folder / "speech.wav", click(1.0, 0.5), 16000)
    return folder


def run(*arguments):
    result = CliRunner().invoke(cli.app, [str(a) for a in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def refused(words, *arguments):
    result = run(*arguments)
    lines = [line for line in result.stderr.splitlines() if line.startswith("error:")]
    assert result.exit_code == 2 and len(lines) == 1 and words in lines[0], result.output + result.stderr
    assert "Traceback" not in result.stderr


def test_animate_crops_the_heads_and_keeps_the_sound(method, inputs, tmp_path):
    out = tmp_path / "out.mkv"
    result = run("animate", inputs / "face.png", inputs / "drive.mp4", "-o", out, "--seed", 7, "--steps", 2)
    assert result.exit_code == 0, result.stderr
    assert "12 frames of 32 x 32" in result.stdout
    assert method.loaded == (None, "mini", "cpu") and method.context.seed == 7 and method.context.options["steps"] == 2
    assert method.source.shape[0] == method.source.shape[1] and 150 < method.source.shape[0] < 260
    assert len(method.driving) == 12 and method.driving[0].shape[0] == method.driving[0].shape[1] < 300
    expected = [media.crop_resize(frame, None, 32) for frame in method.driving]
    assert np.array_equal(media.read_frames(out), expected)  # lossless
    assert np.abs(media.read_audio(out)).max() > 0.3
    assert [path.name for path in tmp_path.iterdir()] == ["out.mkv"]


def test_animate_without_sound_or_faces(method, inputs, tmp_path):
    result = run("animate", inputs / "square.png", inputs / "plain.mp4", "-o", tmp_path / "o.mp4")
    assert result.exit_code == 0 and result.stderr.count("no face found") == 2
    assert method.source.shape == (64, 64, 3) and method.driving[0].shape == (64, 64, 3)
    assert not media.probe(tmp_path / "o.mp4").has_audio


def test_animate_resamples_variable_frame_rate(method, inputs, tmp_path):
    write_stamped(tmp_path / "vfr.mkv", numbered_frames(20, 64), [0.03 * i + 0.002 * i * i for i in range(20)])
    result = run("animate", inputs / "square.png", tmp_path / "vfr.mkv", "-o", tmp_path / "o.mkv")
    assert result.exit_code == 0 and media.probe(tmp_path / "o.mkv").frames == len(method.driving) == 34


@pytest.mark.parametrize(("rate", "channels"), [(16000, 1), (8000, 1), (44100, 2)])
def test_talk_takes_any_sound(method, inputs, tmp_path, rate, channels):
    write_wav(tmp_path / "s.wav", np.stack([click(1.0, 0.5, rate)] * channels), rate)
    result = run("talk", inputs / "face.png", tmp_path / "s.wav", "-o", tmp_path / "o.mkv")
    assert result.exit_code == 0, result.stderr
    assert len(method.waveform) == pytest.approx(16000, abs=2) and media.probe(tmp_path / "o.mkv").frames == 25
    assert np.abs(media.read_audio(tmp_path / "o.mkv")).argmax() == pytest.approx(8000, abs=320)


def test_talk_takes_the_sound_of_a_video(method, inputs, tmp_path):
    result = run("talk", inputs / "face.png", inputs / "drive.mp4", "-o", tmp_path / "o.mp4")
    assert result.exit_code == 0 and media.probe(tmp_path / "o.mp4").frames == 12


def test_silent_sound_is_noted(method, inputs, tmp_path):
    write_wav(tmp_path / "s.wav", np.zeros(16000), 16000)
    result = run("talk", inputs / "face.png", tmp_path / "s.wav", "-o", tmp_path / "o.mkv")
    assert result.exit_code == 0 and "is silent" in result.stderr


def test_unusable_sound(method, inputs, tmp_path):
    out = tmp_path / "o.mkv"
    write_wav(tmp_path / "short.wav", click(0.03, 0.0), 16000)
    write_wav(tmp_path / "none.wav", np.zeros(0), 16000)
    (tmp_path / "text.wav").write_text("no sound")
    for words, speech in [("only 30 ms", tmp_path / "short.wav"), ("holds no samples", tmp_path / "none.wav"),
                          ("not a readable media file", tmp_path / "text.wav"), ("no such file", tmp_path / "x.wav"),
                          ("has no audio stream", inputs / "plain.mp4")]:
        refused(words, "talk", inputs / "face.png", speech, "-o", out)
    assert not out.exists()


@pytest.mark.parametrize("shape", [(300, 200, 3), (96, 96), (120, 90, 4), (3000, 2200, 3), (17, 40, 3)])
def test_portraits_of_any_shape(method, inputs, tmp_path, shape):
    Image.fromarray(np.full(shape, 90, np.uint8)).save(tmp_path / "p.png")
    result = run("talk", tmp_path / "p.png", inputs / "speech.wav", "-o", tmp_path / "o.mkv")
    assert result.exit_code == 0 and "no face found, its centre is used" in result.stderr
    assert method.source.shape == (min(shape[:2]), min(shape[:2]), 3)


def test_unusable_portraits(method, inputs, tmp_path):
    Image.fromarray(np.zeros((8, 40, 3), np.uint8)).save(tmp_path / "tiny.png")
    data = (inputs / "face.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(data[:len(data) // 2])
    (tmp_path / "empty.png").touch()
    for words, name in [("too few for a face", "tiny.png"), ("truncated", "cut.png"), ("empty", "empty.png"),
                        ("no such file", "no.png")]:
        refused(words, "talk", tmp_path / name, inputs / "speech.wav", "-o", tmp_path / "o.mkv")
    refused("not a picture", "talk", inputs / "speech.wav", inputs / "speech.wav", "-o", tmp_path / "o.mkv")


def test_unusable_driving_videos(method, inputs, tmp_path):
    data = (inputs / "drive.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(data[:len(data) // 2])
    (tmp_path / "empty.mp4").touch()
    for words, path in [("truncated", tmp_path / "cut.mp4"), ("0 bytes", tmp_path / "empty.mp4"),
                        ("no such file", tmp_path / "no.mp4"), ("no video stream", inputs / "speech.wav")]:
        refused(words, "animate", inputs / "face.png", path, "-o", tmp_path / "o.mkv")
    assert not (tmp_path / "o.mkv").exists()


def test_names_of_the_result(method, inputs, tmp_path):
    refused("name the result .mkv", "talk", inputs / "face.png", inputs / "speech.wav", "-o", tmp_path / "o.gif")
    refused("overwrite an input", "animate", inputs / "face.png", inputs / "drive.mp4", "-o", inputs / "drive.mp4")
    (tmp_path / "d.mkv").mkdir()
    refused("is a folder", "talk", inputs / "face.png", inputs / "speech.wav", "-o", tmp_path / "d.mkv")


def test_methods_devices_and_models(inputs, tmp_path):
    arguments = ("animate", inputs / "face.png", inputs / "drive.mp4", "-o", tmp_path / "o.mkv")
    refused("no method 'nobody'", *arguments, "--method", "nobody")
    refused("needs the true video", *arguments, "--method", "codec")
    refused("unknown device 'tpu9'", *arguments, "--device", "tpu9", "--method", "copy-reference")
    refused("model folder", *arguments, "--model", tmp_path / "no-model")
    (tmp_path / "empty").mkdir()
    refused("pipeline.json", *arguments, "--model", tmp_path / "empty")
    assert not (tmp_path / "o.mkv").exists()
    assert run(*arguments, "--method", "copy-reference").exit_code == 0


def test_full_disk_is_one_sentence(method, inputs, tmp_path, monkeypatch):
    class Full:
        def __init__(self, real):
            self.real = real

        def __call__(self, file, mode="r", **options):
            if mode == "w":
                raise OSError(28, "No space left on device")
            return self.real(file, mode, **options)

    import av

    monkeypatch.setattr(av, "open", Full(av.open))
    refused("disk is full", "talk", inputs / "face.png", inputs / "speech.wav", "-o", tmp_path / "o.mkv")
    assert list(tmp_path.iterdir()) == []


def test_a_failing_method_leaves_nothing(method, inputs, tmp_path, monkeypatch):
    def broken(*arguments):
        yield np.zeros((32, 32, 3), np.uint8)
        raise baselines.method.ClipFailure("the landmarks were lost at frame 1")

    monkeypatch.setattr(method, "talk", broken)
    refused("landmarks were lost", "talk", inputs / "face.png", inputs / "speech.wav", "-o", tmp_path / "o.mkv")
    assert list(tmp_path.iterdir()) == []


def test_info_names_versions_and_networks():
    result = run("info")
    assert result.exit_code == 0
    for word in ("python", "torch", "device", "released", "yunet", "whisper-base"):
        assert word in result.stdout


def test_info_names_data_sets_methods_and_what_the_run_costs(monkeypatch, tmp_path):
    monkeypatch.delenv("SEMO_MEDIA", raising=False)
    monkeypatch.delenv("SEMO_WEIGHTS", raising=False)
    lines = dict(line.split(maxsplit=1) for line in run("info").stdout.splitlines() if line.startswith("  "))
    assert lines["portraits-mini-street"] == "in data/portraits-mini"
    assert "SEMO_MEDIA" in lines["real-street"] and "on application" in lines["mead"]
    assert "semo fetch fomm" in lines["fomm"]
    assert lines["trains"].startswith("SeMo (stage1, stage1b, stage2, reflow), ")
    assert "from nothing" in lines["core-hours"] and int(lines["jobs"].split()[0]) > 100
    videos = tmp_path / "videos"
    videos.mkdir()
    (videos / "a.mp4").touch()
    monkeypatch.setenv("SEMO_MEDIA", str(tmp_path))
    assert "0 videos" in run("info").stdout  # none below real/


def test_info_of_a_config_says_what_stands_in_the_way(monkeypatch, tmp_path):
    monkeypatch.delenv("SEMO_WEIGHTS", raising=False)
    shown = run("info", "--config", str(CONFIGS / "small.yaml")).stdout
    assert "patch-pca is used instead" in shown and "not measured" in shown and "GPU-hours" in shown
    shown = run("info", "--config", str(CONFIGS / "paper.yaml")).stdout
    assert "cannot run" in shown and "is enabled in workflow/config/datasets.yaml" in shown
    assert "assumed, not measured" in shown and " TB\n" in shown
    (tmp_path / "mine.yaml").write_text("budgets: {stage1_step: 3}")
    refused("did you mean 'stage1_steps'?", "info", "--config", tmp_path / "mine.yaml")
    refused("cannot be read as a config", "info", "--config", tmp_path / "absent.yaml")
