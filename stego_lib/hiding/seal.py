"""The seal: a passphrase encrypts bytes, and whoever has it knows that they are whole and unchanged."""

import unicodedata

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

SALT = 16  # bytes, random for every image
TAG = 16  # bytes that sealing adds
# Cost parameters of scrypt, the one for new images first: 2^15 is 32 MiB and about a tenth of a second a guess. Those
# of older images follow, so that they still open.
COSTS = (2**15,)


class Seal:
    """Encrypts and authenticates with one key, made of a passphrase and a salt by scrypt.

    As every salt makes a key of its own, the messages under it can simply be numbered: the number is the nonce of
    ChaCha20-Poly1305, and must be another one for every message.

    Args:
        passphrase: String, compared in Unicode normal form NFKC; `None` for a key that everybody can make.
        salt: 16 bytes.
        cost: Of scrypt, one of `COSTS`. Defaults to the first.

    Attributes:
        seed: 32 bytes made of passphrase and salt, from which nothing of the key can be told.

    Raises:
        TypeError: If the passphrase is neither a string nor `None`.
        ValueError: If the passphrase is empty, or not text in UTF-8.

    Example:

    >>> salt = bytes(16)
    >>> Seal("correct horse", salt).decrypt(0, Seal("correct horse", salt).encrypt(0, b"secret")) == b"secret"
    True

    Reference:
        [RFC 7914](https://www.rfc-editor.org/rfc/rfc7914) (scrypt),
        [RFC 8439](https://www.rfc-editor.org/rfc/rfc8439) (ChaCha20 and Poly1305)
    """

    def __init__(self, passphrase, salt, *, cost=COSTS[0]):
        keys = Scrypt(salt, length=64, n=cost, r=8, p=1).derive(encode_passphrase(passphrase))
        self._cipher, self.seed = ChaCha20Poly1305(keys[:32]), keys[32:]

    def encrypt(self, nonce, data, *, associated_data=b""):
        """Encrypts a message.

        Args:
            nonce: Integer, another one for every message.
            data: bytes.
            associated_data: bytes that are not encrypted, but must be the same when the message is decrypted. Defaults
                to `b""`.

        Returns:
            bytes, 16 more than the data.
        """
        return self._cipher.encrypt(nonce.to_bytes(12, "little"), data, associated_data)

    def decrypt(self, nonce, sealed, *, associated_data=b""):
        """Decrypts a message.

        Args:
            nonce: Integer, the one that it was encrypted with.
            sealed: bytes that `encrypt` returned.
            associated_data: bytes, the same as then. Defaults to `b""`.

        Returns:
            bytes, or `None` if the passphrase, the salt, the nonce or anything in the message is not the same.
        """
        try:
            return self._cipher.decrypt(nonce.to_bytes(12, "little"), sealed, associated_data)
        except InvalidTag:
            return None


def encode_passphrase(passphrase):
    """Makes bytes of a passphrase.

    Args:
        passphrase: String, or `None` for everybody's.

    Returns:
        bytes; those of `None` no string makes.

    Raises:
        TypeError: If it is neither.
        ValueError: If it is empty, or not text in UTF-8.
    """
    if passphrase is None:
        return b""
    if not isinstance(passphrase, str):
        raise TypeError(
            f"`passphrase` must be a string, or None to let everybody reveal. Received: {type(passphrase).__name__}"
        )
    if not passphrase:
        raise ValueError("The passphrase must not be empty.")
    try:
        return unicodedata.normalize("NFKC", passphrase).encode()
    except UnicodeEncodeError:
        raise ValueError("The passphrase is not text in UTF-8.") from None
