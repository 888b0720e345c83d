"""Where a secret may be hidden in an image: every way to embed is tried."""

from stego_lib.hiding import adaptive, carriers, filling, robust
from stego_lib.hiding.capacity import BITS
from stego_lib.hiding.outcome import NOT_READ_BACK, AlteredError, Extracted, NothingHiddenError
from stego_lib.hiding.payload import ADAPTIVE, HEADER, open_header, unpack_size

ALTERED = "A secret is hidden in this image, but the image was altered since: it cannot be revealed."


def find(stego, passphrase):
    """Finds the stream that is hidden in an image, by the ways that survive nothing, and then by the one that does.

    Args:
        stego: uint8 array of shape `(height, width, 3)`.
        passphrase: As of `Seal`.

    Returns:
        `Extracted`.

    Raises:
        NothingHiddenError: If nothing is hidden, or it was hidden with another passphrase.
        AlteredError: If the image was altered since.
        ValueError: If the image was made by a newer version.
    """
    for extract_sealed in (_sealed_in_texture, _sealed_in_residues):
        header, body = extract_sealed(stego, passphrase)
        if header is not None:
            stream = None if body is None else header.open_body(body)
            if stream is None:
                raise AlteredError(ALTERED)
            return Extracted(stream)
    header, extracted = find_surviving(stego, passphrase)
    if extracted is not None:
        return extracted
    if header is not None:
        raise AlteredError(ALTERED)
    raise NothingHiddenError(
        "Nothing is hidden in this image, or it was hidden with another passphrase, or the image was altered since."
    )


def check_written(stego, passphrase, stream):
    """Makes sure that what was written can be revealed.

    Args:
        stego: uint8 array of shape `(height, width, 3)`, as it is read again.
        passphrase: As of `Seal`.
        stream: bytes that were hidden.

    Raises:
        AlteredError: If something else is found, or nothing.
    """
    try:
        found = find(stego, passphrase).stream
    except (AlteredError, NothingHiddenError):
        found = None
    if found != stream:
        raise AlteredError(NOT_READ_BACK)


def _sealed_in_texture(stego, passphrase):
    """Header and body that were embedded adaptively, `None` where there are none."""
    header = open_header(adaptive.extract_header(stego, HEADER), passphrase)
    if header is None or header.bits != ADAPTIVE:
        return header, None
    shares, length = header.design_and_length
    if length > adaptive.longest_body(stego.shape, HEADER):
        return header, None
    return header, adaptive.extract_body(stego, HEADER, length, seed=header.seal.seed, shares=shares)


def _sealed_in_residues(stego, passphrase):
    """Header and body that fill a cover, `None` where there are none."""
    header = open_header(filling.extract_header(stego, HEADER), passphrase)
    if header is None or header.bits not in BITS:
        return header, None
    if header.length > filling.capacity_bytes(stego.shape, HEADER, bits=header.bits):
        return header, None
    return header, filling.extract_body(stego, HEADER, header.length, bits=header.bits, seed=header.seal.seed)


def find_surviving(stego, passphrase):
    """Looks for what is hidden so that it survives.

    Args:
        stego: uint8 array of shape `(height, width, 3)`.
        passphrase: As of `Seal`.

    Returns:
        header: `Header`, `None` if none was found.
        extracted: `Extracted`, `None` if the body cannot be read.
    """
    if not carriers.capacity_bits(stego.shape, HEADER, level=carriers.LEVELS):
        return None, None
    received = robust.Received(stego)
    for sealed, distrust in robust.find_headers(received, HEADER):
        header = open_header(sealed, passphrase)
        if header is None:
            continue
        quality, length = header.design_and_length
        if quality not in robust.QUALITIES or 8 * length >= carriers.capacity_bits(
            stego.shape, HEADER, level=header.bits
        ):
            return header, None
        body, wrong = robust.extract_body(
            received, HEADER, length, quality=quality, level=header.bits, seed=header.seal.seed, distrust=distrust
        )
        content = None if body is None else header.open_body(body)
        if content is None:
            return header, None
        return header, Extracted(*unpack_size(content), wrong)
    return None, None
