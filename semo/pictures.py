"""Still pictures and pixels: reading portraits, square crops, uint8 arrays to float tensors and back."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from semo.errors import MediaError

if TYPE_CHECKING:
    import torch

MAX_SIDE = 4096
MAX_PIXELS = 400_000_000
SQUARE = tuple[float, float, float]  # x, y of the top left corner, side; pixels


def read_image(path: str | Path) -> np.ndarray:
    """Read a picture as uint8 (H, W, 3) RGB.

    Turned upright by its EXIF mark; transparency is laid over white; grey becomes three equal channels; 16-bit values
    are scaled to 8; sides above 4096 px are reduced (area average). Raises MediaError.
    """
    path = Path(path)
    if not path.is_file():
        raise MediaError(f"{path}: no such file")
    if path.stat().st_size == 0:
        raise MediaError(f"{path}: the file is empty (0 bytes)")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                return _upright_rgb(image, path)
    except UnidentifiedImageError as error:
        raise MediaError(f"{path}: not a picture in a format that can be read (PNG, JPEG, WebP, ...)") from error
    except Image.DecompressionBombError as error:
        raise MediaError(f"{path}: too large a picture; reduce it below {MAX_SIDE} px a side") from error
    except (OSError, SyntaxError, ValueError) as error:
        if isinstance(error, MediaError):
            raise
        raise MediaError(f"{path}: damaged or truncated picture ({error})") from error


def _upright_rgb(image: Image.Image, path: Path) -> np.ndarray:
    if image.width * image.height > MAX_PIXELS:
        raise MediaError(f"{path}: {image.width} x {image.height} px is too large, reduce it to {MAX_SIDE} px a side")
    image.draft("RGB", (MAX_SIDE, MAX_SIDE))
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):  # 16-bit grey
        values = np.asarray(image).astype(np.float64)
        array = np.repeat((np.clip(values, 0, 65535) / 257.0).round().astype(np.uint8)[..., None], 3, axis=2)
    elif image.mode == "F":
        raise MediaError(f"{path}: floating-point pixels have no agreed range; save the picture with 8 bits")
    elif image.has_transparency_data:
        image = image.convert("RGBA")
        array = np.asarray(Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB"))
    else:
        array = np.asarray(image.convert("RGB"))
    longest = max(array.shape[:2])
    if longest > MAX_SIDE:
        height, width = (max(1, round(side * MAX_SIDE / longest)) for side in array.shape[:2])
        array = cv2.resize(array, (width, height), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(array)


def centre_square(height: int, width: int) -> SQUARE:
    """The largest square in the middle of the picture, as (x, y, side)."""
    side = min(height, width)
    return (width - side) // 2, (height - side) // 2, side


def crop_resize(frame: np.ndarray, box: SQUARE | None, size: int) -> np.ndarray:
    """Cut the square `box` = (x, y, side) in pixels out of a uint8 (H, W, 3) frame and scale it to (size, size, 3).

    `box` may leave the frame: the border pixels are repeated. None means the centre square. Area average when
    shrinking, cubic when enlarging.
    """
    height, width = frame.shape[:2]
    x, y, side = (round(v) for v in (box if box is not None else centre_square(height, width)))
    if side < 1:
        raise ValueError(f"crop_resize: the side of a crop must be at least 1 px, got {side}")
    if x >= 0 and y >= 0 and x + side <= width and y + side <= height:
        crop = frame[y:y + side, x:x + side]
    else:
        rows = np.clip(np.arange(y, y + side), 0, height - 1)
        columns = np.clip(np.arange(x, x + side), 0, width - 1)
        crop = frame[rows][:, columns]
    if side == size:
        return np.ascontiguousarray(crop)
    return cv2.resize(crop, (size, size), interpolation=cv2.INTER_AREA if side > size else cv2.INTER_CUBIC)


def to_float(frames: np.ndarray) -> torch.Tensor:
    """uint8 (..., H, W, 3) in 0..255 -> float32 tensor (..., 3, H, W) in [0, 1]."""
    import torch

    if frames.dtype != np.uint8 or frames.shape[-1] != 3:
        raise ValueError(f"to_float: expected uint8 (..., H, W, 3), got {frames.dtype} {frames.shape}")
    tensor = torch.from_numpy(np.ascontiguousarray(np.moveaxis(frames, -1, -3)))
    return tensor.float().div_(255.0)


def to_uint8(tensor: torch.Tensor) -> np.ndarray:
    """float tensor (..., 3, H, W) in [0, 1] (clamped) -> uint8 (..., H, W, 3)."""
    values = tensor.detach().float().clamp(0.0, 1.0).mul(255.0).round().byte().cpu().numpy()
    return np.ascontiguousarray(np.moveaxis(values, -3, -1))
