"""Faces as line drawings."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
import pytest

from baselines.inputs.drawing import CANVAS, COLOURS, drawn, parts
from baselines.inputs.layouts import IBUG68, MEDIAPIPE468, MEDIAPIPE_AS_IBUG
from tests.unit.test_talk_contract import corpus_face

OUTSIDE = -1e4
LEFT = [name for name in COLOURS if "left" in name]


def coloured(picture: np.ndarray, part: str) -> np.ndarray:
    """Places (n, 2), x and y, of the pixels that have exactly a part's colour."""
    return np.argwhere((picture == COLOURS[part]).all(-1))[:, ::-1]


def test_a_line_is_where_it_belongs_and_nothing_else_is_drawn():
    points = np.full((1, 68, 2), OUTSIDE)
    points[0, :17] = np.stack([np.linspace(100, 420, 17), np.full(17, 300)], -1)
    (picture,) = drawn(points, IBUG68, (CANVAS, CANVAS))
    places = coloured(picture, "oval")
    assert len(places) == picture.any(-1).sum() > 0
    assert abs(places[:, 0].min() - 100) <= 1 and abs(places[:, 0].max() - 420) <= 1
    assert set(places[:, 1]) <= {299, 300, 301}


def test_drawings_of_one_face_at_two_sizes_are_the_same():
    face, _ = corpus_face("studio-p0020-c0", 64)
    small = drawn(face.mesh[:3, :, :2], IBUG68, (64, 64), width=8)
    large = drawn(face.scaled((256, 256)).mesh[:3, :, :2], IBUG68, (256, 256), width=8)
    whole = drawn(face.scaled((512, 512)).mesh[:3, :, :2], IBUG68, (512, 512), width=8)
    for made, size in ((small, 64), (large, 256)):
        reduced = np.stack([cv2.resize(one, (size, size), interpolation=cv2.INTER_AREA) for one in whole])
        assert (made != reduced).mean() < 2e-3  # a corner on the border between two pixels
    assert small.shape == (3, 64, 64, 3) and small.any((1, 2, 3)).all()


def test_parts_of_a_face_are_in_their_colours_on_their_sides():
    face, truth = corpus_face("studio-p0020-c0", 512)
    (picture,) = drawn(face.mesh[:1, :, :2], IBUG68, (512, 512))
    middle = face.mesh[0, 27:31, 0].mean()
    for name in LEFT:
        left, right = (coloured(picture, side) for side in (name, name.replace("left", "right")))
        assert left[:, 0].mean() < middle < right[:, 0].mean(), name
    lips, eyes = coloured(picture, "outer lower left"), coloured(picture, "left eye")
    assert coloured(picture, "left brow")[:, 1].mean() < eyes[:, 1].mean() < lips[:, 1].mean()
    assert coloured(picture, "oval")[:, 1].max() > lips[:, 1].max()


@pytest.mark.parametrize("layout", [IBUG68, MEDIAPIPE468])
def test_layouts_have_the_same_parts_and_their_sides_mirror_each_other(layout):
    found = parts(layout)
    assert list(found) == list(COLOURS)
    for name in LEFT:
        lengths = [sorted(len(chain) for chain in found[side]) for side in (name, name.replace("left", "right"))]
        assert lengths[0] == lengths[1]
    lips = [found[f"outer {half} {side}"][0] for half in ("upper", "lower") for side in ("left", "right")]
    assert {point for chain in lips for point in chain} == set(layout.lips)
    assert all(0 <= point < layout.points for chains in found.values() for chain in chains for point in chain)


def test_published_drawings_have_as_many_lines_as_mediapipe_connections():
    """26 of the oval, 2 x 16 of the eyes, 2 x 8 of the brows, 40 of the lips (upstream's visualiser)."""
    lines = [pair for chains in parts(MEDIAPIPE468).values() for chain in chains for pair in pairwise(chain)]
    assert len(lines) == len(set(lines)) == 26 + 32 + 16 + 40


def test_mediapipe_vertices_stand_for_landmarks_of_the_same_part():
    found, wanted = parts(IBUG68), parts(MEDIAPIPE468)
    for name in COLOURS:
        own = {MEDIAPIPE_AS_IBUG[point] for chain in found[name] for point in chain}
        assert own <= {point for chain in wanted[name] for point in chain}, name


def test_a_face_that_is_not_found_is_black_and_one_beside_the_frame_is_cut_off():
    points = np.full((3, 68, 2), np.nan)
    points[1], points[2] = OUTSIDE, np.random.default_rng(0).uniform(-100, 200, (68, 2))
    made = drawn(points, IBUG68, (64, 64))
    assert not made[:2].any() and made[2].any()


def test_points_of_another_layout_are_refused():
    with pytest.raises(ValueError, match=r"those of iBUG 68 are \(T, 68, 2\)"):
        drawn(np.zeros((1, 468, 2)), IBUG68, (64, 64))
