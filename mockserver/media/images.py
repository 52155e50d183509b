"""Make still pictures and sprite sheets of any size from one poster picture."""

from importlib import import_module
from io import BytesIO
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from PIL.Image import Image

# The longest side a WebP picture can have (14 bits in its frame header, RFC 6386 section 9.1).
MAX_SIDE: Final = 16_383

# The scene repeats this many times across the poster, and moves on by one repeat a second, as in the clips.
_REPEATS: Final = 6

# Media type -> Pillow's format name, its plug-in, and options that favour speed over the last byte.
_ENCODERS: Final[dict[str, tuple[str, str, dict[str, int]]]] = {
    "image/jpeg": ("JPEG", "PIL.JpegImagePlugin", {"quality": 85}),
    "image/png": ("PNG", "PIL.PngImagePlugin", {"compress_level": 3}),
    "image/webp": ("WEBP", "PIL.WebPImagePlugin", {"quality": 80, "method": 0}),
}


def still(poster: bytes, width: int, height: int, media_type: str) -> bytes:
    """One picture of exactly width x height pixels: the poster scaled to cover it, its top-left part kept.

    media_type is image/jpeg, image/png or image/webp. Raises ValueError on another one, or on a side outside
    1..16383 pixels.
    """
    _check(width, height, media_type)
    picture = _covering(poster, width, height).crop((0, 0, width, height))
    return _encoded(picture, media_type)


def spritesheet(poster: bytes, width: int, height: int, media_type: str, columns: int = 5, rows: int = 2) -> bytes:
    """One picture of columns x rows frames of a width x height video, from left to right, then down.

    Each frame is scaled down by `columns`, so the sheet is about as wide as the video: a frame has
    width // columns x height // columns pixels (at least 1 x 1). Raises ValueError as `still` does, also when
    the whole sheet is too large, and when columns or rows is below 1.
    """
    if columns < 1 or rows < 1:
        raise ValueError(f"sprite sheet has {columns} columns and {rows} rows, expected at least 1 of each")
    cell = max(1, width // columns), max(1, height // columns)
    _check(width, height, media_type)
    _check(cell[0] * columns, cell[1] * rows, media_type)
    from PIL import Image, ImageChops

    sheet = Image.new("RGB", (cell[0] * columns, cell[1] * rows))
    scene = _covering(poster, *cell)
    frames = columns * rows
    for number in range(frames):
        # The poster wraps round sideways without a seam: the frames together show one second of the motion.
        frame = ImageChops.offset(scene, scene.width * number // (_REPEATS * frames), 0)
        row, column = divmod(number, columns)
        sheet.paste(frame.crop((0, 0, *cell)), (column * cell[0], row * cell[1]))
    return _encoded(sheet, media_type)


def _check(width: int, height: int, media_type: str) -> None:
    if not (1 <= width <= MAX_SIDE and 1 <= height <= MAX_SIDE):
        raise ValueError(f"picture size is {width}x{height}, expected sides of 1 to {MAX_SIDE} pixels")
    if media_type not in _ENCODERS:
        raise ValueError(f"picture type is {media_type!r}, expected one of {', '.join(_ENCODERS)}")


def _covering(poster: bytes, width: int, height: int) -> "Image":
    # The whole poster, scaled by the smallest factor that leaves it nowhere smaller than width x height.
    from PIL import Image

    with Image.open(BytesIO(poster)) as opened:
        picture = opened.convert("RGB")
    factor = max(width / picture.width, height / picture.height)
    size = max(width, round(picture.width * factor)), max(height, round(picture.height * factor))
    return picture.resize(size, Image.Resampling.BILINEAR)


def _encoded(picture: "Image", media_type: str) -> bytes:
    name, plugin, options = _ENCODERS[media_type]
    # Pillow would load every plug-in it has to find one that is not among its first five.
    import_module(plugin)
    out = BytesIO()
    picture.save(out, format=name, **options)
    return out.getvalue()
