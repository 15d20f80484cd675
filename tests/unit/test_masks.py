"""Masks of face and lips from the boxes of a face."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from baselines.inputs.face import Face
from baselines.inputs.masks import at_levels, box_mask, face_mask, grown, region_masks, union

SIZE = 64


def make_face(centre: tuple[float, float] = (32, 30), frames: int = 1, step: float = 0.0) -> Face:
    """68 points on an ellipse 24 wide and 30 high, the lips (48 to 59) on one of 8 by 4 at its lower half."""
    turn = np.linspace(0, 2 * np.pi, 68)
    mesh = np.stack([12 * np.cos(turn), 15 * np.sin(turn), 0 * turn], -1)
    mouth = np.linspace(0, 2 * np.pi, 13)[:12]
    mesh[48:60] = np.stack([4 * np.cos(mouth), 8 + 2 * np.sin(mouth), 0 * mouth], -1)
    moved = mesh[None] + np.array([*centre, 0]) + np.arange(frames)[:, None, None] * np.array([step, 0, 0])
    return Face("annotated", (SIZE, SIZE), moved.astype(np.float32), np.zeros((frames, 3)), np.zeros((frames, 25)))


@given(st.lists(st.floats(-20, 84), min_size=4, max_size=4))
def test_box_mask_holds_the_part_of_the_box_in_the_frame(values):
    x0, x1 = sorted(values[:2])
    y0, y1 = sorted(values[2:])
    mask = box_mask(np.array([x0, y0, x1, y1]), (SIZE, SIZE))
    width, height = (max(0.0, min(b, SIZE) - max(a, 0)) for a, b in ((x0, x1), (y0, y1)))
    assert 0 <= mask.min() and mask.max() <= 1
    assert float(mask.sum()) == pytest.approx(width * height, abs=1e-2)


def test_face_mask_grows_with_its_ratio():
    face = make_face()
    left, top, right, bottom = face.box[0]
    exact = face_mask(face, 1.0)[0]
    assert float(exact.sum()) == pytest.approx((right - left) * (bottom - top), rel=1e-3)
    assert float(face_mask(face, 1.2).sum() / exact.sum()) == pytest.approx(1.44, rel=1e-3)
    np.testing.assert_allclose(grown(np.array([0, 0, 10, 20]), 1.2), [-1, -2, 11, 22])


def test_mask_of_several_frames_holds_the_face_of_each():
    face = make_face(frames=3, step=5.0)
    together = face_mask(face)
    for frame in range(3):
        assert (together >= face_mask(face[frame : frame + 1]) - 1e-6).all()
    lost = replace(face, mesh=np.concatenate([face.mesh[:2], np.full_like(face.mesh[:1], np.nan)]))
    torch.testing.assert_close(face_mask(lost), face_mask(face[:2]))


def test_frames_without_any_face_are_refused():
    with pytest.raises(ValueError, match="no frame has a face"):
        union(np.full((2, 4), np.nan))


@given(st.floats(1.0, 3.0), st.floats(0, 64), st.floats(0, 64))
def test_regions_share_out_the_frame(ratio, x, y):
    masks = region_masks(make_face((x, y)), ratio)
    assert masks.shape == (3, SIZE, SIZE) and masks.min() >= 0
    torch.testing.assert_close(masks.sum(0), torch.ones(SIZE, SIZE))


def test_levels_average_and_keep_the_share_of_each_region():
    masks = region_masks(make_face())
    levels = at_levels(masks, [16, 8, 4])
    assert [tuple(level.shape) for level in levels] == [(3, 256), (3, 64), (3, 16)]
    for level in levels:
        torch.testing.assert_close(level.mean(1), masks.mean((1, 2)))
    many = at_levels(masks.expand(2, 5, -1, -1, -1), [8])[0]
    torch.testing.assert_close(many, levels[1].expand(2, 5, -1, -1))
    lips = levels[0][2].view(16, 16)
    row, column = divmod(int(lips.argmax()), 16)
    assert row == (30 + 8) // 4 and column in (7, 8)
