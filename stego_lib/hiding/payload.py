"""The payload: what is embedded of a stream, a header and a body, both sealed.

header:  salt, and sealed: version, bits a sample, design, length of the body      where no key is needed to find it
body:    the stream, sealed; its seal covers the header, too                       where the key decides
"""

import os
import struct
from typing import NamedTuple

from stego_lib.hiding.seal import COSTS, SALT, TAG, Seal

VERSION = 2
ADAPTIVE = 0  # bits a sample, in a header, of a body that is embedded adaptively
FIELDS = "<BBI"
LENGTH_BITS = 24  # of the last number, for the length; 16 MiB are more than robust and adaptive embedding have room for
WHOLE, SMALLER = b"\0", b"\1"  # what streams begin with that survive; behind the second are height and width
SIZE = "<II"
HEADER = SALT + struct.calcsize(FIELDS) + TAG  # bytes
NONCE_OF_HEADER, NONCE_OF_BODY = 0, 1


class Payload(NamedTuple):
    """Header and body as they are embedded, and the seed of the body's places."""

    header: bytes
    body: bytes
    seed: bytes


class Header(NamedTuple):
    """What an opened header says: bits a sample, and length of the body; and what opens that."""

    bits: int
    length: int
    seal: Seal
    fields: bytes

    @property
    def design_and_length(self):
        """Of robust and adaptive embedding: the design, and the length of the body."""
        return divmod(self.length, 2**LENGTH_BITS)

    def open_body(self, body):
        """Decrypts the body.

        Args:
            body: bytes that were extracted.

        Returns:
            The stream, bytes; `None` if a bit of it has changed.
        """
        return self.seal.decrypt(NONCE_OF_BODY, body, associated_data=self.fields)


def make_payload(stream, passphrase, *, bits, design=0):
    """Seals a stream.

    Args:
        stream: bytes.
        passphrase: As of `Seal`.
        bits: Bits a sample that will be used, or another number up to 255 that the way of embedding needs.
        design: Number up to 255: of robust embedding the quality that it is made for, of adaptive embedding how the
            body is divided among the channels. Defaults to `0`.

    Returns:
        `Payload`.
    """
    salt = os.urandom(SALT)
    seal = Seal(passphrase, salt)
    fields = struct.pack(FIELDS, VERSION, bits, design << LENGTH_BITS | len(stream) + TAG)
    body = seal.encrypt(NONCE_OF_BODY, stream, associated_data=fields)
    return Payload(salt + seal.encrypt(NONCE_OF_HEADER, fields), body, seal.seed)


def pack_size(stream, size=None):
    """Lets a stream begin with the size that the secret had.

    Args:
        stream: bytes.
        size: Height and width; `None` if the secret has that size still. Defaults to `None`.

    Returns:
        bytes.
    """
    return WHOLE + stream if size is None else SMALLER + struct.pack(SIZE, *size) + stream


def unpack_size(content):
    """Takes apart what `pack_size` has made.

    Args:
        content: bytes.

    Returns:
        The stream, and the size.
    """
    if content.startswith(WHOLE):
        return content[1:], None
    return content[1 + struct.calcsize(SIZE) :], struct.unpack_from(SIZE, content, 1)


def open_header(header, passphrase):
    """Opens a header.

    Args:
        header: bytes that were extracted from where a header would be, or `None`.
        passphrase: As of `Seal`.

    Returns:
        `Header`; `None` if there is none, or the passphrase does not open it.

    Raises:
        ValueError: If the header was made by a newer version.
    """
    if header is None:
        return None
    salt, sealed = header[:SALT], header[SALT:]
    for cost in COSTS:
        seal = Seal(passphrase, salt, cost=cost)
        fields = seal.decrypt(NONCE_OF_HEADER, sealed)
        if fields is not None:
            version, bits, length = struct.unpack(FIELDS, fields)
            if version != VERSION:
                raise ValueError(
                    f"The image has format {version}, and only {VERSION} can be read: take a newer stego_lib."
                )
            return Header(bits, length, seal, fields)
    return None
