"""The commands that measure."""


def run_evaluate(options):
    """Measures an autoencoder."""
    from stego_lib.data import load_pairs
    from stego_lib.evaluation.quality import hide_and_reveal, measure, summary
    from stego_lib.models import PRETRAINED, load_autoencoder, load_pretrained

    if options.output and options.output.is_file():
        raise NotADirectoryError(f"{options.output} is a file, not a folder.")
    autoencoder = (load_pretrained if options.model in PRETRAINED else load_autoencoder)(options.model)
    covers, secrets = load_pairs(options.data, options.split, image_size=options.image_size)
    stego, revealed = hide_and_reveal(autoencoder, covers, secrets)
    if options.output:
        _write_pictures(options.output, covers, secrets, stego, revealed)
    print(f"{options.data or 'DIV2K'}, {options.split}: {summary(measure(covers, secrets, stego, revealed))}")


def run_bench(options):
    """Measures the codec."""
    import numpy as np

    from stego_lib.codec.codec import load_codec
    from stego_lib.data import BUNDLED, bundled_photographs, find_photographs, load_photographs
    from stego_lib.evaluation.compression import compressors, quality_table, rate_distortion, speed_table
    from stego_lib.images import read_image

    codec = load_codec(options.codec)
    if options.folder:
        paths = find_photographs(options.folder)
        paths = paths[len(paths) // 2 :]
        photographs = [read_image(path) for path in paths[::2]]
    else:
        photographs = [each[:384, :384] for each in bundled_photographs(sum(BUNDLED.values(), ()))]
    print("Time, and growth of memory:", flush=True)
    print(speed_table(max(photographs, key=np.size), codec))
    if options.folder:
        print("Whole photographs at 64x64 pixels, mean PSNR in dB (worst):", flush=True)
        print(quality_table(rate_distortion(list(load_photographs(paths)), compressors(codec))))
    print("Photographs at their own size, mean PSNR in dB (worst):", flush=True)
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


def run_detect(options):
    """Measures how detectable all ways to hide are."""
    import numpy as np

    from stego_lib.data import BUNDLED, bundled_photographs, cut_squares, find_photographs
    from stego_lib.evaluation.detection import all_embeddings, detect, detection_table

    if options.folder == "bundled":
        covers = cut_squares(bundled_photographs(sum(BUNDLED.values(), ())), 128, number=6)
        secrets = np.roll(covers, 6, axis=0)  # of the photograph before
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
    print(detection_table(detect(all_embeddings(), covers, secrets)))


def _write_pictures(folder, covers, secrets, stego, revealed):
    from stego_lib.images import write_image
    from stego_lib.plots import error_histogram, gallery

    for leftover in folder.glob("*/[0-9][0-9][0-9][0-9].png"):
        if leftover.parent.name in ("stego", "revealed"):
            leftover.unlink()
    for index, (hidden, shown) in enumerate(zip(stego, revealed, strict=True), start=1):
        write_image(folder / "stego" / f"{index:04d}.png", hidden, overwrite=True)
        write_image(folder / "revealed" / f"{index:04d}.png", shown, overwrite=True)
    some = slice(0, 6)
    gallery(covers[some], secrets[some], stego[some], revealed[some]).savefig(folder / "gallery.png", dpi=100)
    error_histogram(covers, secrets, stego, revealed).savefig(folder / "error_histogram.png", dpi=100)
