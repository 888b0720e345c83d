import hashlib
import os

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
