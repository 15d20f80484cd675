import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semo.detect import Face, follow_largest, head_crop, make_detector, square_crop
from semo.media import MediaError
from tests.unit import media_samples as samples


def detectors():
    yield "cascade", None
    folder = os.environ.get("SEMO_WEIGHTS")
    path = Path(folder) / "yunet_n_dynamic.onnx" if folder else None
    reason = pytest.mark.skipif(path is None or not path.is_file(), reason="SEMO_WEIGHTS holds no yunet_n_dynamic.onnx")
    yield pytest.param("yunet", path, marks=reason)


@pytest.mark.parametrize(("name", "weights"), list(detectors()))
@pytest.mark.parametrize("scale", [1, 3])
def test_detectors_agree_on_a_photograph(name, weights, scale):
    picture = np.kron(samples.astronaut(), np.ones((scale, scale, 1), np.uint8))
    face, = make_detector(name, weights)(picture)
    assert abs(face.x / scale - 224) < 12 and abs(face.y / scale - 118) < 20
    assert 75 < face.side / scale < 130
    assert make_detector(name, weights)(np.zeros_like(picture)) == []


@pytest.mark.parametrize("size", [(1, 1), (5, 300), (30, 30)])
def test_cascade_takes_tiny_pictures(size):
    assert make_detector("cascade")(np.zeros((*size, 3), np.uint8)) == []


def test_unknown_detector_and_missing_weights(tmp_path):
    assert make_detector("none") is None
    with pytest.raises(MediaError, match="unknown detector 'dlib'"):
        make_detector("dlib")
    with pytest.raises(MediaError, match="needs its .onnx"):
        make_detector("yunet")
    with pytest.raises(MediaError, match="no YuNet weights"):
        make_detector("yunet", tmp_path / "no.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"nothing")
    with pytest.raises(MediaError, match="cannot read it"):
        make_detector("yunet", tmp_path / "bad.onnx")


def test_the_largest_person_is_followed_and_false_alarms_are_dropped():
    main = [Face(100 + i, 100, 60, 1) for i in range(6)]
    found = [[Face(300, 80, 40, 1), face] for face in main]
    found[2] = [Face(20, 20, 70, 1)]
    found[3] = []
    assert follow_largest(found) == [main[0], main[1], main[4], main[5]]
    assert follow_largest([[], []]) == []


boxes = st.builds(Face, st.floats(0, 640), st.floats(0, 360), st.floats(24, 300), st.just(1.0))


@settings(max_examples=200, deadline=None)
@given(faces=st.lists(boxes, min_size=1, max_size=5), enlarge=st.floats(1.0, 4.0))
def test_crop_holds_every_face_and_stays_inside_where_it_can(faces, enlarge):
    x, y, side = square_crop(faces, 360, 640, enlarge)
    left, right = min(f.x - f.side / 2 for f in faces), max(f.x + f.side / 2 for f in faces)
    top, bottom = min(f.y - f.side / 2 for f in faces), max(f.y + f.side / 2 for f in faces)
    assert x <= left + 1 and y <= top + 1 and x + side >= right - 1 and y + side >= bottom - 1
    if left >= 0 and right <= 640 and max(right - left, bottom - top) <= 360:
        assert x >= -1 and x + side <= 641
    if top >= 0 and bottom <= 360 and max(right - left, bottom - top) <= 360:
        assert y >= -1 and y + side <= 361


def test_crop_is_centred_and_enlarged_in_a_large_picture():
    assert square_crop([Face(500, 400, 100, 1)], 1000, 1000, 2.0) == (400, 312, 200)
    assert square_crop([Face(60, 400, 100, 1)], 1000, 1000, 2.0) == (0, 312, 200)
    assert square_crop([Face(30, 400, 100, 1)], 1000, 1000, 2.0) == (-20, 312, 200)  # a head cut by the border


def test_head_crop_of_portraits():
    picture = samples.astronaut()
    box = head_crop([make_detector("cascade")(picture)], 512, 512)
    assert 150 < box[2] < 260 and 100 < box[0] + box[2] / 2 < 300
    assert head_crop([make_detector("cascade")(np.zeros((64, 64, 3), np.uint8))], 64, 64) is None
    assert head_crop([[Face(60, 60, 60, 1)]], 128, 128) == (0, 0, 128)  # cropped by somebody already
    assert head_crop([[Face(60, 60, 60, 1)]], 128, 256) == (0, 2, 126)
