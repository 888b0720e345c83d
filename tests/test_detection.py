import csv
import io
import itertools

import numpy as np
import pytest
import skimage.data
from sklearn.metrics import roc_auc_score

from stego_lib.data import bundled_photographs, cut_squares
from stego_lib.evaluation import curriculum
from stego_lib.evaluation.detection import (
    all_embeddings,
    detect,
    detectability,
    detectability_csv,
    detection_table,
    embed_file,
    lsb_matching,
    lsb_replacement,
    rate_embeddings,
)
from stego_lib.evaluation.simulation import embed_uniformly
from stego_lib.evaluation.steganalysis import DETECTORS, Detector
from stego_lib.images import image_psnr


@pytest.fixture(scope="module")
def squares():
    return cut_squares(bundled_photographs(), 64, number=6)


def test_embeddings_change_as_much_as_they_say():
    cover = skimage.data.coffee()[:256, 200:456]
    for name, embedding in all_embeddings(fractions=(1.0, 0.2), bits=(2, 3), pretrained=("residual",)).items():
        stego = embedding(cover, cover[::-1])
        change = stego.astype(int) - cover
        assert stego.dtype == np.uint8
        if name == "joint residual":
            assert 30 < image_psnr(cover, stego) < 40
        else:
            bits = 3 if "3 bits" in name else 2 if "2 bits" in name else 1
            expected = (4**bits / 12 + 1 / 6) * (0.2 if "20 %" in name else 1)
            assert np.mean(change**2) == pytest.approx(expected, rel=0.05), name


def test_matching_goes_both_ways_and_replacement_does_not(squares):
    cover = np.full((64, 64, 3), 101, "uint8")
    assert set(np.unique(lsb_replacement(cover, None))) == {100, 101}
    assert set(np.unique(lsb_matching(cover, None))) == {100, 101, 102}
    assert set(np.unique(embed_file(cover, None, bits=1))) == {100, 101, 102}


def test_the_strongest_detector_is_written_as_csv():
    generator = np.random.default_rng(0)
    weak, strong = generator.normal(size=(2, 2, 40))
    strong[1] += 9
    scores = {("SPAM", 64): weak, ("SRM", 64): strong, ("SPAM", 256): strong}
    text = detectability_csv(dict.fromkeys(rate_embeddings((0.3, 0.01)), scores), (0.3, 0.01))
    assert text.splitlines()[:3] == ["embedding,rate,side,auc", "uniform,0.3,64,1.000", "uniform,0.3,256,1.000"]
    assert "adaptive,0.01,256,1.000" in text
    assert [len(row) for row in csv.reader(io.StringIO(text))] == [4] * (1 + 2 * 2 * 2)


def test_no_row_asks_adaptive_embedding_for_more_than_it_carries():
    names = rate_embeddings((0.4, 0.3))
    assert "adaptive, 0.3 bits a sample" in names
    assert "adaptive, 0.4 bits a sample" not in names
    assert "uniform, 0.4 bits a sample" in names


def test_rates_are_those_of_the_cover_that_is_seen(squares):
    embedding = rate_embeddings((0.2,))["uniform, 0.2 bits a sample"]
    sizes = []
    detector = Detector(lambda image: sizes.append(image.shape) or image.mean(), lambda *_, **__: np.asarray)
    result = detect(
        {"uniform": embedding}, squares[:4], squares[:4], image_sizes=(32, 64, 128), detectors={"mean": detector}
    )
    assert set(result["uniform"]) == {("mean", 32), ("mean", 64)}
    assert set(sizes) == {(32, 32, 3), (64, 64, 3)}


@pytest.mark.slow
@pytest.mark.backend
def test_a_network_finds_less_at_lower_rates_after_a_curriculum(squares, monkeypatch):
    for name, number in {"FIRST_STEPS": 60, "NEXT_STEPS": 20, "SEEDS": 1}.items():
        monkeypatch.setattr(curriculum, name, number)
    monkeypatch.setattr(curriculum, "EMBEDDINGS", {"uniform": embed_uniformly})
    result = curriculum.detect_by_curriculum(squares, rates=(0.01, 1.0), image_sizes=(64, 256))
    areas = [detectability(scores["curriculum CNN", 64])[0] for scores in result.values()]
    assert list(result) == ["uniform, 1 bits a sample", "uniform, 0.01 bits a sample"]
    assert areas[0] > 0.7
    assert areas[1] < areas[0] - 0.1


def test_area_and_error_are_those_of_scikit_learn_and_of_the_definition():
    scores = np.random.default_rng(0).normal(size=(2, 80))
    scores[1] += 1
    area, (low, high), error = detectability(scores)
    assert area == roc_auc_score(np.repeat([0, 1], 80), scores.ravel())
    assert low < area < high
    assert high - low < 0.2
    smallest = min((np.mean(scores[0] >= limit) + np.mean(scores[1] < limit)) / 2 for limit in [*scores.ravel(), 9])
    assert error == pytest.approx(smallest)


@pytest.mark.slow
def test_detectors_find_full_images_and_nothing_in_shuffled_labels(squares, monkeypatch):
    # What is embedded is drawn anew in every run; with 24 photographs, chance would look like a find in 3 of 100 runs.
    seeds, default_rng = itertools.count(), np.random.default_rng
    monkeypatch.setattr(
        "numpy.random.default_rng", lambda seed=None: default_rng(next(seeds) if seed is None else seed)
    )
    chosen = {name: DETECTORS[name] for name in ("SPA", "RS", "SPAM")}
    embeddings = {"LSB replacement": lsb_replacement, "LSB matching": lsb_matching}
    result = detect(embeddings, squares, squares, image_sizes=(64, 256), detectors=chosen)
    areas = {name: {key: detectability(scores)[0] for key, scores in found.items()} for name, found in result.items()}
    assert set(areas["LSB matching"]) == {("SPA", 64), ("RS", 64), ("SPAM", 64)}
    assert areas["LSB replacement"]["SPA", 64] > 0.9
    assert areas["LSB replacement"]["RS", 64] > 0.8
    assert areas["LSB matching"]["SPA", 64] < areas["LSB replacement"]["SPA", 64] - 0.25
    assert areas["LSB replacement"]["SPAM", 64] > 0.6
    for scores in result["labels shuffled"].values():
        _, (low, high), error = detectability(scores)
        assert low < 0.5 < high
        assert error > 0.25
    assert "| LSB matching |" in detection_table(result)


@pytest.mark.slow
@pytest.mark.backend
def test_the_convolutional_detector_learns(squares):
    noisy = np.clip(squares + np.random.default_rng(0).normal(0, 8, squares.shape), 0, 255).astype("uint8")
    scores = DETECTORS["CNN"].learn(squares[:24], noisy[:24], steps=60)
    both = np.stack([scores(squares[24:]), scores(noisy[24:])])
    assert detectability(both)[0] > 0.8
    again = DETECTORS["CNN"].learn(squares[:24], noisy[:24], steps=2)(squares[:3])
    np.testing.assert_array_equal(again, DETECTORS["CNN"].learn(squares[:24], noisy[:24], steps=2)(squares[:3]))
