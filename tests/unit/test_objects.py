"""The renderer of moving objects: known outlines, determinism, what kinds and splits share, the folder it writes."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from semo.clips import ClipSet
from semo.errors import DatasetError
from semo.metrics.psnr_moving import moving_pixels
from semo.objects import (
    AMBIENT,
    CAMERA,
    DEPTH,
    NORMALS,
    Box,
    Movement,
    Scene,
    draw_box,
    draw_scene,
    main,
    render,
    render_clip,
    write_clips,
)
from semo.train.data import FrameBank

SIZE = 64
NOWHERE = np.zeros(3)


def cube(half: float) -> Box:
    """A white cube with edges of two `half`."""
    return Box(np.full(3, half), np.ones((6, 3)))


def seen(made: Box, degrees: float, time: float = 0.0, light: tuple[float, float, float] = (0, 0, -1)) -> np.ndarray:
    """One box in the middle before black, turned around the vertical axis; with `time`, by its own movement."""
    turn = np.radians([0, degrees, 0])
    start = Rotation.identity() if time else Rotation.from_rotvec(turn)
    movement = Movement(start, turn, NOWHERE, NOWHERE, 1.0, NOWHERE)
    background = np.zeros((SIZE, SIZE, 3), np.uint8)
    return render(Scene(((made, movement),), np.array(light, float), background), time)


def extent(frame: np.ndarray) -> tuple[float, float, float, float]:
    """Left, right, top and bottom of what is drawn, in half widths; pixels half covered count half."""
    cover = frame.max(axis=2).astype(float)
    columns, rows = cover.max(axis=0) > 20, cover.max(axis=1) > 20
    spans = [(np.flatnonzero(line)[0], np.flatnonzero(line)[-1] + 1) for line in (columns, rows)]
    return tuple(2 * edge / SIZE - 1 for span in spans for edge in span)


def test_a_cube_from_the_front_is_a_square_of_known_size_and_shade():
    frame = seen(cube(0.4), 0)
    edge = 0.4 * CAMERA / (CAMERA - 0.4)  # the near face
    assert extent(frame) == pytest.approx((-edge, edge, -edge, edge), abs=2 / SIZE)
    assert (frame[24:40, 24:40] == 255).all(), "lit at right angles, a white face is white"
    oblique = seen(cube(0.4), 0, light=(0, -0.8, -0.6))[32, 32, 0]
    assert oblique == pytest.approx(255 * (AMBIENT + (1 - AMBIENT) * 0.6), abs=1)
    assert seen(cube(0.4), 0, light=(0, 0, 1))[32, 32, 0] == pytest.approx(255 * AMBIENT, abs=1)


def test_a_cube_turned_by_hand_has_the_outline_of_its_corners():
    """By 45 degrees an edge points to the camera: half a diagonal to each side, and the near edge is the tallest."""
    frame = seen(cube(0.4), 45)
    diagonal = 0.4 * 2**0.5
    left, right, top, bottom = extent(frame)
    assert (left, right) == pytest.approx((-diagonal, diagonal), abs=2 / SIZE)
    near = 0.4 * CAMERA / (CAMERA - diagonal)
    assert (top, bottom) == pytest.approx((-near, near), abs=2 / SIZE)
    assert np.array_equal(seen(cube(0.4), 45, time=1.0), frame), "45 degrees per second for one second"
    assert np.array_equal(seen(cube(0.4), 90), seen(cube(0.4), 0)), "a quarter turn brings a cube onto itself"


@given(st.integers(0, 2**31 - 1))
def test_a_box_is_closed_and_looks_outwards(seed):
    """Every corner of the box lies on three faces, every face is flat, and its normal points away from the middle."""
    made = draw_box(np.random.default_rng(seed))
    faces = made.faces()
    corners, counts = np.unique(faces.reshape(-1, 3).round(9), axis=0, return_counts=True)
    assert len(corners) == 8 and (counts == 3).all()
    assert np.linalg.norm(corners, axis=1) == pytest.approx(np.linalg.norm(made.half))
    for face, normal in zip(faces, NORMALS, strict=True):
        assert np.ptp(face @ normal) < 1e-12 and (face @ normal > 0).all()
        sides = np.roll(face, -1, axis=0) - face
        assert sides[0] @ sides[1] == pytest.approx(0, abs=1e-12), "corners go around, not across"


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31 - 1), st.integers(0, 24))
def test_the_second_object_is_added_to_the_same_clip(seed, frame):
    """Nothing else differs; each object is seen, and the two are never in one place."""
    one, two = (draw_scene(kind, SIZE, (seed, 0, 0)) for kind in ("one", "two"))
    assert np.array_equal(one.background, two.background) and np.array_equal(one.light, two.light)
    first = two.objects[0]
    assert np.array_equal(one.objects[0][0].half, first[0].half) and len(one.objects) == 1
    assert np.array_equal(render(one, frame / 25), render(Scene((first,), two.light, two.background), frame / 25))
    for shown in two.objects:
        drawn = render(Scene((shown,), two.light, two.background), frame / 25)
        assert (drawn != two.background).any(axis=2).sum() > 40, "pixels"
        assert np.linalg.norm(shown[0].half) <= DEPTH, "else the nearer object could reach into the farther one"
    depths = [movement.at(frame / 25)[1][2] for _, movement in two.objects]
    assert sorted(depths) == [-DEPTH, DEPTH]


def test_equal_seeds_give_equal_clips_and_others_do_not():
    first, again, other, test = (np.stack(list(render_clip("two", 32, entropy, 3)))
                                 for entropy in ((0, 0, 1), (0, 0, 1), (1, 0, 1), (0, 1, 1)))  # fmt: skip
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other) and not np.array_equal(first, test)
    assert moving_pixels(first, first[0])[2].any() and not moving_pixels(first, first[0])[0].any()


def test_no_two_clips_share_object_colours_or_background():
    scenes = [draw_scene("two", 16, (0, split, number)) for split in (0, 1) for number in range(16)]
    for a, b in combinations(scenes, 2):
        assert not np.array_equal(a.background, b.background)
    objects = [made for scene in scenes for made, _ in scene.objects]
    for a, b in combinations(objects, 2):
        assert not np.allclose(a.half, b.half) and not np.allclose(a.colours, b.colours)


def test_the_folder_is_a_clip_set_that_training_reads(tmp_path):
    counts = {"train": 2, "test": 1}
    clips = write_clips(tmp_path / "a", "two", 32, 3, counts)
    found = ClipSet(tmp_path / "a")
    assert found.clips == clips and found.dataset == "objects-two" and found.frame_size == 32 and found.cross == []
    assert [clip.clip for clip in found.select("test")] == ["objects-two-test-000"]
    assert len({clip.identity for clip in clips}) == 3
    made = found.frames("objects-two-train-001")
    assert np.array_equal(made, np.stack(list(render_clip("two", 32, (3, 0, 1)))))
    assert FrameBank.read([tmp_path / "a"]).names == ["objects-two-train-000", "objects-two-train-001"]
    write_clips(tmp_path / "b", "two", 32, 3, counts)
    assert ClipSet(tmp_path / "b").sha256 == found.sha256, "the manifest holds the digests of the videos"


def test_command_line(tmp_path, capsys):
    arguments = ["--kind", "one", "--frame-size", "16", "--train", "1", "--test", "1", "--out", str(tmp_path / "clips")]
    main(arguments)
    assert capsys.readouterr().out == f"objects-one: 2 clips -> {tmp_path / 'clips'}\n"
    arguments[3] = "8"
    with pytest.raises(SystemExit):
        main(arguments)
    assert capsys.readouterr().err == "error: frame size 8 is too small: use at least 16 pixels\n"
    with pytest.raises(DatasetError, match="frame size 8"):
        write_clips(tmp_path / "none", "one", 8, 0, {"train": 1, "test": 1})
    assert not (tmp_path / "none").exists()
