import os
import resource
import struct
import subprocess
import sys
from fractions import Fraction

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semo import media
from semo.media import MediaError
from tests.unit import media_samples as samples


@pytest.mark.parametrize("fps", [12.0, 24000 / 1001, 25.0, 30000 / 1001, 30.0, 50.0])
def test_resampling_takes_the_nearest_source_frame(tmp_path, fps):
    path = tmp_path / "a.mkv"
    count = 60
    times = [round(i / fps, 3) for i in range(count)]
    samples.write_stamped(path, samples.numbered_frames(count), times)
    numbers = samples.frame_numbers(media.read_frames(path))
    info = media.probe(path)
    assert not info.variable_frame_rate and info.fps == pytest.approx(fps, rel=0.01)
    assert len(numbers) == info.frames_at() == pytest.approx(count / fps * 25, abs=1)
    for i, number in enumerate(numbers):
        best = min(abs(t - i / 25) for t in times)
        assert abs(times[number] - i / 25) <= best + 1e-3


@settings(max_examples=25, deadline=None)
@given(gaps=st.lists(st.integers(5, 300), min_size=1, max_size=30), fps=st.sampled_from([10.0, 25.0, 30.0]))
def test_resampling_of_any_timestamps(tmp_path_factory, gaps, fps):
    path = tmp_path_factory.mktemp("vfr") / "a.mkv"
    times = [0.0] + [t / 1000 for t in np.cumsum(gaps)]
    samples.write_stamped(path, samples.numbered_frames(len(times)), times)
    info = media.probe(path)
    numbers = samples.frame_numbers(list(media.iter_frames(path, fps)))
    assert len(numbers) == info.frames_at(fps) == max(1, int(info.duration * fps + 0.5 + 1e-6))
    assert numbers == sorted(numbers)
    for i, number in enumerate(numbers):
        assert abs(times[number] - i / fps) <= min(abs(t - i / fps) for t in times) + 1e-3


def test_start_and_count_agree_with_the_whole(tmp_path):
    path = tmp_path / "a.mp4"
    frames = samples.numbered_frames(120, 64)
    samples.write_stamped(path, frames, [i / 12 for i in range(120)], codec="libx264", options={"g": "24", "crf": "1"})
    whole = media.read_frames(path)
    for start in (0.4, 4.0, 6.0, 9.6):
        first = round(start * 25)
        assert np.array_equal(media.read_frames(path, start=start, frames=7), whole[first:first + 7])
    assert list(media.iter_frames(path, start=30.0)) == []


def test_packets_are_read_once_for_many_clips_and_again_when_the_file_changed(tmp_path, monkeypatch):
    calls = []
    index = media._index
    monkeypatch.setattr(media, "_index", lambda *arguments: calls.append(1) or index(*arguments))
    path = tmp_path / "a.mkv"
    media.write_lossless(path, samples.numbered_frames(30), audio=samples.click(1.2, 0.5))
    media.probe(path)
    windows = [media.read_frames(path, start=start / 25, frames=5) for start in (0, 5, 20)]
    media.read_audio(path, 0.4, 0.2)
    assert len(calls) == 1
    assert [samples.frame_numbers(window) for window in windows] == [[*range(s, s + 5)] for s in (0, 5, 20)]
    media.write_lossless(path, samples.numbered_frames(7))
    assert media.probe(path).frames == 7 and len(calls) == 2


def test_variable_frame_rate_is_noticed(tmp_path):
    samples.write_stamped(tmp_path / "a.mkv", samples.numbered_frames(6), [0.0, 0.04, 0.08, 0.3, 0.34, 0.38])
    assert media.probe(tmp_path / "a.mkv").variable_frame_rate


@settings(max_examples=12, deadline=None)
@given(count=st.integers(1, 6), height=st.integers(2, 40), width=st.integers(2, 40), seed=st.integers(0, 99))
def test_lossless_round_trip_is_bit_exact(tmp_path_factory, count, height, width, seed):
    rng = np.random.default_rng(seed)
    path = tmp_path_factory.mktemp("x") / "a.mkv"
    frames = rng.integers(0, 256, (count, height, width, 3), dtype=np.uint8)
    sound = (rng.integers(-32768, 32768, count * 640) / 32768).astype(np.float32)
    media.write_lossless(path, iter(frames), audio=sound)
    assert np.array_equal(media.read_frames(path), frames)
    assert np.array_equal(media.read_audio(path), sound)
    assert [p.name for p in path.parent.iterdir()] == ["a.mkv"]


