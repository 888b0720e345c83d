"""The seal: a passphrase encrypts bytes, and whoever has it knows that they are whole and unchanged."""

import unicodedata

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

SALT = 16  # bytes, random for every image
TAG = 16  # bytes that sealing adds
COST = 2**15  # of scrypt: 32 MiB and about a tenth of a second a guess


class Seal:
    """Encrypts and authenticates with one key, made of a passphrase and a salt by scrypt.

    As every salt makes a key of its own, the messages under it can simply be numbered: the number is the nonce of
    ChaCha20-Poly1305, and must be another one for every message.

    Args:
        passphrase: String, compared in Unicode normal form NFKC; `None` for a key that everybody can make.
        salt: 16 random bytes.

    Attributes:
        seed: 32 bytes that only the passphrase and the salt make, for whatever else must be secret.

    Raises:
        ValueError: If the passphrase is empty, or not text.

    Example:

    >>> salt = bytes(range(16))  # os.urandom(16), in earnest
    >>> Seal("correct horse", salt).open(0, Seal("correct horse", salt).close(0, b"secret")) == b"secret"
    True

    Reference:
        [RFC 7914](https://www.rfc-editor.org/rfc/rfc7914) (scrypt),
        [RFC 8439](https://www.rfc-editor.org/rfc/rfc8439) (ChaCha20 and Poly1305)
    """

    def __init__(self, passphrase, salt):
        if passphrase == "":
            raise ValueError("The passphrase must not be empty.")
        try:
            words = unicodedata.normalize("NFKC", passphrase or "").encode()
        except UnicodeEncodeError:
            raise ValueError("The passphrase is not text in UTF-8.") from None
        keys = Scrypt(salt, length=64, n=COST, r=8, p=1).derive(words)
        self._cipher, self.seed = ChaCha20Poly1305(keys[:32]), keys[32:]

    def close(self, number, data, bound=b""):
        """Encrypts a message.

        Args:
            number: Integer, the nonce: another one for every message.
            data: bytes.
            bound: bytes that are not encrypted, but must be the same when the message is opened.

        Returns:
            bytes, 16 more than the data.
        """
        return self._cipher.encrypt(number.to_bytes(12, "little"), data, bound)

    def open(self, number, sealed, bound=b""):
        """Decrypts a message.

        Args:
            number: Integer, the nonce that it was closed with.
            sealed: bytes that `close` returned.
            bound: bytes, the same as then.

        Returns:
            bytes, or `None` if passphrase, salt, number or anything in the message is another.
        """
        try:
            return self._cipher.decrypt(number.to_bytes(12, "little"), sealed, bound)
        except InvalidTag:
            return None
