"""Renderer of portraits-mini: kernels on known pictures, visemes, motion, and (with the assets) the shipped clips."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("numba", reason="the renderer needs numba (extra `corpus`)")
CORPUS = Path(__file__).parents[2] / "data" / "portraits-mini"
sys.path.insert(0, str(CORPUS / "renderer"))

from geometry import pose_points, rotation, rotation_vector, vertex_normals  # noqa: E402
from identity import AGE_BANDS, GROUPS, sample_identity, stratum  # noqa: E402
from landmarks import face_box, mouth_box, visible_landmarks  # noqa: E402
from motion import EMOTIONS, blinks, make_motion  # noqa: E402
from raster import rasterise  # noqa: E402
from styles import STYLES, SUBSETS  # noqa: E402
from visemes import VISEMES, mouth_units, viseme_curves, viseme_of  # noqa: E402


def draw(sx, sy, inv_z, triangles, size=8):
    ids, depth = np.full((size, size), -1, np.int32), np.zeros((size, size))
    a, b = np.zeros((size, size)), np.zeros((size, size))
    triangles = np.array(triangles, np.int32)
    rasterise(np.array(sx, float), np.array(sy, float), np.array(inv_z, float), triangles, 0, len(triangles), ids, a, b,
              depth)
    return ids, a, b, depth


def test_triangle_covers_the_pixels_whose_centres_it_holds():
    ids, a, b, _ = draw([0, 8, 0], [0, 0, 8], [1, 1, 1], [[0, 1, 2]])
    y, x = np.mgrid[0:8, 0:8] + .5
    np.testing.assert_array_equal(ids == 0, x + y <= 8)
    inside = x + y < 8
    np.testing.assert_allclose(b[inside], x[inside] / 8, atol=1e-12)
    np.testing.assert_allclose((1 - a - b)[inside], y[inside] / 8, atol=1e-12)


def test_two_halves_of_a_square_leave_no_gap():
    ids, *_ = draw([0, 8, 8, 0], [0, 0, 8, 8], [1, 1, 1, 1], [[0, 1, 2], [0, 2, 3]])
    assert (ids >= 0).all()


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_nearer_triangle_wins_in_any_order(order):
    corners = [0, 8, 0, 0, 8, 0], [0, 0, 8, 0, 0, 8], [1, 1, 1, 2, 2, 2]
    triangles = [[[0, 1, 2], [3, 4, 5]][i] for i in order]
    ids, _, _, depth = draw(*corners, triangles)
    assert set(ids[ids >= 0]) == {order.index(1)}
    assert depth.max() == pytest.approx(2)


def test_barycentric_weights_are_perspective_correct():
    """Halfway across the screen from distance 1 to distance 3 is a quarter of the way along the edge."""
    _, a, b, _ = draw([0, 8, 0], [-1, -1, 40], [1, 1 / 3, 1], [[0, 1, 2]])
    x = 3.5 / 8
    expected = (x / 3) / ((1 - x) + x / 3)
    row = b[0, 3] / (a[0, 3] + b[0, 3] + (1 - a - b)[0, 3])
    assert row == pytest.approx(expected, rel=.02)


def test_rotation_signs_and_vector():
    face = np.array([0., 0, 1])
    assert (rotation(.3, 0, 0) @ face)[0] > 0 and (rotation(0, .3, 0) @ face)[1] > 0
    np.testing.assert_allclose(rotation_vector(rotation(.4, 0, 0)), [0, .4, 0], atol=1e-12)
    turn = rotation(.3, -.2, .1)
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)


def test_posing_turns_the_head_fully_and_the_torso_not_at_all():
    points, out = np.array([[0., 1, 0], [0., -1, 0]]), np.zeros((2, 3))
    pose_points(points, np.array([1., 0.]), np.zeros(3), np.zeros(3), np.array([0, 0, 1.]), np.pi / 2, np.zeros(3),
                np.eye(3), out)
    np.testing.assert_allclose(out, [[-1, 0, 0], [0, -1, 0]], atol=1e-12)


def test_normals_of_a_counterclockwise_triangle_face_the_viewer():
    out = np.zeros((3, 3))
    vertex_normals(np.array([[0., 0, 0], [1, 0, 0], [0, 1, 0]]), np.array([[0, 1, 2]]), out)
    np.testing.assert_allclose(out, np.tile([0, 0, 1.], (3, 1)), atol=1e-9)


def test_landmark_visibility_follows_depth_and_frame():
    depth = np.full((8, 8), .1)
    depth[:, 4:] = .2
    points = np.array([[.5, 1.], [3.4, 1.], [-1., 1.], [3.4, 9.]])
    seen = visible_landmarks(points, np.array([.1, .1, .1, .1]), depth, 4)
    np.testing.assert_array_equal(seen, [True, False, False, False])


def test_boxes_hold_their_landmarks():
    points = np.random.default_rng(0).uniform(20, 80, (68, 2))
    for box, inner in ((face_box(points), points), (mouth_box(points), points[48:])):
        assert (inner >= box[:2]).all() and (inner <= box[2:]).all()


@pytest.mark.parametrize("mnemonic, viseme", [("p", "PP"), ("b", "PP"), ("m", "PP"), ("f", "FF"), ("tS", "CH"),
                                              ("u:", "U"), ("'aI", "AA"), ("_:", "sil"), ("", "sil"), ("oU", "O")])
def test_viseme_of_phoneme(mnemonic, viseme):
    assert viseme_of(mnemonic) == viseme


def test_bilabials_close_the_lips_between_open_vowels():
    for letter in "pbm":
        curves = viseme_curves([(.1, "a:"), (.4, letter), (.52, "a:"), (.9, "_:")], 1.0)
        np.testing.assert_allclose(curves.sum(1), 1)
        opened = mouth_units(curves)["mouth-open"]
        closure = round(.46 * 25)
        assert opened[closure] < .02 and opened[round(.25 * 25)] > .3 and opened[round(.7 * 25)] > .3


def test_rounded_vowels_purse_and_silence_rests():
    pursed = mouth_units(viseme_curves([(.1, "u:"), (.5, "_:")], 1.0))["mouth-pursing"]
    spread = mouth_units(viseme_curves([(.1, "i:"), (.5, "_:")], 1.0))["mouth-pursing"]
    assert pursed[7] > .5 > .1 > spread[7]
    silence = viseme_curves([], 1.0)
    assert silence.shape == (25, 16) and (silence[:, VISEMES.index("sil")] == 1).all()


def motion_of(seed: int, subset: str = "street", emotion: str = "neutral"):
    visemes = viseme_curves([(.1, "a:"), (.4, "p"), (.6, "i:")], 2.0)
    return make_motion((11, seed, 0, 3), 50, np.linspace(0, 1, 50), [.1, .4], visemes, mouth_units(visemes), emotion,
                       STYLES[subset])


def test_motion_depends_on_its_seed_alone():
    one, again, other = motion_of(1), motion_of(1), motion_of(2)
    np.testing.assert_array_equal(one.pose_deg, again.pose_deg)
    np.testing.assert_array_equal(one.units["mouth-open"], again.units["mouth-open"])
    assert np.abs(one.pose_deg - other.pose_deg).max() > .5


def test_street_turns_more_than_studio():
    spread = {subset: np.std([motion_of(s, subset).pose_deg[:, 0].mean() for s in range(30)]) for subset in SUBSETS}
    assert spread["street"] > spread["broadcast"] > spread["studio"]


@pytest.mark.parametrize("emotion", sorted(EMOTIONS))
def test_units_stay_in_range(emotion):
    units = motion_of(3, "studio", emotion).units
    assert all(0 <= curve.min() and curve.max() <= 1.1 for curve in units.values())


def test_studio_has_the_eight_emotions_of_mead():
    assert set(STYLES["studio"].emotions) == set(EMOTIONS) and len(EMOTIONS) == 8


def test_blinks_close_fully_and_are_rare():
    closure = blinks(np.random.default_rng(5), 500)
    assert closure.max() == 1 and closure.min() == 0
    assert .02 < (closure > .5).mean() < .2


def test_thirty_two_numbers_hold_every_stratum_once():
    strata = {stratum(n) for n in range(64, 96)}
    assert len(strata) == 32 == 2 * len(GROUPS) * len(AGE_BANDS)


def test_identities_are_fixed_by_their_number():
    assert sample_identity(7) == sample_identity(7)
    assert sample_identity(7).shapes != sample_identity(39).shapes


def assets_path() -> Path:
    media = os.environ.get("SEMO_MEDIA")
    path = Path(media).parent / "corpus" / "head_assets.npz" if media else Path("absent")
    if not path.is_file():
        pytest.skip("head_assets.npz is not beside the folder SEMO_MEDIA names")
    return path


def test_rendering_again_gives_the_shipped_truth_and_picture():
    """Truth exactly; the picture within the loss of its H.264 encoding (mean 6 of 255)."""
    path = assets_path()
    import av
    from assets import Assets
    from clip import ClipSpec, Person, make_clip_motion, make_clip_tracks, make_look, make_talk

    spec = ClipSpec(100, "broadcast", 0, 50, 128)
    person = Person(Assets(path), spec.number, spec.size)
    try:
        talk = make_talk(person.identity, spec)
    except (OSError, RuntimeError) as error:
        pytest.skip(f"espeak-ng is not installed: {error}")
    motion, tracks = make_clip_motion(spec, talk), make_clip_tracks(spec)
    wanted = (0, 20, 40)
    frames = list(person.film(motion, tracks, make_look(person.identity, spec), wanted))
    with np.load(CORPUS / spec.subset / f"{spec.name}.npz") as truth:
        np.testing.assert_array_equal(truth["pose_deg"], motion.pose_deg.astype(np.float16))
        np.testing.assert_array_equal(truth["visemes"], motion.visemes.astype(np.float16))
        np.testing.assert_array_equal(truth["blink"], motion.blink.astype(np.float16))
        for t, frame in zip(wanted, frames, strict=True):
            np.testing.assert_array_equal(truth["landmarks"][t], (np.round(frame.points * 8) / 8).astype(np.float16))
            np.testing.assert_array_equal(truth["landmark_visible"][t], frame.visible)
    with av.open(str(CORPUS / spec.subset / f"{spec.name}.mp4")) as container:
        video = [f.to_ndarray(format="rgb24") for f in container.decode(video=0)]
    for t, frame in zip(wanted, frames, strict=True):
        assert np.abs(video[t].astype(float) - frame.image).mean() < 6


def test_missing_assets_are_named():
    from assets import Assets

    with pytest.raises(FileNotFoundError, match=r"absent\.npz: no such assets file"):
        Assets("absent.npz")
