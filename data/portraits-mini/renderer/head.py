"""A person's head and shoulders as one posable mesh: morphs, fitted proxies, neck skinning."""
from __future__ import annotations

import numpy as np

from assets import Assets
from geometry import add_morph, fit_proxy, pose_points, rotation, rotation_vector, vertex_normals
from glasses import glasses_mesh
from identity import Identity
from shading import BODY, BROWS, CLOTHES, EYES, GLASSES, HAIR, LASHES, TEETH, TONGUE

_PARTS = (("eyes", EYES), ("teeth", TEETH), ("tongue", TONGUE), ("clothes", CLOTHES), ("hair", HAIR),
          ("brows", BROWS), ("lashes", LASHES))


class _Part:
    """One mesh part: its own vertices (before the split at texture seams), triangles and place in the whole."""

    def __init__(self, kind: int, vertex_map, uv, triangles, head_weight):
        self.kind = kind
        self.vertex_map = vertex_map.astype(np.int64)
        self.uv = uv
        self.triangles = triangles.astype(np.int64)
        self.head_weight = np.ascontiguousarray(head_weight, np.float64)
        self.own_triangles = self.vertex_map[self.triangles]
        self.posed = np.zeros((len(self.head_weight), 3))
        self.normals = np.zeros_like(self.posed)


class Head:
    """Geometry of one identity.

    `triangles` (t,3), `part` (t,) and `vertex_part` (n,) part codes of shading.py, `uv` (n,2), `eyes` (2,3) centres
    at rest, `eyes_posed` (2,3) after the last call of `build`.
    """

    def __init__(self, assets: Assets, identity: Identity):
        self.assets, self.identity = assets, identity
        self.neutral = neutral_shape(assets, identity)
        self.units = assets.expression_targets(max(identity.race, key=identity.race.get))
        self.eyes = np.array([self._joint("l-eye"), self._joint("r-eye")])
        self.neck = self._joint("neck")
        self.pivot = .5 * self.neck + .5 * self._joint("head")
        self.parts = [self._body()]
        self._proxies: list[tuple] = []
        names = dict(eyes="eyes", teeth="teeth", tongue="tongue", clothes=f"clothes/{identity.clothes}",
                     hair=f"hair/{identity.hair}" if identity.hair else "", brows=f"brows/{identity.brows}",
                     lashes=f"lashes/{identity.lashes}")
        for name, kind in _PARTS:
            if names[name]:
                self._add_proxy(kind, assets.proxy(names[name]))
        self._glasses = None
        if identity.glasses:
            skin = self.neutral[assets.arrays["body/vmap"]]
            self._glasses, triangles = glasses_mesh(self.eyes, skin, identity.glasses)
            n = len(self._glasses)
            self.parts.append(_Part(GLASSES, np.arange(n), np.zeros((n, 2), np.float32), triangles, np.ones(n)))
        self._join()

    def _joint(self, name: str) -> np.ndarray:
        return self.neutral[self.assets.arrays["joint/" + name]].mean(0)

    def _body(self) -> _Part:
        arrays = self.assets.arrays
        hidden = np.zeros(len(self.neutral), bool)
        hidden[arrays[f"proxy/clothes/{self.identity.clothes}/del"]] = True
        triangles, vertex_map = arrays["body/tri"], arrays["body/vmap"]
        triangles = triangles[~hidden[vertex_map[triangles]].all(1)]
        return _Part(BODY, vertex_map, arrays["body/uv"], triangles, self.assets.head_weight)

    def _add_proxy(self, kind: int, proxy: dict[str, np.ndarray]) -> None:
        triangles, uv = proxy["tri"], proxy["uv"]
        if kind == EYES:      # the transparent cornea shell has a corner of the texture to itself
            centre = uv[triangles].mean(1)
            triangles = triangles[~((centre[:, 0] > .84) & (centre[:, 1] < .16))]
        scale = np.ones(3)
        for axis, (low, high, length) in enumerate(proxy["scale"]):
            scale[axis] = abs(self.neutral[int(low), axis] - self.neutral[int(high), axis]) / length
        reference, weight = proxy["ref"].astype(np.int64), proxy["w"].astype(np.float64)
        offset = np.ascontiguousarray(proxy["off"].astype(np.float64) * scale)
        if kind == TONGUE:
            offset += np.array([0, -.03, -.03])
        if kind == TEETH:      # show the upper row below the lip line
            height = (self.neutral[reference] * weight[:, :, None]).sum(1)[:, 1:2]
            upper = height > np.median(height)
            offset += np.where(upper, np.array([0, -.075, -.008]), np.array([0, -.035, -.01]))
        head_weight = np.clip((self.assets.head_weight[reference] * weight).sum(1), 0, 1)
        self._proxies.append((reference, weight, offset))
        self.parts.append(_Part(kind, proxy["vmap"], uv, triangles, head_weight))

    def _join(self) -> None:
        self.spans: dict[int, tuple[int, int]] = {}
        self.slices: dict[int, slice] = {}
        first_vertex, first_triangle, triangles = 0, 0, []
        for part in self.parts:
            self.slices[part.kind] = slice(first_vertex, first_vertex + len(part.vertex_map))
            self.spans[part.kind] = (first_triangle, first_triangle + len(part.triangles))
            triangles.append(part.triangles + first_vertex)
            first_vertex += len(part.vertex_map)
            first_triangle += len(part.triangles)
        self.triangles = np.concatenate(triangles).astype(np.int32)
        self.uv = np.concatenate([p.uv for p in self.parts]).astype(np.float32)
        self.part = np.concatenate([np.full(len(p.triangles), p.kind) for p in self.parts]).astype(np.int32)
        self.vertex_part = np.concatenate([np.full(len(p.vertex_map), p.kind) for p in self.parts]).astype(np.int32)

    def span(self, kind: int) -> tuple[int, int]:
        """Range of a part's triangles, (0, 0) where the person has none."""
        return self.spans.get(kind, (0, 0))

    def slice(self, kind: int) -> slice:
        """Range of a part's vertices, empty where the person has none."""
        return self.slices.get(kind, slice(0, 0))

    def _local(self, part: _Part, proxy, base: np.ndarray, jaw: float, gaze: tuple[float, float]) -> np.ndarray:
        """Vertices of one proxy before head and torso rotation."""
        reference, weight, offset = proxy
        out = np.empty((len(reference), 3))
        fit_proxy(base, reference, weight, offset, out)
        if part.kind == TONGUE:      # rides on the jaw
            out += jaw * np.clip((out[:, 2:] - .7) / .6, 0, 1) * np.array([0, -.26, -.10])
        if part.kind == EYES:
            turn = rotation(gaze[0], gaze[1], 0).T
            left = out[:, 0] > 0
            out[left] = (out[left] - self.eyes[0]) @ turn + self.eyes[0]
            out[~left] = (out[~left] - self.eyes[1]) @ turn + self.eyes[1]
        return out

    def build(self, units: dict[str, float], head: np.ndarray | None = None, shift: np.ndarray | None = None,
              gaze: tuple[float, float] = (0., 0.), body: np.ndarray | None = None):
        """Pose the mesh: units by name 0..1.1, head and body rotations (3,3), shift (3,) dm, gaze (yaw, pitch) rad.

        Returns vertices (n,3), normals (n,3), posed base vertices (b,3), all in decimetres.
        """
        base = self.neutral.copy()
        for name, weight in units.items():
            if abs(weight) > 1e-4 and name in self.units:
                add_morph(base, *self.units[name], weight)
        vector = rotation_vector(np.eye(3) if head is None else head)
        angle = float(np.linalg.norm(vector))
        axis = vector / angle if angle > 1e-9 else np.array([0., 1., 0.])
        shift = np.zeros(3) if shift is None else np.asarray(shift, np.float64)
        turn = np.ascontiguousarray(np.eye(3) if body is None else body)

        def pose(points, weight, out):
            pose_points(points, weight, self.pivot, self.neck, axis, angle, shift, turn, out)

        vertices, normals = np.empty((len(self.uv), 3)), np.empty((len(self.uv), 3))
        proxies = iter(self._proxies)
        for part in self.parts:
            if part.kind == BODY:
                local = base
            elif part.kind == GLASSES:
                local = self._glasses
            else:
                local = self._local(part, next(proxies), base, units.get("mouth-open", 0.0), gaze)
            pose(local, part.head_weight, part.posed)
            vertex_normals(part.posed, part.own_triangles, part.normals)
            vertices[self.slices[part.kind]] = part.posed[part.vertex_map]
            normals[self.slices[part.kind]] = part.normals[part.vertex_map]
        self.eyes_posed = np.empty((2, 3))
        pose(self.eyes, np.ones(2), self.eyes_posed)
        return vertices, normals, self.parts[0].posed.copy()


