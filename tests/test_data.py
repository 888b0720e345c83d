import os
import shutil
import time

import numpy as np
import pytest
import skimage.data
from PIL import Image

from stego_lib.data import (
    BUNDLED,
    PairDataset,
    cut_squares,
    find_div2k,
    load_pairs,
    load_photographs,
    read_pairs,
    save_pairs,
)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DIV2K_DIR", raising=False)


@pytest.fixture
def folder(tmp_path):
    """Twenty photographs of different sizes, each of its own brightness."""
    folder = tmp_path / "photographs"
    folder.mkdir()
    photograph = skimage.data.chelsea()
    for index in range(20):
        crop = photograph[: 100 + index, : 140 - index] // 20 + 10 * index
        Image.fromarray(crop.astype(np.uint8)).save(folder / f"{index:02d}.png")
    return folder


def make_div2k(folder, nested=False, train=6, valid=2):
    for name, number in (("DIV2K_train_HR", train), ("DIV2K_valid_HR", valid)):
        part = folder / name / name if nested else folder / name
        part.mkdir(parents=True)
        for index in range(number):
            Image.fromarray(np.full((20, 30, 3), 20 * index, np.uint8)).save(part / f"{index:04d}.png")
    return folder


def brightness(images):
    return sorted(np.rint(images.mean((1, 2, 3)) / 10))


def test_halves_are_in_order_and_share_no_photograph(folder):
    covers, secrets = load_pairs(folder, "all")
    assert covers.shape == secrets.shape == (10, 64, 64, 3)
    assert covers.dtype == np.uint8
    assert np.all(np.diff(covers.mean((1, 2, 3))) > 0)
    assert covers.mean((1, 2, 3)).max() < secrets.mean((1, 2, 3)).min()


def test_every_tenth_photograph_of_a_folder_is_for_validation(folder):
    train, validation = load_pairs(folder, "train"), load_pairs(folder, "validation")
    assert [len(part) for part in (*train, *validation)] == [9, 9, 1, 1]
    everything = load_pairs(folder, "all")
    assert brightness(np.concatenate([*train, *validation])) == brightness(np.concatenate(everything))


def test_images_are_resized_whole_by_area(tmp_path):
    texture = np.random.default_rng(0).integers(0, 256, (96, 64, 3), dtype=np.uint8)
    Image.fromarray(texture).save(tmp_path / "texture.png")
    expected = texture.astype(float).reshape(16, 6, 16, 4, 3).mean((1, 3))
    np.testing.assert_allclose(load_photographs([tmp_path / "texture.png"], 16)[0], expected, atol=0.51)


def test_cache_is_used_and_follows_the_folder(folder, tmp_path):
    first = load_pairs(folder, "all")
    caches = list((tmp_path / "data" / "cache").glob("*.npz"))
    assert len(caches) == 1
    stamp = caches[0].stat().st_mtime_ns
    again = load_pairs(folder, "all")
    np.testing.assert_array_equal(first[0], again[0])
    assert caches[0].stat().st_mtime_ns == stamp

    Image.fromarray(np.zeros((30, 30, 3), np.uint8)).save(folder / "00.png")
    os.utime(folder / "00.png", (time.time() + 5, time.time() + 5))
    assert load_pairs(folder, "all")[0][0].max() == 0
    assert len(load_pairs(folder, "all", image_size=32)[0][0]) == 32


def test_a_damaged_cache_is_made_again(folder, tmp_path):
    first = load_pairs(folder, "all")
    [cache] = (tmp_path / "data" / "cache").iterdir()
    cache.write_bytes(cache.read_bytes()[:1000])
    np.testing.assert_array_equal(load_pairs(folder, "all"), first)
    np.testing.assert_array_equal(load_pairs(folder, "all"), first)


def test_where_nothing_can_be_written_photographs_load_without_a_cache(folder, tmp_path):
    expected = load_pairs(folder, "all")
    (tmp_path / "no_folder").touch()
    with pytest.warns(UserWarning, match="not kept for the next time"):
        covers_and_secrets = load_pairs(folder, "all", data_folder=tmp_path / "no_folder")
    np.testing.assert_array_equal(covers_and_secrets, expected)


def test_copies_of_a_photograph_are_all_covers_or_all_secrets(folder):
    for index in range(0, 20, 3):
        shutil.copy(folder / f"{index:02d}.png", folder / f"{19 - index:02d} copy.png")
    covers, secrets = load_pairs(folder, "all")
    assert len(covers) > 8
    assert not {cover.tobytes() for cover in covers} & {secret.tobytes() for secret in secrets}


def test_two_copies_of_one_photograph_are_no_pair(tmp_path):
    (tmp_path / "photographs").mkdir()
    for name in ("a.png", "b.png"):
        Image.fromarray(skimage.data.chelsea()).save(tmp_path / "photographs" / name)
    with pytest.raises(ValueError, match="needs two readable photographs"):
        load_pairs(tmp_path / "photographs", "all")