def test_equal_input_gives_equal_bytes(tmp_path):
    frames = samples.numbered_frames(5)
    for name in ("a.mkv", "b.mkv"):
        media.write_lossless(tmp_path / name, frames, audio=samples.click(0.2, 0.1))
    assert (tmp_path / "a.mkv").read_bytes() == (tmp_path / "b.mkv").read_bytes()


def test_sound_is_cut_or_padded_to_the_video(tmp_path):
    for seconds in (0.1, 0.2, 0.9):
        tone = np.full(round(seconds * 16000), 0.5)
        media.write_lossless(tmp_path / "a.mkv", samples.numbered_frames(5), audio=tone)
        sound = media.read_audio(tmp_path / "a.mkv")
        assert len(sound) == 3200
        assert np.count_nonzero(sound) == min(3200, round(seconds * 16000))


def test_preview_keeps_colours_and_sync(tmp_path):
    frames = np.empty((30, 33, 47, 3), np.uint8)
    frames[:] = (200, 60, 30)
    media.write_preview(tmp_path / "a.mp4", frames, audio=samples.click(1.2, 0.5))
    found = media.read_frames(tmp_path / "a.mp4")
    assert found.shape == (30, 34, 48, 3)
    assert np.abs(found[:, :33, :47].astype(int) - frames).max() <= 2
    assert samples.onset(media.read_audio(tmp_path / "a.mp4")) == pytest.approx(0.5, abs=0.002)
    assert samples.onset(media.read_audio(tmp_path / "a.mp4", start=0.3, duration=0.4)) == pytest.approx(0.2, abs=0.002)


@pytest.mark.parametrize(("video_start", "audio_start"), [(0.0, 0.2), (0.2, 0.0), (0.4, 0.4)])
def test_start_offsets_keep_sound_and_pictures_together(tmp_path, video_start, audio_start):
    path = tmp_path / "a.mkv"
    samples.write_stamped(path, samples.numbered_frames(50), [video_start + i / 25 for i in range(50)],
                          audio=samples.click(2.0, 1.0), audio_start=audio_start)
    assert samples.frame_numbers(media.read_frames(path))[:3] == [0, 1, 2]
    assert samples.onset(media.read_audio(path)) == pytest.approx(1.0 + audio_start - video_start, abs=0.002)


def test_edit_list_of_mp4_is_honoured(tmp_path):
    path = tmp_path / "a.mp4"
    samples.write_stamped(path, samples.numbered_frames(50), [0.32 + i / 25 for i in range(50)], codec="libx264",
                          audio=samples.click(2.4, 1.0))
    assert samples.onset(media.read_audio(path)) == pytest.approx(1.0 - 0.32, abs=0.002)
    assert len(media.read_frames(path)) == 50


def test_rotation_and_pixel_aspect(tmp_path):
    frames = samples.numbered_frames(4, 32)[:, :16].copy()
    frames[:, :, :8] = (250, 0, 0)
    path = tmp_path / "a.mp4"
    samples.write_stamped(path, frames, [i / 25 for i in range(4)], codec="libx264", aspect=Fraction(3, 2))
    assert media.probe(path).width == 48 and media.read_frames(path).shape == (4, 16, 48, 3)
    data = path.read_bytes()
    at = data.index(b"tkhd") + 4 + 40
    quarter_turn = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)
    path.write_bytes(data[:at] + quarter_turn + data[at + 36:])
    upright = media.read_frames(path)
    info = media.probe(path)
    assert (info.height, info.width) == upright.shape[1:3] == (48, 16)
    assert upright[0, :8, :, 0].mean() > 200 > upright[0, -8:, :, 0].mean()  # stored left, shown on top


def test_missing_empty_and_foreign_files(tmp_path):
    with pytest.raises(MediaError, match="no such file"):
        media.probe(tmp_path / "no.mp4")
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(MediaError, match="empty"):
        media.read_frames(tmp_path / "empty.mp4")
    (tmp_path / "text.mp4").write_text("hello " * 100)
    for read in (media.probe, media.read_frames, media.read_audio):
        with pytest.raises(MediaError, match="not a readable media file"):
            read(tmp_path / "text.mp4")


@pytest.mark.parametrize("faststart", [False, True])
@pytest.mark.parametrize("kept", [0.3, 0.6])
def test_truncated_video_is_refused(tmp_path, faststart, kept):
    rng = np.random.default_rng(0)
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w", options={"movflags": "+faststart"} if faststart else {}) as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width = stream.height = 64
        for array in rng.integers(0, 256, (75, 64, 64, 3), dtype=np.uint8):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(array, format="rgb24")))
        container.mux(stream.encode(None))
    path.write_bytes(path.read_bytes()[:int(path.stat().st_size * kept)])
    for read in (media.probe, media.read_frames):
        with pytest.raises(MediaError, match="truncated"):
            read(path)


