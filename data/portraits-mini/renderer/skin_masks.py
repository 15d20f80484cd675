"""Where on the head things are: beard, lips, mouth cavity, oily and blushing zones, scalp under the hair."""
from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from geometry import smoothstep
from head import Head
from landmarks import inside_mouth
from shading import BEARD, BLUSH, BODY, HAIR, LIPS, MOUTH_INSIDE, OILY, UNDER_HAIR

_MIDLINE = .483      # texture v of the face's symmetry line; u runs down the face (brow .81, lips .91, chin .945)


def _beard(down: np.ndarray, across: np.ndarray, style: int) -> np.ndarray:
    """Coverage 0..1 for style 0 full, 1 goatee, 2 short boxed; coordinates are those of the face chart."""
    s = smoothstep
    top = .8805 - .016 * s(across, .03, .06) + .02 * s(across, .062, .09)      # the line rises to the sideburns
    jaw = s(down, top, top + .016) * (1 - s(across, .072, .094)) * (1 - s(down, .955, .985))
    cheek = 1 - .75 * (s(across, .02, .034) * (1 - s(across, .05, .07)) * (1 - s(down, .90, .93)))
    slanted = down - .30 * np.maximum(across - .008, 0)
    moustache = s(slanted, .8790, .8835) * (1 - s(slanted, .8935, .899)) * (1 - s(across, .026, .036))
    sides = s(across, .018, .022) * (1 - s(across, .028, .036)) * s(down, .886, .892) * (1 - s(down, .93, .94))
    moustache = np.maximum(moustache, sides)
    if style == 0:
        return jaw * cheek
    if style == 1:
        return np.maximum(jaw * (1 - s(across, .022, .034)), moustache)
    return np.maximum(jaw * cheek * (.25 + .75 * s(down, .915, .925)), moustache)


def _ears(head: Head) -> np.ndarray:
    """Skin vertices (m,) bool that the ear-size morphs move."""
    ear = np.zeros(len(head.neutral), bool)
    for side in "lr":
        index, delta = head.assets.target(f"shape/{side}-ear-scale-incr")
        ear[index] |= np.linalg.norm(delta, axis=1) > .012
    return ear[head.assets.arrays["body/vmap"]]


def skin_masks(head: Head, vertices: np.ndarray) -> np.ndarray:
    """Masks (n,6) in 0..1 for the columns named in shading.py; vertices (n,3) at rest."""
    masks = np.zeros((len(vertices), 6))
    body, hair = head.slice(BODY), head.slice(HAIR)
    uv = head.uv[body].astype(np.float64)
    inside = inside_mouth(uv)
    face = (uv[:, 0] > .6) & (uv[:, 1] > .2) & ~inside
    down, across = uv[:, 0], np.abs(uv[:, 1] - _MIDLINE)
    lips = np.clip(1 - ((np.abs(down - .9085) / .0165) ** 2 + (across / .0195) ** 2), 0, 1) * 2.2
    if hair.stop > hair.start:
        distance, _ = cKDTree(vertices[hair]).query(vertices[body])
        outside_face = np.clip(np.maximum((.742 - down) / .012, (across - .095) / .012), 0, 1)
        masks[body, UNDER_HAIR] = np.clip(1.6 - distance / .10, 0, 1) * outside_face * ~_ears(head)
    masks[body, BEARD] = (_beard(down, across, head.identity.beard_style)
                          * (1 - np.clip((lips - .75) * 1.6, 0, 1)) * face)
    masks[body, LIPS] = np.clip(lips, 0, 1) * face
    masks[body, MOUTH_INSIDE] = inside
    masks[body, OILY] = face * (np.exp(-((down - .862) / .02) ** 2 - (across / .014) ** 2)
                                + .6 * np.exp(-((down - .775) / .035) ** 2 - (across / .05) ** 2))
    masks[body, BLUSH] = face * (.8 * np.exp(-((down - .872) / .022) ** 2 - ((across - .048) / .02) ** 2)
                                 + .45 * np.exp(-((down - .868) / .012) ** 2 - (across / .012) ** 2)
                                 + .25 * np.exp(-((down - .94) / .012) ** 2 - (across / .02) ** 2))
    return masks
