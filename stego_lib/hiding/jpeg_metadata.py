"""Metadata of JPEG files: what the picture needs to look right, and what tells more."""

import struct

from PIL import ExifTags, Image

APPLICATION, COMMENT = range(0xE0, 0xF0), 0xFE  # markers
EXIF, PROFILE, JFIF, ADOBE = b"\xff\xe1..Exif\0\0", b"\xff\xe2..ICC_PROFILE\0", b"\xff\xe0..JFIF\0", b"\xff\xee..Adobe"
OTHER_PICTURES = b"\xff\xe2..MPF\0"  # where they are in the file


def choose_metadata(segments, *, keep):
    """Chooses the segments of a JPEG file that are kept.

    Args:
        segments: As of `JPEGFile`.
        keep: Whether all metadata are kept as they are: EXIF, comments, and those of programs. If not, only the ICC
            profile and the orientation are, and what decoders need.

    Returns:
        List of segments.
    """
    return [kept for segment in segments if (kept := _choose(segment, keep)) is not None]


def _choose(segment, keep):
    if not isinstance(segment, bytes) or segment[1] not in (*APPLICATION, COMMENT):
        return segment
    if _is(segment, OTHER_PICTURES):
        return None
    if keep or any(_is(segment, kind) for kind in (PROFILE, JFIF, ADOBE)):
        return segment
    return _orientation_alone(segment) if _is(segment, EXIF) else None


def _is(segment, kind):
    return segment[:2] == kind[:2] and segment[4:].startswith(kind[4:])


def _orientation_alone(segment):
    """The segment EXIF with nothing but the orientation, `None` if that is the usual one, or the segment is damaged."""
    exif = Image.Exif()
    try:
        exif.load(segment[4:])
        orientation = exif.get(ExifTags.Base.Orientation)
    except Exception:  # Pillow raises what it likes
        return None
    if orientation not in range(2, 9):
        return None
    alone = Image.Exif()
    alone[ExifTags.Base.Orientation] = orientation
    content = alone.tobytes()
    return segment[:2] + struct.pack(">H", len(content) + 2) + content
