"""Pictures for everybody's eyes: small, and every face made unrecognisable."""

from __future__ import annotations

from io import BytesIO

from PIL import Image, ImageDraw

from web.observations import Observation

WIDTH_PX = 480
COARSE_PX = 12
FACE_BLOCKS = 7
MARGIN_RATIO = 0.08
QUALITY = 72
BOX_COLOURS = {"mismatch": "#f08a24", "match": "#3fb27f"}
BOX_COLOUR = "#e8eef5"


def small_still(jpeg: bytes) -> bytes:
    """Returns a picture in which nobody can be recognised already, at most 480 px wide.

    Raises: OSError if it is no picture.
    """
    with Image.open(BytesIO(jpeg)) as opened:
        picture = opened.convert("RGB")
    picture.thumbnail((WIDTH_PX, WIDTH_PX))
    return _encoded(picture)


def blurred_still(jpeg: bytes, observation: Observation | None) -> bytes:
    """Returns the picture at most 480 px wide, each face in coarse blocks; raises OSError if it is no picture.

    Where a face may be without a box (somebody was seen but no face, or the sender told no boxes), all of it is coarse.
    """
    with Image.open(BytesIO(jpeg)) as opened:
        picture = opened.convert("RGB")
    picture.thumbnail((WIDTH_PX, WIDTH_PX))
    boxes = _boxes_in(picture.size, observation)
    if boxes is None:
        picture = _coarse(picture, max(1, picture.width // COARSE_PX // 2))
    else:
        for box, colour in boxes:
            _hide(picture, box, colour)
    return _encoded(picture)


def _encoded(picture: Image.Image) -> bytes:
    out = BytesIO()
    picture.save(out, "JPEG", quality=QUALITY, optimize=True)
    return out.getvalue()


def _boxes_in(size: tuple[int, int], observation: Observation | None) -> list[tuple[tuple[int, ...], str]] | None:
    """Returns each face's box in this picture with its colour, or None when a face could be anywhere."""
    if observation is None or observation.frame_size is None or 0 in observation.frame_size:
        return [] if observation is not None and _is_empty(observation) else None
    if len(observation.boxes) < max(len(observation.faces), observation.people):
        return None
    across, down = size[0] / observation.frame_size[0], size[1] / observation.frame_size[1]
    verdicts = [face.verdict for face in observation.faces]
    verdicts += [None] * (len(observation.boxes) - len(verdicts))
    found = []
    for (x1, y1, x2, y2), verdict in zip(observation.boxes, verdicts, strict=False):
        aside, above = (x2 - x1) * MARGIN_RATIO, (y2 - y1) * MARGIN_RATIO
        corners = ((x1 - aside) * across, (y1 - above) * down, (x2 + aside) * across, (y2 + above) * down)
        found.append((_inside(corners, size), BOX_COLOURS.get(verdict or "", BOX_COLOUR)))
    return found


def _is_empty(observation: Observation) -> bool:
    return observation.people == 0 and not observation.faces


def _inside(corners: tuple[float, float, float, float], size: tuple[int, int]) -> tuple[int, ...]:
    limits = (size[0], size[1], size[0], size[1])
    return tuple(min(max(round(corner), 0), limit) for corner, limit in zip(corners, limits, strict=True))


def _hide(picture: Image.Image, box: tuple[int, ...], colour: str) -> None:
    x1, y1, x2, y2 = box
    if x2 <= x1 or y2 <= y1:
        return
    picture.paste(_coarse(picture.crop((x1, y1, x2, y2)), FACE_BLOCKS), (x1, y1))
    ImageDraw.Draw(picture).rectangle((x1, y1, x2 - 1, y2 - 1), outline=colour, width=2)


def _coarse(picture: Image.Image, blocks_across: int) -> Image.Image:
    blocks_down = max(1, round(blocks_across * picture.height / picture.width))
    small = picture.resize((blocks_across, blocks_down), Image.Resampling.BOX)
    return small.resize(picture.size, Image.Resampling.NEAREST)
