import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from semo.media import MediaError, crop_resize, read_image, to_float, to_uint8
from semo.pictures import MAX_SIDE


def saved(path, array, **options):
    Image.fromarray(array).save(path, **options)
    return read_image(path)


def test_grey_alpha_and_palette(tmp_path):
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert np.array_equal(saved(tmp_path / "g.png", grey), np.repeat(grey[..., None], 3, 2))
    rgba = np.zeros((4, 4, 4), np.uint8)
    rgba[..., 0], rgba[:2, :, 3] = 200, 255
    over_white = saved(tmp_path / "a.png", rgba)
    assert tuple(over_white[0, 0]) == (200, 0, 0) and tuple(over_white[3, 3]) == (255, 255, 255)
    grey_alpha = np.stack([np.full((4, 4), 50, np.uint8), np.full((4, 4), 0, np.uint8)], -1)
    assert (saved(tmp_path / "la.png", grey_alpha) == 255).all()
    Image.fromarray(over_white).quantize(4).save(tmp_path / "p.png")
    assert np.array_equal(read_image(tmp_path / "p.png"), over_white)


def test_sixteen_bit_grey_is_scaled(tmp_path):
    found = saved(tmp_path / "a.png", np.array([[0, 257 * 100, 65535]], np.uint16))
    assert found[0, :, 0].tolist() == [0, 100, 255]


def test_exif_orientation(tmp_path):
    array = np.zeros((8, 16, 3), np.uint8)
    array[:, :8] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # stored turned left: show it turned a quarter clockwise
    upright = saved(tmp_path / "a.png", array, exif=exif)
    assert upright.shape == (16, 8, 3) and upright[:8].min() == 255 and upright[8:].max() == 0


def test_tiny_and_huge(tmp_path):
    assert saved(tmp_path / "t.png", np.full((1, 1, 3), 7, np.uint8)).tolist() == [[[7, 7, 7]]]
    wide = saved(tmp_path / "h.png", np.zeros((40, MAX_SIDE * 2, 3), np.uint8))
    assert wide.shape == (20, MAX_SIDE, 3)


def test_decompression_bomb_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50)
    with pytest.raises(MediaError, match="too large"):
        saved(tmp_path / "a.png", np.zeros((40, 40, 3), np.uint8))


def test_files_that_are_no_pictures(tmp_path):
    with pytest.raises(MediaError, match="no such file"):
        read_image(tmp_path / "no.png")
    (tmp_path / "e.png").touch()
    with pytest.raises(MediaError, match="empty"):
        read_image(tmp_path / "e.png")
    (tmp_path / "x.png").write_text("no picture at all")
    with pytest.raises(MediaError, match="not a picture"):
        read_image(tmp_path / "x.png")
    rng = np.random.default_rng(0)
    for name in ("t.png", "t.jpg"):
        Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(tmp_path / name)
        data = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(data[:len(data) // 2])
        with pytest.raises(MediaError, match="truncated"):
            read_image(tmp_path / name)
    with pytest.raises(MediaError, match="8 bits"):
        Image.fromarray(np.zeros((4, 4), np.float32)).save(tmp_path / "f.tiff")
        read_image(tmp_path / "f.tiff")


def test_crop_inside_is_exact_and_outside_repeats_the_border():
    frame = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    assert np.array_equal(crop_resize(frame, (4, 5, 10), 10), frame[5:15, 4:14])
    assert np.array_equal(crop_resize(frame, None, 20), frame[:, 5:25])
    outside = crop_resize(frame, (-6, 12, 16), 16)
    assert (outside[:8, :6] == frame[12:20, :1]).all() and (outside[8:, 6:] == frame[19:, :10]).all()


@settings(max_examples=40, deadline=None)
@given(x=st.integers(-50, 50), y=st.integers(-50, 50), side=st.integers(1, 80), size=st.integers(1, 64))
def test_crop_of_a_constant_is_constant(x, y, side, size):
    crop = crop_resize(np.full((20, 30, 3), 93, np.uint8), (x, y, side), size)
    assert crop.shape == (size, size, 3) and (crop == 93).all()


def test_area_average_when_shrinking():
    frame = np.zeros((4, 4, 3), np.uint8)
    frame[::2] = 200
    assert (crop_resize(frame, None, 2) == 100).all()


def test_float_round_trip_is_exact():
    frames = np.random.default_rng(0).integers(0, 256, (2, 5, 6, 3), dtype=np.uint8)
    tensor = to_float(frames)
    assert tensor.shape == (2, 3, 5, 6) and tensor.dtype == torch.float32 and 0 <= tensor.min() <= tensor.max() <= 1
    assert np.array_equal(to_uint8(tensor), frames)
    assert to_uint8(torch.tensor([[[-1.0]], [[0.5]], [[2.0]]])).tolist() == [[[0, 128, 255]]]
    with pytest.raises(ValueError, match="uint8"):
        to_float(frames.astype(np.float32))
