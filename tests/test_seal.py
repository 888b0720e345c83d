import hashlib
import os
import struct

import pytest

from stego_lib.hiding.seal import SALT, TAG, Seal


@pytest.fixture(scope="module")
def salt():
    return os.urandom(SALT)


def test_what_was_closed_opens_with_the_same_passphrase_salt_number_and_bound_data(salt):
    sealed = Seal("a passphrase", salt).encrypt(3, b"data", associated_data=b"bound")
    assert len(sealed) == len(b"data") + TAG
    assert Seal("a passphrase", salt).decrypt(3, sealed, associated_data=b"bound") == b"data"
    assert Seal("another passphrase", salt).decrypt(3, sealed, associated_data=b"bound") is None
    assert Seal(None, salt).decrypt(3, sealed, associated_data=b"bound") is None
    assert Seal("a passphrase", bytes(SALT)).decrypt(3, sealed, associated_data=b"bound") is None
    assert Seal("a passphrase", salt).decrypt(2, sealed, associated_data=b"bound") is None
    assert Seal("a passphrase", salt).decrypt(3, sealed, associated_data=b"bond") is None


def test_every_changed_or_missing_byte_is_noticed(salt):
    seal = Seal("a passphrase", salt)
    sealed = seal.encrypt(0, b"some data")
    for position in range(len(sealed)):
        changed = bytearray(sealed)
        changed[position] ^= 1
        assert seal.decrypt(0, bytes(changed)) is None
        assert seal.decrypt(0, sealed[:position]) is None


def test_without_a_passphrase_everybody_can_open(salt):
    assert Seal(None, salt).decrypt(0, Seal(None, salt).encrypt(0, b"data")) == b"data"


def test_a_passphrase_is_the_same_however_its_letters_are_composed(salt):
    assert Seal("caf\u00e9", salt).decrypt(0, Seal("cafe\u0301", salt).encrypt(0, b"data")) == b"data"


def test_an_empty_passphrase_and_one_that_is_not_text_are_refused(salt):
    with pytest.raises(ValueError, match="must not be empty"):
        Seal("", salt)
    with pytest.raises(ValueError, match=r"^The passphrase is not text in UTF-8\.$"):
        Seal("caf\udce9", salt)


def test_the_key_is_that_of_scrypt_and_never_in_the_text_of_the_object(salt):
    seal = Seal("a passphrase", salt)
    keys = hashlib.scrypt(b"a passphrase", salt=salt, n=2**15, r=8, p=1, maxmem=2**26, dklen=64)
    assert seal.seed == keys[32:]
    assert "passphrase" not in repr(seal)
    assert repr(keys[:32]) not in repr(vars(seal))


def test_messages_are_those_of_chacha20_poly1305_computed_independently():
    """Key stream and tag of RFC 8439, with the key of scrypt, a nonce and associated data; in plain Python."""
    salt, nonce, data, associated = bytes(range(16)), 5, b"Ladies and Gentlemen of the class of '99", b"a header"
    key = hashlib.scrypt(b"a passphrase", salt=salt, n=2**15, r=8, p=1, maxmem=2**26, dklen=64)[:32]
    stream = b"".join(chacha20_block(key, counter, nonce.to_bytes(12, "little")) for counter in range(3))
    expected = bytes(x ^ y for x, y in zip(data, stream[64:], strict=False))
    padded = associated + bytes(-len(associated) % 16) + expected + bytes(-len(expected) % 16)
    padded += len(associated).to_bytes(8, "little") + len(expected).to_bytes(8, "little")
    expected += poly1305(stream[:32], padded)
    assert Seal("a passphrase", salt).encrypt(nonce, data, associated_data=associated) == expected


def chacha20_block(key, counter, nonce):
    words = list(struct.unpack("<16I", b"expand 32-byte k" + key + counter.to_bytes(4, "little") + nonce))
    start = words.copy()

    def quarter_round(*places):
        a, b, c, d = (words[place] for place in places)
        for shift in (16, 8):
            a = (a + b) % 2**32
            d = rotated(d ^ a, shift)
            c = (c + d) % 2**32
            b = rotated(b ^ c, {16: 12, 8: 7}[shift])
        for place, word in zip(places, (a, b, c, d), strict=True):
            words[place] = word

    for _ in range(10):
        for column in range(4):
            quarter_round(column, column + 4, column + 8, column + 12)
        for diagonal in range(4):
            quarter_round(*((4 * row + (diagonal + row) % 4) for row in range(4)))
    return struct.pack("<16I", *((x + y) % 2**32 for x, y in zip(words, start, strict=True)))


def rotated(word, shift):
    return (word << shift | word >> (32 - shift)) % 2**32


def poly1305(key, message):
    r, s = int.from_bytes(key[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF, int.from_bytes(key[16:], "little")
    total = 0
    for start in range(0, len(message), 16):
        total = (total + int.from_bytes(message[start : start + 16] + b"\1", "little")) * r % (2**130 - 5)
    return ((total + s) % 2**128).to_bytes(16, "little")
