import stat
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.keys import KeyRing, add_sealing_key, open_keyring
from service.errors import KeyMissing, WrongSetting

RING = KeyRing(sealing=[("00000001", b"\x01" * 32)], lookup=("00000002", b"\x02" * 32))
AAD = "message/7/body"


@given(plaintext=st.binary(max_size=2000), aad=st.text(max_size=40))
def test_what_is_sealed_opens_to_the_same_bytes(plaintext: bytes, aad: str) -> None:
    sealed = RING.seal(plaintext, aad)
    assert RING.open(sealed, aad) == plaintext
    assert len(sealed) == len(plaintext) + 33


def test_sealing_twice_gives_two_values() -> None:
    assert RING.seal(b"x", AAD) != RING.seal(b"x", AAD)


@settings(max_examples=200)
@given(data=st.data())
def test_one_changed_bit_anywhere_and_it_does_not_open(data: st.DataObject) -> None:
    sealed = bytearray(RING.seal(b"Mustermann", AAD))
    sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(KeyMissing):
        RING.open(bytes(sealed), AAD)


@given(st.binary(max_size=60))
def test_bytes_that_nobody_sealed_are_refused_with_a_clear_error(garbage: bytes) -> None:
    with pytest.raises(KeyMissing):
        RING.open(garbage, AAD)


def test_a_value_does_not_open_in_another_place() -> None:
    with pytest.raises(KeyMissing, match="message/8/body"):
        RING.open(RING.seal(b"x", AAD), "message/8/body")


def test_a_look_up_is_stable_keyed_and_bound_to_its_purpose() -> None:
    other = KeyRing(sealing=[("00000001", b"\x01" * 32)], lookup=("00000003", b"\x03" * 32))
    value = RING.lookup("KLINIK|4711", purpose="case")
    assert value == RING.lookup("KLINIK|4711", purpose="case") == RING.lookup(b"KLINIK|4711", purpose="case")
    assert len(bytes.fromhex(value)) == 32
    assert value != RING.lookup("KLINIK|4711", purpose="message")
    assert value != other.lookup("KLINIK|4711", purpose="case")


def test_a_look_up_takes_text_that_was_decoded_badly() -> None:
    assert RING.lookup("\udcff", purpose="case") != RING.lookup("\udcfe", purpose="case")


def test_the_first_opening_makes_keys_that_only_their_owner_reads(tmp_path: Path) -> None:
    ring = open_keyring(tmp_path / "home")
    folder = tmp_path / "home" / "keys"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    files = list(folder.glob("*.key"))
    assert {file.name.split(".")[0] for file in files} == {"seal", "lookup"}
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert open_keyring(tmp_path / "home").open(ring.seal(b"x", AAD), AAD) == b"x"


def test_processes_that_start_together_share_one_key(tmp_path: Path) -> None:
    rings: list[KeyRing] = []
    threads = [threading.Thread(target=lambda: rings.append(open_keyring(tmp_path))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({ring.ids for ring in rings}) == 1


def test_after_a_rotation_the_newest_key_seals_and_all_open(tmp_path: Path) -> None:
    former = open_keyring(tmp_path)
    fresh_id = add_sealing_key(tmp_path)
    rotated = open_keyring(tmp_path)
    assert rotated.open(former.seal(b"x", AAD), AAD) == b"x"
    assert rotated.seal(b"x", AAD)[1:5].hex() == fresh_id
    assert rotated.lookup("a", purpose="case") == former.lookup("a", purpose="case")
    with pytest.raises(KeyMissing, match=fresh_id):
        former.open(rotated.seal(b"x", AAD), AAD)


def test_a_lost_key_is_missed_and_not_replaced(tmp_path: Path) -> None:
    needed = open_keyring(tmp_path).ids
    for lost in (tmp_path / "keys").glob("seal.*.key"):
        lost.unlink()
    with pytest.raises(KeyMissing, match=needed[0]):
        open_keyring(tmp_path, needed=needed)
    assert not list((tmp_path / "keys").glob("seal.*.key"))


def test_a_key_open_to_others_is_refused_with_its_remedy(tmp_path: Path) -> None:
    open_keyring(tmp_path)
    (path,) = (tmp_path / "keys").glob("seal.*.key")
    path.chmod(0o644)
    with pytest.raises(WrongSetting, match="chmod 600"):
        open_keyring(tmp_path)


@pytest.mark.parametrize("content", ["", "zz" * 32, "ab" * 31, "\x00"])
def test_a_damaged_key_file_is_named(tmp_path: Path, content: str) -> None:
    open_keyring(tmp_path)
    (path,) = (tmp_path / "keys").glob("seal.*.key")
    path.write_text(content)
    with pytest.raises(KeyMissing, match=path.name):
        open_keyring(tmp_path)


def test_a_keys_folder_that_cannot_be_made_is_a_wrong_setting(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file")
    with pytest.raises(WrongSetting, match="keys"):
        open_keyring(tmp_path / "home")


def test_no_representation_shows_key_material(tmp_path: Path) -> None:
    ring = open_keyring(tmp_path)
    secrets = [path.read_text().strip() for path in (tmp_path / "keys").glob("*.key")]
    shown = f"{ring!r} {ring} {vars(ring)['_sealing']!r}"
    assert len(secrets) == 2
    for secret in secrets:
        assert secret not in shown
        assert repr(bytes.fromhex(secret)) not in shown
