"""One person prepared for rendering, and the rendering of one frame."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from background import place_background
from geometry import rotation
from hair import blend_strands
from head import Head
from identity import HAIR_COLOURS
from raster import rasterise, rasterise_depth
from shading import (
    BODY,
    BROWS,
    CLOTHES,
    EYES,
    GLASSES,
    HAIR,
    LASHES,
    MOUTH_INSIDE,
    TEETH,
    TONGUE,
    Light,
    Material,
    Mesh,
    Textures,
    shade,
)
from skin_masks import skin_masks

_LUMINANCE = np.array([.35, .5, .15], np.float32)
_OPAQUE = (BODY, EYES, TEETH, TONGUE, CLOTHES, GLASSES)
_GLASSES_COLOURS = ((.012, .012, .014), (.05, .028, .015), (.25, .22, .16), (.02, .03, .05))


@dataclass(frozen=True)
class Look:
    """What a clip adds to a person: backdrop (linear RGB) and colour of the top (None: as textured)."""
    background: np.ndarray
    top_colour: tuple[float, ...] | None


@dataclass(frozen=True)
class Pose:
    """State of one frame: units by name, rotations (3,3), shift (3,) dm, gaze (yaw, pitch) in radians."""
    units: dict[str, float]
    head: np.ndarray
    shift: np.ndarray
    gaze: tuple[float, float]
    body: np.ndarray


@dataclass(frozen=True)
class Camera:
    """Pinhole camera: position (3,) dm, focal length in frame heights, backdrop shift in frame sizes."""
    position: np.ndarray
    focal: float
    drift: tuple[float, float]

    def project(self, points: np.ndarray, size: float) -> np.ndarray:
        """Points (n,3) dm -> (n,3): x, y in pixels of a size x size frame, inverse distance."""
        q = points - self.position
        z = -q[:, 2]
        return np.stack([size * (.5 + self.focal * q[:, 0] / z), size * (.5 - self.focal * q[:, 1] / z), 1 / z], 1)


def linear(display: np.ndarray) -> np.ndarray:
    """Display values to linear light (gamma 2.2)."""
    return (np.clip(display, 0, 1) ** 2.2).astype(np.float32)


def tonemap(image: np.ndarray) -> np.ndarray:
    """Linear light to uint8: soft shoulder above 0.5, then the sRGB curve."""
    x = np.maximum(image, 0) * .92
    x = np.where(x < .5, x, .5 + .48 * (1 - np.exp(-(x - .5) / .48)))
    y = np.where(x <= .0031308, 12.92 * x, 1.055 * np.maximum(x, 1e-9) ** (1 / 2.4) - .055)
    return np.round(np.clip(y, 0, 1) * 255).astype(np.uint8)


class Scene:
    """A person at one frame size (pixels, square); `supersample` sub-pixels per pixel and axis."""

    def __init__(self, head: Head, size: int, supersample: int = 2):
        self.head, self.size, self.n = head, size, size * supersample
        self.supersample = supersample
        self.shadow_size = int(np.clip(self.n * .75, 160, 288))
        rest, _, _ = head.build({})
        self.rest = rest
        identity = head.identity
        self.fringe = np.array([abs(head.eyes[0, 0]), head.eyes[0, 1], head.eyes[0, 2], float(identity.number % 97)])
        masks = skin_masks(head, rest)
        self.textures = self._textures()
        self.alpha = np.ascontiguousarray(self.textures.hair[..., 3])
        occlusion = self._occlusion(masks)
        self.mesh = Mesh(head.triangles, head.part, head.uv, rest, occlusion, masks)
        self.material = self._material()

    def _textures(self) -> Textures:
        identity, assets = self.head.identity, self.head.assets
        k = 1024 if self.n > 256 else (512 if self.n > 128 else 256)
        skin = linear(assets.texture("skin/" + identity.skin, k)[..., :3])
        # even out the blotches of the source photographs, keep brows' and lips' shading
        soft = gaussian_filter(skin, (k / 90, k / 90, 0))
        skin = skin * .65 + .35 * soft
        grey = skin @ _LUMINANCE
        dark = self._darkness()
        pull = .14 + (.30 * dark if "dark" in identity.skin else 0)
        skin = (skin + (grey[..., None] - skin) * pull).astype(np.float32)
        iris = linear(assets.texture("iris/" + identity.iris, min(k // 2, 512))[..., :3])
        iris = iris * .8 + .2 * iris.mean(-1, keepdims=True)
        if identity.iris.startswith("brown"):      # the source iris is rather red
            grey = iris @ _LUMINANCE
            inside = np.clip((.30 - iris[..., 1]) / .15, 0, 1)[..., None]
            iris = iris * (1 - inside) + inside * grey[..., None] * np.array([1.55, .98, .58], np.float32)
        hair = np.zeros((4, 4, 4), np.float32)
        if identity.hair:
            texel = assets.texture("hair/" + identity.hair, min(k // 2, 512))
            hair = np.concatenate([linear(texel[..., :3]), texel[..., 3:4]], -1).astype(np.float32)
        plain = [linear(assets.texture(name, min(k // 2, 512))[..., :3])
                 for name in ("teeth", "tongue", "clothes/" + identity.clothes)]
        brow = np.ascontiguousarray(assets.texture("alpha/" + identity.brows, k // 2)[..., :1])
        lash = np.ascontiguousarray(assets.texture("alpha/" + identity.lashes, k // 4)[..., :1])
        return Textures(skin, iris.astype(np.float32), *plain, hair, brow, lash)

    def _darkness(self) -> float:
        return float(np.clip((.45 - self.head.identity.skin_tone[0]) / .36, 0, 1))

    def _skin_tint(self) -> np.ndarray:
        """Factors (3,) that bring the face of the texture to the person's tone: brightness fully, hue mostly."""
        skin = self.textures.skin
        n = skin.shape[0]
        face = skin[int((1 - .54) * n):int((1 - .43) * n), int(.80 * n):int(.94 * n)].reshape(-1, 3)
        target, current = np.array(self.head.identity.skin_tone), np.median(face, 0).astype(np.float64)
        gain = (target @ _LUMINANCE) / (current @ _LUMINANCE)
        power = .8 if "dark" in self.head.identity.skin else 1.0
        return gain * np.clip(target / current / gain, .65, 1.5) ** power

    def _material(self) -> Material:
        identity, head = self.head.identity, self.head
        hair = np.array(HAIR_COLOURS[identity.hair_colour], np.float64)
        coverage = self.textures.hair[..., 3]
        brightness = (self.textures.hair[..., :3] @ np.array([.3, .5, .2], np.float32) * coverage).sum()
        teeth, eyes = self.rest[head.slice(TEETH)], self.rest[head.slice(EYES)]
        side = 0 if eyes[0, 0] > 0 else 1
        return Material(
            skin=self._skin_tint(), lips=np.array(identity.lips), hair=hair, brow=np.minimum(hair, .13) * .8,
            cloth=np.array([-1., -1., -1., 1.]), glasses=np.array(_GLASSES_COLOURS[identity.number % 4]),
            wrap=.48 - .22 * self._darkness(), beard=identity.beard, freckles=identity.freckles,
            teeth_y=float(np.median(teeth[:, 1])), teeth_z=float(teeth[:, 2].max()),
            eye_radius=float(np.linalg.norm(eyes[:50] - head.eyes[side], axis=1).mean()),
            hair_mean=float(brightness / max(coverage.sum(), 1e-3)) or 1.0, detail=min(1.0, self.n / 512))

    def _light_map(self, vertices: np.ndarray, direction: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
        """Orthographic depth map along direction: matrix (3,4) world -> map, depth (size,size)."""
        head = self.head
        up = np.array([0., 1, 0]) if abs(direction[1]) < .95 else np.array([0., 0, 1])
        x = np.cross(up, direction)
        x /= np.linalg.norm(x)
        y = np.cross(direction, x)
        centre, extent = np.array([0., head.eyes[0, 1] - .55, .35]), 2.5
        k = size / (2 * extent)
        matrix = np.zeros((3, 4))
        matrix[:, :3] = x * k, -y * k, direction
        matrix[:, 3] = size / 2 - centre @ x * k, size / 2 + centre @ y * k, -centre @ direction
        q = vertices @ matrix[:, :3].T + matrix[:, 3]
        sx, sy, distance = (np.ascontiguousarray(q[:, i]) for i in range(3))
        depth = np.full((size, size), -1e9)
        for kind in (BODY, CLOTHES, GLASSES, HAIR):
            first, last = head.span(kind)
            rasterise_depth(sx, sy, distance, head.uv, self.rest, self.fringe, head.triangles, first, last,
                            self.alpha, kind == HAIR, depth)
        return matrix, depth

    def _occlusion(self, masks: np.ndarray, views: int = 20, size: int = 96) -> np.ndarray:
        """Ambient visibility (n,) 0..1 per vertex; the mouth's from an open mouth, the rest at rest."""
        head = self.head
        i = np.arange(views) + .5
        polar, turn = np.arccos(1 - 1.75 * i / views), np.pi * (1 + 5 ** .5) * i      # little from below
        directions = np.stack([np.cos(turn) * np.sin(polar), np.cos(polar), np.sin(turn) * np.sin(polar)], 1)
        mouth = (masks[:, MOUTH_INSIDE] > .5) | np.isin(head.vertex_part, (TEETH, TONGUE))

        def visibility(units: dict[str, float], directions: np.ndarray) -> np.ndarray:
            vertices, normals, _ = head.build(units)
            seen, total = np.zeros(len(vertices)), np.zeros(len(vertices))
            for direction in directions:
                facing = np.clip(normals @ direction, 0, 1)
                matrix, depth = self._light_map(vertices, direction, size)
                q = vertices @ matrix[:, :3].T + matrix[:, 3]
                x, y = np.clip(q[:, :2].astype(int), 0, size - 1).T
                seen += facing * np.clip(1 - (depth[y, x] - q[:, 2] - .07) / .12, 0, 1)
                total += facing
            return seen / np.maximum(total, 1e-6)

        occlusion = visibility({}, directions)
        opened = visibility({"mouth-open": .7}, directions[::2])
        occlusion = np.where(mouth, opened * .85, occlusion)
        part = head.vertex_part
        occlusion = np.where(part == HAIR, .35 + .65 * occlusion, occlusion)
        occlusion = np.where(part == TEETH, .42 + .58 * occlusion, occlusion)
        occlusion = np.where(part == EYES, np.clip(occlusion * 1.6 + .25, 0, 1), occlusion)
        return np.clip(occlusion ** .9 * 1.12, 0, 1)

    def camera(self, scale: float, dx: float, dy: float, distance: float, roam: tuple[float, float] = (0., 0.)):
        """Camera at distance (dm) that shows hairline to chin as scale/2 of the frame; dx, dy shift it (dm).

        roam (dm) is the part of dx, dy that is hand shake: the backdrop moves with it.
        """
        eyes = self.head.eyes[0]
        centre = np.array([0, eyes[1] - .36, eyes[2] - .4])
        focal = .50 * scale * distance / 1.72
        drift = (.4 * focal * roam[0] / distance, -.4 * focal * roam[1] / distance)
        return Camera(centre + np.array([dx + roam[0], dy + roam[1], distance]), focal, drift)

    def _coloured(self, look: Look) -> Material:
        mean = float(self.textures.cloth.reshape(-1, 3).mean(0) @ np.array([.3, .5, .2]))
        return self.material._replace(cloth=np.array([*(look.top_colour or (-1., -1., -1.)), mean]))

    def render(self, pose: Pose, lights: np.ndarray, camera: Camera, look: Look):
        """One frame: RGB uint8 (size,size,3), posed base vertices (b,3) dm, depth (n,n) inverse distance."""
        head, mesh, n = self.head, self.mesh, self.n
        vertices, normals, base = head.build(pose.units, pose.head, pose.shift, pose.gaze, pose.body)
        sx, sy, inv_z = (np.ascontiguousarray(c) for c in camera.project(vertices, n).T)
        triangle_id = np.full((n, n), -1, np.int32)
        bary0, bary1, depth = np.zeros((n, n)), np.zeros((n, n)), np.zeros((n, n))
        for kind in _OPAQUE:
            first, last = head.span(kind)
            rasterise(sx, sy, inv_z, mesh.triangles, first, last, triangle_id, bary0, bary1, depth)
        light = Light(lights, *self._light_map(vertices, lights[0], self.shadow_size))
        material = self._coloured(look)
        image = np.empty((n, n, 3))
        place_background(look.background, *camera.drift, image)
        gaze = pose.body @ pose.head @ rotation(pose.gaze[0], pose.gaze[1], 0) @ np.array([0., 0, 1])
        shade(triangle_id, bary0, bary1, mesh, self.textures, material, light, vertices, normals, camera.position,
              head.eyes_posed, gaze, image)
        order = np.concatenate([np.arange(*head.span(kind)) for kind in (HAIR, BROWS, LASHES)])
        nearness = inv_z[mesh.triangles[order]].mean(1) * np.where(mesh.part[order] == HAIR, 1.0, .999)
        order = order[np.argsort(-nearness, kind="stable")].astype(np.int64)
        blend_strands(order, mesh, self.textures, material, light, self.fringe, sx, sy, inv_z, vertices, normals,
                      camera.position, depth, image)
        s = self.supersample
        image = image.reshape(self.size, s, self.size, s, 3).mean((1, 3))
        return tonemap(image), base, depth