def neutral_shape(assets: Assets, identity: Identity) -> np.ndarray:
    """Base vertices (b,3) dm of the person at rest: race, sex, age, weight, muscle, then the shape targets."""
    points = assets.vertices.copy()
    sexes = (("female", 1 - identity.gender), ("male", identity.gender))
    ages = (("young", 1 - identity.age), ("old", identity.age))
    weight, muscle = identity.weight, identity.muscle
    weights = (("minweight", max(-weight, 0)), ("averageweight", 1 - abs(weight)), ("maxweight", max(weight, 0)))
    muscles = (("minmuscle", max(-muscle, 0)), ("averagemuscle", 1 - abs(muscle)), ("maxmuscle", max(muscle, 0)))
    mix: dict[str, float] = {}
    for sex, sex_share in sexes:
        for age, age_share in ages:
            for race, race_share in identity.race.items():
                mix[f"macro/{race}-{sex}-{age}"] = race_share * sex_share * age_share
            for m, m_share in muscles:
                for w, w_share in weights:
                    mix[f"macro/universal-{sex}-{age}-{m}-{w}"] = sex_share * age_share * m_share * w_share
    mix.update({"shape/" + name: value for name, value in identity.shapes.items()})
    for name, value in mix.items():
        if value > 1e-4 and assets.has_target(name):
            add_morph(points, *assets.target(name), value)
    return points
