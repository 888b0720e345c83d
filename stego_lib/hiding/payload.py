"""The payload: what is embedded of a stream, a header and a body, both sealed.

header:  salt, and sealed: version, bits a sample, length of the body      where no key is needed to find it
body:    the stream, sealed; its seal covers the header, too               where the key decides
"""

import os
import struct
from typing import NamedTuple

from stego_lib.hiding.seal import COSTS, SALT, TAG, Seal

VERSION = 2
ADAPTIVE = 0  # bits a sample, in a header, of a body that is embedded adaptively
FIELDS = "<BBI"
HEADER = SALT + struct.calcsize(FIELDS) + TAG  # bytes
NONCE_OF_HEADER, NONCE_OF_BODY = 0, 1


class Payload(NamedTuple):
    """Header and body as they are embedded, and the seed of the body's places."""

    header: bytes
    body: bytes
    seed: bytes


class Header(NamedTuple):
    """What an opened header says: bits a sample and length of the body; and what opens that."""

    bits: int
    length: int
    seal: Seal
    fields: bytes

    def open_body(self, body):
        """Decrypts the body.

        Args:
            body: bytes that were extracted.

        Returns:
            The stream, bytes; `None` if a bit of it has changed.
        """
        return self.seal.decrypt(NONCE_OF_BODY, body, associated_data=self.fields)


def make_payload(stream, passphrase, *, bits):
    """Seals a stream.

    Args:
        stream: bytes.
        passphrase: As of `Seal`.
        bits: Bits a sample that will be used.

    Returns:
        `Payload`.
    """
    salt = os.urandom(SALT)
    seal = Seal(passphrase, salt)
    fields = struct.pack(FIELDS, VERSION, bits, len(stream) + TAG)
    body = seal.encrypt(NONCE_OF_BODY, stream, associated_data=fields)
    return Payload(salt + seal.encrypt(NONCE_OF_HEADER, fields), body, seal.seed)


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
