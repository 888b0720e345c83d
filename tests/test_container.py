"""Streams that are the files of other formats, or half the size, as they were written once: they stay readable."""

import hashlib
from pathlib import Path

import pytest

from stego_lib.codec.container import AVIF, HALF, JPEG, WEBP, decode_file, unpack
from stego_lib.codec.half_size import enlarged

DATA = Path(__file__).parent / "data"
PIXELS = {
    "webp": "6d47abb2f2837c9fc562d7f8d99bcd390503e12ef1094945516bc3919156c57d",
    "jpeg": "64fa78b97cd17e95907cf2a6d7ea936a5a5b127b2090a49910ab09477a4bd0e0",
    "avif": "a5005225fac47b95932b31d24dd51676cfd45013da80e0061a221c37a0e81f14",
    "half": "558a55455c9864de2fb78794eb638acd33a62c03f0f7e69fb307ae3ccb13e50e",
}


def decoded(stream):
    if stream.kind == HALF:
        return enlarged(decoded(unpack(stream.payload)), stream.height, stream.width)
    return decode_file(stream)


@pytest.mark.parametrize("kind", PIXELS)
def test_a_stream_that_was_written_once_is_decoded_to_the_same_pixels(kind):
    stream = unpack((DATA / f"{kind}.stream").read_bytes())
    assert stream.kind == {"webp": WEBP, "jpeg": JPEG, "avif": AVIF, "half": HALF}[kind]
    assert hashlib.sha256(decoded(stream).tobytes()).hexdigest() == PIXELS[kind]
