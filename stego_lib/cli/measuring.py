"""The commands that measure."""

import hashlib
import io
import json

MANIFEST = "evaluation-files.json"


def run_evaluate(options):
    """Measures an autoencoder."""
    from stego_lib.data import load_pairs
    from stego_lib.evaluation.quality import hide_and_reveal, measure, summary, survival, survival_table
    from stego_lib.models import PRETRAINED, load_autoencoder, load_pretrained
    from stego_lib.paths import check_folder

    if options.output:
        check_folder(options.output)
    autoencoder = (load_pretrained if options.model in PRETRAINED else load_autoencoder)(options.model)
    covers, secrets = load_pairs(options.data, options.split, image_size=options.image_size)
    earlier = _earlier_files(options.output, len(covers)) if options.output else []
    stego, revealed = hide_and_reveal(autoencoder, covers, secrets)
    if options.output:
        _write_files(options.output, _pictures(covers, secrets, stego, revealed), earlier=earlier)
    print(f"{options.data or 'DIV2K'}, {options.split}: {summary(measure(covers, secrets, stego, revealed))}")
    if options.disturb:
        print(survival_table(survival(autoencoder, secrets, stego)))


def run_bench(options):
    """Measures the codec."""
    import numpy as np

    from stego_lib.codec.codec import load_codec
    from stego_lib.data import bundled_photographs, find_photographs, load_photographs
    from stego_lib.evaluation.compression import compressors, quality_table, rate_distortion, speed_table
    from stego_lib.images import read_image

    codec = load_codec(options.codec)
    if options.folder:
        paths = find_photographs(options.folder)
        paths = paths[len(paths) // 2 :]
        photographs = [read_image(path) for path in paths[::2]]
    else:
        photographs = [image[:384, :384] for image in bundled_photographs()]
    print("Time, and growth of memory:", flush=True)
    print(speed_table(max(photographs, key=np.size), codec))
    if options.folder:
        print("Whole photographs at 64x64 pixels, mean PSNR in dB (worst) / SSIM:", flush=True)
        print(quality_table(rate_distortion(list(load_photographs(paths)), compressors(codec))))
    print("Photographs at their own size, mean PSNR in dB (worst) / SSIM:", flush=True)
    print(quality_table(rate_distortion(photographs, compressors(codec))))


def run_compare(options):
    """Measures all ways to hide."""
    from stego_lib.data import load_pairs
    from stego_lib.evaluation.comparison import (
        all_methods,
        compare,
        comparison_table,
        disturb,
        disturbance_table,
    )

    split = "validation" if options.folder == "bundled" else "all"
    covers, secrets = load_pairs(options.folder, split, image_size=options.image_size)
    methods = all_methods()
    print(f"{len(covers)} pairs, means through a real PNG:", flush=True)
    print(comparison_table(compare(methods, covers, secrets)), flush=True)
    print("What is left of the secret, mean PSNR in dB, of at most 8 pairs:", flush=True)
    print(disturbance_table(disturb(methods, covers[:8], secrets[:8])))


def run_survival(options):
    """Measures what survives."""
    from stego_lib.data import bundled_photographs, find_photographs
    from stego_lib.evaluation.survival import measure_survival, survival_table
    from stego_lib.hiding.survival import make_design
    from stego_lib.images import read_image

    design = make_design(options.survive, cover_quality=options.cover_quality, shrink=False, bits=None)
    if options.folder == "bundled":
        photographs = [image[:384, :384] for image in bundled_photographs()]
    else:
        photographs = [read_image(path) for path in find_photographs(options.folder)]
    print(survival_table(measure_survival(photographs, design)))


def run_detect(options):
    """Measures how detectable all ways to hide are."""
    import numpy as np

    from stego_lib.data import bundled_photographs, cut_squares, find_photographs
    from stego_lib.evaluation.curriculum import detect_by_curriculum
    from stego_lib.evaluation.detection import (
        all_embeddings,
        detect,
        detectability_csv,
        detection_table,
        rate_embeddings,
    )
    from stego_lib.evaluation.jpeg_detection import detect_in_jpeg
    from stego_lib.paths import write_file

    if options.csv and options.csv.exists():
        raise FileExistsError(f"{options.csv} exists already: name another --csv.")
    if options.csv and not options.csv.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {options.csv.parent} for --csv.")
    if options.folder == "bundled":
        squares = cut_squares(bundled_photographs(), 128, number=6)
        halves = np.split(squares[: len(squares) // 12 * 12], 2)  # no photograph is in both
        covers = np.concatenate(halves)
        secrets = np.concatenate([np.roll(half, 6, axis=0) for half in halves])  # of the photograph before
    else:
        paths = find_photographs(options.folder)
        paths = [paths[index] for index in np.random.default_rng(0).permutation(len(paths))[:1200]]
        squares = cut_squares(paths, 256)
        if len(squares) < 40:
            raise ValueError(
                f"{options.folder} has {len(squares)} photographs of 256x256 pixels or more: at least 40 are needed."
            )
        covers, secrets = squares[: len(squares) // 2], squares[len(squares) // 2 : len(squares) // 2 * 2]
    print(f"{len(covers)} covers, trained on one half and tested on the other: area under the ROC curve", end=" ")
    print("(95 % confidence interval), smallest mean error:", flush=True)
    print(detection_table(detect(all_embeddings(fractions=(1.0, 0.2)), covers, secrets)), flush=True)
    rates = detect(rate_embeddings(), covers, secrets)
    for name, scores in detect_by_curriculum(covers).items():
        rates[name] |= scores
    print(detection_table(rates), flush=True)
    if options.csv:
        write_file(options.csv, detectability_csv(rates).encode())
    print("In JPEG files, by their quality and bits for every coefficient that is not 0:", flush=True)
    print(detection_table(detect_in_jpeg(covers)))


def _names(number):
    """Names of all that `evaluate` leaves in its folder for so many pairs."""
    images = [f"{kind}/{index:04d}.png" for kind in ("stego", "revealed") for index in range(1, number + 1)]
    return [*images, "gallery.png", "error_histogram.png"]


def _earlier_files(folder, number):
    """Files that an earlier `evaluate` has left in the folder; refuses if a file of the user's is in the way."""
    manifest = folder / MANIFEST
    try:
        digests = json.loads(manifest.read_text(encoding="utf-8"))["stego-lib evaluate"] if manifest.exists() else {}
        ours = [name for name in digests if (folder / name).is_file() and _digest(folder / name) == digests[name]]
    except (ValueError, TypeError, LookupError):
        raise _in_the_way(manifest) from None
    for path in (folder / name for name in _names(number) if name not in ours):
        if path.exists() or path.parent.is_file():
            raise _in_the_way(path if path.exists() else path.parent)
    return ours


def _in_the_way(path):
    return FileExistsError(f"{path} is in the way, and evaluate has not written it: move it, or name another --output.")


def _digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _pictures(covers, secrets, stego, revealed):
    """Contents of the files, by name."""
    import numpy as np

    from stego_lib.images import encode_image
    from stego_lib.plots import error_histogram, gallery

    rows = np.linspace(0, len(covers) - 1, min(len(covers), 4)).astype(int)  # neighbours may be of one photograph
    shown = gallery(covers[rows], secrets[rows], stego=stego[rows], revealed=revealed[rows])
    errors = error_histogram(covers, secrets, stego=stego, revealed=revealed)
    images = [encode_image(image, "image.png") for image in (*stego, *revealed)]
    return dict(zip(_names(len(covers)), [*images, _png(shown), _png(errors)], strict=True))


def _png(figure):
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=100)
    return content.getvalue()


def _write_files(folder, contents, *, earlier):
    """Replaces the files of an earlier `evaluate`. The list comes first, for the case of an interruption."""
    from stego_lib.images import write_file

    for name in earlier:
        (folder / name).unlink()
    folder.mkdir(parents=True, exist_ok=True)
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    text = json.dumps({"stego-lib evaluate": digests}, indent=1)
    write_file(folder / MANIFEST, text.encode(), overwrite=True)
    for name, content in contents.items():
        (folder / name).parent.mkdir(exist_ok=True)
        write_file(folder / name, content)