def test_truncated_matroska_is_refused(tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "a.mkv"
    media.write_lossless(path, rng.integers(0, 256, (75, 32, 32, 3), dtype=np.uint8))
    path.write_bytes(path.read_bytes()[:path.stat().st_size // 2])
    with pytest.raises(MediaError, match="truncated"):
        media.read_frames(path)


def test_no_video_and_no_audio(tmp_path):
    samples.write_wav(tmp_path / "a.wav", samples.click(1.0, 0.5), 16000)
    with pytest.raises(MediaError, match="no video stream"):
        media.probe(tmp_path / "a.wav")
    media.write_lossless(tmp_path / "a.mkv", samples.numbered_frames(3))
    assert not media.probe(tmp_path / "a.mkv").has_audio
    with pytest.raises(MediaError, match="no audio stream"):
        media.read_audio(tmp_path / "a.mkv")


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 44100, 48000])
@pytest.mark.parametrize("channels", [1, 2])
def test_sound_of_any_rate_and_layout(tmp_path, rate, channels):
    wave = samples.click(1.0, 0.5, rate)
    stereo = np.stack([wave, np.zeros_like(wave)]) if channels == 2 else wave
    samples.write_wav(tmp_path / "a.wav", stereo, rate)
    sound = media.read_audio(tmp_path / "a.wav")
    assert sound.dtype == np.float32 and len(sound) == pytest.approx(16000, abs=2)
    assert samples.onset(sound * channels) == pytest.approx(0.5, abs=0.001)
    assert np.abs(sound).max() == pytest.approx(0.8 / channels, rel=0.05)  # channels are averaged, never summed
    assert len(media.read_audio(tmp_path / "a.wav", start=0.25, duration=0.5)) == 8000


def test_silent_and_very_short_sound(tmp_path):
    samples.write_wav(tmp_path / "a.wav", np.zeros(16000), 16000)
    assert not media.read_audio(tmp_path / "a.wav").any()
    samples.write_wav(tmp_path / "b.wav", np.ones(3), 16000)
    assert len(media.read_audio(tmp_path / "b.wav")) == 3
    samples.write_wav(tmp_path / "c.wav", np.zeros(0), 16000)
    with pytest.raises(MediaError, match="no samples"):
        media.read_audio(tmp_path / "c.wav")


def test_a_failing_source_leaves_nothing_behind(tmp_path):
    def frames():
        yield from samples.numbered_frames(10)
        raise KeyError("broken generator")

    for write, name in ((media.write_lossless, "a.mkv"), (media.write_preview, "a.mp4")):
        with pytest.raises(KeyError):
            write(tmp_path / name, frames())
    with pytest.raises(MediaError, match="no frame to write"):
        media.write_lossless(tmp_path / "a.mkv", [])
    with pytest.raises(MediaError, match="of one size"):
        media.write_lossless(tmp_path / "a.mkv", [np.zeros((4, 4, 3), np.uint8), np.zeros((4, 6, 3), np.uint8)])
    assert list(tmp_path.iterdir()) == []


def test_full_disk_is_one_sentence_and_leaves_nothing(tmp_path, monkeypatch):
    class FullDisk:
        def __init__(self, *args, **kwargs):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("semo.video_writer.av.open", FullDisk)
    with pytest.raises(MediaError, match="disk is full"):
        media.write_lossless(tmp_path / "a.mkv", samples.numbered_frames(3))
    assert list(tmp_path.iterdir()) == []


LIMITED = """
import resource, sys, numpy as np
from semo import media
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, resource.RLIM_INFINITY))
noise = np.random.default_rng(0).integers(0, 256, (40, 64, 64, 3), dtype=np.uint8)
try:
    media.write_lossless(sys.argv[1], noise)
except media.MediaError as error:
    print(error)
"""


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_FSIZE"), reason="this system has no file size limit")
def test_writing_stopped_by_the_system_leaves_nothing(tmp_path):
    run = subprocess.run([sys.executable, "-c", LIMITED, str(tmp_path / "a.mkv")], capture_output=True, text=True,
                         check=False, env=os.environ | {"PYTHONPATH": os.getcwd()})
    assert run.returncode == 0, run.stderr
    assert "nothing was written" in run.stdout
    assert list(tmp_path.iterdir()) == []