def test_unreadable_files_are_named_and_left_out(folder):
    (folder / "03.png").write_bytes((folder / "03.png").read_bytes()[:200])
    (folder / "07.png").write_text("no image")
    (folder / "notes.txt").write_text("no photograph at all")
    with pytest.warns(UserWarning, match="Left out") as caught:
        covers, secrets = load_pairs(folder, "all")
    assert len(covers) + len(secrets) == 18
    assert {name for name in ("03.png", "07.png") if any(name in str(w.message) for w in caught)} == {
        "03.png",
        "07.png",
    }


def test_missing_and_empty_folders_are_refused_in_one_sentence(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no folder"):
        load_pairs(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match="file is a file, not a folder"):
        load_pairs(tmp_path / "file")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="There are no photographs"):
        load_pairs(tmp_path / "empty")
    Image.fromarray(np.zeros((30, 30, 3), np.uint8)).save(tmp_path / "empty" / "one.png")
    with pytest.raises(ValueError, match="A pair needs two readable photographs"):
        load_pairs(tmp_path / "empty", "all")


def test_a_folder_too_small_for_validation_says_why(folder):
    for path in sorted(folder.iterdir())[15:]:
        path.unlink()
    with pytest.raises(ValueError, match="Every tenth photograph of a folder is for validation"):
        load_pairs(folder, "validation")


def test_covers_and_secrets_are_equally_many(folder):
    (folder / "19.png").unlink()
    assert [len(part) for part in load_pairs(folder, "all")] == [9, 9]


@pytest.mark.parametrize("nested", [False, True])
def test_div2k_keeps_its_own_parts(tmp_path, nested):
    make_div2k(tmp_path / "anywhere", nested)
    train, validation = load_pairs(tmp_path / "anywhere", "train"), load_pairs(tmp_path / "anywhere", "validation")
    assert [len(part) for part in (*train, *validation)] == [3, 3, 1, 1]


def test_div2k_is_found_where_it_usually_is(tmp_path, monkeypatch):
    assert find_div2k() is None
    in_data = make_div2k(tmp_path / "data" / "DIV2K")
    assert find_div2k().resolve() == in_data
    named = make_div2k(tmp_path / "named", nested=True)
    monkeypatch.setenv("DIV2K_DIR", str(named))
    assert find_div2k() == named
    argument = make_div2k(tmp_path / "argument")
    assert find_div2k(argument) == argument


def test_a_wrong_div2k_dir_is_refused_and_not_passed_over(tmp_path, monkeypatch):
    make_div2k(tmp_path / "data" / "DIV2K")
    monkeypatch.setenv("DIV2K_DIR", str(tmp_path / "mistyped"))
    with pytest.raises(FileNotFoundError, match="mistyped"):
        load_pairs(None)


def test_one_part_of_div2k_is_not_taken_for_the_whole(tmp_path):
    shutil.rmtree(make_div2k(tmp_path / "data" / "DIV2K") / "DIV2K_valid_HR")
    assert find_div2k() is None


def test_without_div2k_and_download_the_bundled_photographs_are_used_and_it_is_said():
    with pytest.warns(UserWarning, match="DIV2K was not found"):
        covers, secrets = load_pairs(download=False)
    assert len(covers) > 50
    assert len(secrets) > 50


def test_bundled_halves_come_from_different_photographs(monkeypatch):
    def covers_and_secrets(*names):
        monkeypatch.setattr("stego_lib.data.BUNDLED", {"train": names, "validation": ()})
        return [{image.tobytes() for image in part} for part in load_pairs("bundled", "train")]

    first, second = covers_and_secrets("astronaut", "chelsea"), covers_and_secrets("astronaut", "coffee")
    assert first[0] == second[0]
    assert not first[1] & second[1]
    assert not first[0] & first[1]


def test_bundled_parts_share_no_photograph():
    assert not set(BUNDLED["train"]) & set(BUNDLED["validation"])


def test_unknown_split_is_refused():
    with pytest.raises(ValueError, match="Received: split=test"):
        load_pairs("bundled", "test")


def test_saved_pairs_come_back_and_a_missing_file_says_what_to_do(pairs, tmp_path):
    save_pairs(tmp_path / "new" / "pairs.npz", pairs, pairs[::-1])
    train, validation = read_pairs(tmp_path / "new" / "pairs.npz")
    np.testing.assert_array_equal(train[0], pairs[0])
    np.testing.assert_array_equal(validation[1], pairs[0])
    with pytest.raises(FileNotFoundError, match="01_data"):
        read_pairs(tmp_path / "none.npz")


@pytest.fixture
def numbered():
    """Images that tell their number and position: covers 0 to 32, secrets 100 to 132."""
    ramp = np.arange(64 * 64).reshape(64, 64) % 251
    stack = np.stack([np.stack([np.full_like(ramp, number), ramp, ramp.T], -1) for number in range(33)])
    return stack.astype(np.uint8), (stack + [100, 0, 0]).astype(np.uint8)


