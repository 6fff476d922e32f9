"""What is encrypted comes back under its own key alone."""

import pytest

from actionsight.encryption import Cipher, DecryptionError

pytestmark = pytest.mark.unit

TEXT = "ghu_a-token"


def test_a_text_comes_back_and_does_not_show() -> None:
    cipher = Cipher("k" * 32)
    encrypted = cipher.encrypt(TEXT)
    assert TEXT.encode() not in encrypted
    assert encrypted != cipher.encrypt(TEXT)
    assert Cipher("k" * 32).decrypt(encrypted) == TEXT


def test_another_key_or_a_changed_byte_is_a_clear_error() -> None:
    encrypted = Cipher("k" * 32).encrypt(TEXT)
    with pytest.raises(DecryptionError, match="another secret key"):
        Cipher("l" * 32).decrypt(encrypted)
    with pytest.raises(DecryptionError):
        Cipher("k" * 32).decrypt(encrypted[:-2] + b"AA")


def test_while_keys_are_rotated_the_new_one_encrypts_and_the_old_one_still_opens() -> None:
    before = Cipher("o" * 32).encrypt(TEXT)
    rotating = Cipher(f"{'n' * 32},{'o' * 32}")
    assert rotating.decrypt(before) == TEXT
    assert Cipher("n" * 32).decrypt(rotating.encrypt(TEXT)) == TEXT