def numbers(batch):
    return np.rint(batch[:, 0, 0, 0] * 255).astype(int)


def test_batches_are_floats_and_targets_are_the_inputs(numbered):
    dataset = PairDataset(*numbered)
    assert [len(dataset[index][0]["cover"]) for index in range(len(dataset))] == [16, 16, 1]
    inputs, targets = dataset[0]
    assert inputs["cover"].dtype == np.float32
    np.testing.assert_array_equal(inputs["cover"], targets["stego"])
    np.testing.assert_array_equal(inputs["secret"], targets["revealed"])
    assert not np.shares_memory(inputs["cover"], targets["stego"])
    assert not np.shares_memory(inputs["secret"], targets["revealed"])
    np.testing.assert_array_equal(inputs["cover"], numbered[0][:16] / np.float32(255))


def test_validation_is_the_same_every_epoch(numbered):
    dataset = PairDataset(*numbered)
    before = dataset[1][0]["secret"]
    dataset.on_epoch_end()
    np.testing.assert_array_equal(dataset[1][0]["secret"], before)


def test_training_pairs_change_with_the_epoch_and_follow_the_seed(numbered):
    def epochs(seed):
        dataset, result = PairDataset(*numbered, training=True, seed=seed), []
        for _ in range(2):
            batches = [dataset[index][0] for index in range(len(dataset))]
            result.append(
                [(c, s) for b in batches for c, s in zip(numbers(b["cover"]), numbers(b["secret"]), strict=True)]
            )
            dataset.on_epoch_end()
        return result

    first, second = epochs(1)
    assert len(set(first)) == 33
    assert {secret for _, secret in first} == set(range(100, 133))
    assert first != second
    assert epochs(1) == [first, second]
    assert epochs(2)[0] != first


def test_a_long_epoch_uses_every_image_equally_often(numbered):
    dataset = PairDataset(*numbered, training=True, steps_per_epoch=5)
    assert len(dataset) == 5
    covers = np.concatenate([numbers(dataset[index][0]["cover"]) for index in range(5)])
    counts = np.bincount(covers, minlength=33)
    assert counts.sum() == 80
    assert set(counts) == {2, 3}


def test_crops_flips_and_turns_are_parts_of_the_image(numbered):
    dataset = PairDataset(*numbered, training=True, crop_size=32)
    batch = np.rint(dataset[0][0]["cover"] * 255).astype(np.uint8)
    assert batch.shape == (16, 32, 32, 3)
    windows = np.lib.stride_tricks.sliding_window_view(numbered[0][0][..., 1], (32, 32)).reshape(-1, 32, 32)
    known = {window.tobytes() for window in windows}
    turned = 0
    for image in batch:
        variants = [np.rot90(flipped, turn) for flipped in (image, image[:, ::-1]) for turn in range(4)]
        assert any(np.ascontiguousarray(variant[..., 1]).tobytes() in known for variant in variants)
        turned += np.ascontiguousarray(image[..., 1]).tobytes() not in known
    assert turned > 4


def test_wrong_images_are_refused(numbered):
    with pytest.raises(ValueError, match="images of one size"):
        PairDataset(numbered[0], numbered[1][:, :32])
    with pytest.raises(ValueError, match="images of one size"):
        PairDataset(numbered[0], numbered[1][:20])
    with pytest.raises(ValueError, match="images of one size"):
        PairDataset(numbered[0][:0], numbered[1][:0])
    with pytest.raises(ValueError, match="Received: crop_size=80"):
        PairDataset(*numbered, training=True, crop_size=80)


def test_squares_are_cut_in_order_and_do_not_overlap(folder):
    image = np.arange(50 * 70 * 3, dtype="uint32").reshape(50, 70, 3)
    squares = cut_squares([image, image[:30], image], 20, number=4)
    assert squares.shape == (8, 20, 20, 3)
    assert len(np.unique(squares[:4])) == squares[:4].size
    np.testing.assert_array_equal(squares[:4], squares[4:])
    assert cut_squares(sorted(folder.iterdir()), 64).shape == (20, 64, 64, 3)
    np.testing.assert_array_equal(cut_squares([image], 50)[0], image[:, 10:60])
    with pytest.raises(ValueError, match="No photograph has 1 squares of 99x99"):
        cut_squares([image], 99)


def test_the_halves_of_cut_squares_have_no_photograph_in_common():
    photographs = [np.full((40, 40, 3), number, np.uint8) for number in range(3)]
    squares = cut_squares(photographs, 20, number=3)
    assert [square.max() for square in squares] == [0, 0, 0, 1, 1, 1]
    assert len(cut_squares(photographs, 20)) == 3
    with pytest.raises(ValueError, match="No two photographs have 3 squares of 20x20"):
        cut_squares(photographs[:1], 20, number=3)
