"""The command line: `stego-lib hide | reveal | capacity`, and `train | evaluate | bench` and others for measuring."""

import argparse
import contextlib
import getpass
import math
import os
import sys
import warnings
from pathlib import Path

EXAMPLES = """examples:
  stego-lib hide cover.jpg secret.jpg -o stego.png --ask-passphrase
  stego-lib reveal stego.png -o revealed.png --ask-passphrase
  stego-lib capacity cover.jpg secret.jpg
  stego-lib hide-many pairs.csv --passphrase-file passphrase.txt
  stego-lib train --data bundled --output outputs/demo
  stego-lib train --data photos/train --validation photos/valid --preset default --output outputs/run
  stego-lib evaluate outputs/run/autoencoder.keras --data photos/test --output outputs/evaluation
  stego-lib train-codec photos/train --output outputs/codec
  stego-lib bench photos/test --codec outputs/codec/codec.npz
  stego-lib compare photos/test
  stego-lib detect photos/train
"""

HIDE = """Hides a photograph in another one. What is written has been read back and the secret found in it. Without a
passphrase, everybody who has this program can reveal the secret. Passphrases are asked for, or read from a file, or
else from the environment variable STEGO_LIB_PASSPHRASE. The secret may have up to 64 times the pixels of the cover."""
HIDE_MANY = """Hides every secret of a list in its cover, in several processes. A pair that fails does not stop the
others; stego images that exist are left as they are, so that an interrupted run goes on when repeated. All have the
same passphrase, each with a key of its own."""
REVEAL = """Reveals the photograph that is hidden in a stego image, with the passphrase that it was hidden with: asked
for, or read from a file, or else from the environment variable STEGO_LIB_PASSPHRASE."""
VARIABLE = "STEGO_LIB_PASSPHRASE"
MISSING = {  # by the module that cannot be imported
    module: f"This command needs the package {package}: pip install {package}"
    for module, package in {"imagecodecs": "imagecodecs", "sklearn": "scikit-learn"}.items()
} | {
    backend: f"The backend of Keras is {backend}, which is not installed: set KERAS_BACKEND=tensorflow, or pip install "
    "jax and set KERAS_BACKEND=jax."
    for backend in ("tensorflow", "jax", "torch")
}
CAPACITY = """Estimates the PSNR of cover and secret with every number of bits. Needs no passphrase, and does not tell
whether something is hidden."""


def main(arguments=None):
    """Runs the command line.

    Args:
        arguments: List of strings; `None` means those of the process. Defaults to `None`.

    Returns:
        Exit code: 0 done, 1 a problem with what was given (2, wrong usage, exits at once).
    """
    options = _parser().parse_args(arguments)
    warnings.formatwarning = lambda message, *_, **__: f"stego-lib: {message}\n"
    try:
        with _silenced_native_code():
            options.run(options)
    except (OSError, ValueError, FloatingPointError) as error:
        from stego_lib.files.many import sentence

        advice = " --force replaces it." if isinstance(error, FileExistsError) and "force" in options else ""
        print(f"stego-lib: {sentence(error)}{advice}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        if error.name not in MISSING:
            raise
        print(f"stego-lib: {MISSING[error.name]}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        trained = options.run in (_train, _train_codec)
        advice = "; the training goes on where it stopped when run again" if trained else ""
        print(f"stego-lib: interrupted{advice}.", file=sys.stderr)
        return 1
    return 0


@contextlib.contextmanager
def _silenced_native_code():
    """Keeps what TensorFlow's native code says off the terminal; Python still writes there."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    stderr, terminal = sys.stderr, os.dup(2)
    if stderr is sys.__stderr__:
        sys.stderr = os.fdopen(os.dup(2), "w", buffering=1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    try:
        yield
    finally:
        sys.stderr = stderr
        os.dup2(terminal, 2)
        os.close(terminal)


def _parser():
    parser = argparse.ArgumentParser(
        prog="stego-lib",
        description="Hide photographs in photographs with convolutional autoencoders.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    hide = commands.add_parser("hide", help="hide a photograph in another one", description=HIDE, allow_abbrev=False)
    hide.add_argument("cover", metavar="COVER", help="the photograph that everybody may see")
    hide.add_argument("secret", metavar="SECRET", help="the photograph to hide, of any size")
    hide.add_argument("-o", "--output", metavar="STEGO.png", required=True, help="the stego image, a lossless file")
    _add_hiding_options(hide)
    _add_passphrase_options(hide)
    _add_force(hide)
    hide.set_defaults(run=_hide)

    hide_many = commands.add_parser(
        "hide-many", help="hide many photographs, listed in a CSV file", description=HIDE_MANY, allow_abbrev=False
    )
    hide_many.add_argument(
        "pairs",
        metavar="PAIRS.csv",
        help="columns cover, secret and output: paths, relative to the folder of this file",
    )
    _add_hiding_options(hide_many)
    hide_many.add_argument(
        "--processes", type=_positive, metavar="N", help="how many work at once, 1 to 1.5 GB each (default: one a CPU)"
    )
    hide_many.add_argument(
        "--report", metavar="REPORT.csv", help="where it goes what became of every pair (default: PAIRS.report.csv)"
    )
    _add_passphrase_options(hide_many)
    hide_many.set_defaults(run=_hide_many)

    reveal = commands.add_parser(
        "reveal", help="reveal the photograph hidden in a stego image", description=REVEAL, allow_abbrev=False
    )
    reveal.add_argument("stego", metavar="STEGO", help="what hide has written, never changed since")
    reveal.add_argument(
        "-o", "--output", metavar="SECRET.png", required=True, help="the revealed image, a lossless file"
    )
    _add_passphrase_options(reveal)
    _add_force(reveal)
    reveal.set_defaults(run=_reveal)

    capacity = commands.add_parser(
        "capacity", help="how good cover and secret will be with 1, 2, 3 and 4 bits a sample", description=CAPACITY
    )
    capacity.add_argument("cover", metavar="COVER", help="the photograph that everybody may see")
    capacity.add_argument(
        "secret", metavar="SECRET", nargs="?", help="the photograph to hide (default: one like COVER)"
    )
    capacity.set_defaults(run=_capacity)

    train = commands.add_parser("train", help="train the autoencoder, or resume a training that was interrupted")
    _add_data_options(train)
    _add_training_options(
        train,
        {"small": "two minutes", "default": "twenty minutes", "gpu": "a day"},
        validation="a part of --data",
        output="model, history and pictures",
    )
    train.add_argument(
        "--embedding",
        default="modular",
        choices=("modular", "residual"),
        help="how the secret is put in (default: %(default)s)",
    )
    train.add_argument(
        "--period",
        type=int,
        default=8,
        help="of the modular embedding, even: larger hides better and shows more (default: %(default)s)",
    )
    train.add_argument("--mixed-precision", action="store_true", help="convolutions in half precision, for GPUs")
    train.add_argument(
        "--devices",
        default="one",
        choices=("one", "all"),
        help="whether all GPUs share every batch (default: %(default)s)",
    )
    train.set_defaults(run=_train)

    evaluate = commands.add_parser("evaluate", help="measure PSNR and SSIM through a real PNG")
    evaluate.add_argument(
        "model", help="a trained autoencoder.keras; or modular-4, modular-8, modular-16, residual: they come with it"
    )
    _add_data_options(evaluate)
    evaluate.add_argument(
        "--split",
        default="validation",
        choices=("validation", "all", "train"),
        help="which part of --data: what is held back from training (default), or all of a folder never trained on",
    )
    evaluate.add_argument(
        "--output", metavar="FOLDER", type=Path, help="where gallery, error histogram and stego images go"
    )
    evaluate.set_defaults(run=_evaluate)

    train_codec = commands.add_parser("train-codec", help="train the codec, or resume a training that was interrupted")
    train_codec.add_argument("folder", metavar="FOLDER", help="photographs, 64x64 pixels or larger, or 'bundled'")
    _add_training_options(
        train_codec,
        {"small": "two minutes", "default": "an hour and a half"},
        validation="every tenth of FOLDER",
        output="codec.npz and the histories",
    )
    train_codec.set_defaults(run=_train_codec)

    bench = commands.add_parser(
        "bench", help="measure the codec beside AVIF and JPEG XL: quality at the same bytes, time, memory"
    )
    bench.add_argument(
        "folder",
        nargs="?",
        metavar="FOLDER",
        help="photographs; the second half is measured, at 64x64 pixels, and every second of it at its own size "
        "(default: parts of those that scikit-image ships)",
    )
    bench.add_argument("--codec", metavar="FILE", help="a codec.npz (default: the one that comes with the library)")
    bench.set_defaults(run=_bench)

    compare = commands.add_parser(
        "compare", help="measure all ways to hide on the same pairs, and what disturbances leave of the secret"
    )
    _add_measured_folder(compare, "the first half covers, the second half secrets")
    _add_image_size(compare)
    compare.set_defaults(run=_compare)

    detect = commands.add_parser(
        "detect", help="measure how detectable all ways to hide are; an hour for 1200 photographs"
    )
    _add_measured_folder(detect, "40 or more of 256x256 pixels or more, of whose middles at most 1200 are taken")
    detect.set_defaults(run=_detect)
    return parser


def _add_measured_folder(parser, which):
    parser.add_argument(
        "folder",
        nargs="?",
        default="bundled",
        metavar="FOLDER",
        help=f"photographs, {which} (default: squares of those that scikit-image ships)",
    )


def _add_hiding_options(parser):
    parser.add_argument(
        "--bits",
        type=int,
        choices=(1, 2, 3, 4),
        help="how many of the 8 bits of every red, green and blue value are used: more make a better secret and a "
        "noisier cover (default: the fewest with which the secret comes back at 38 dB, or else 4)",
    )
    parser.add_argument(
        "--quality",
        type=_decibels,
        metavar="DB",
        help="PSNR at which the secret shall come back, 'inf' for exactly as it is; the cover is changed no more than "
        "that takes (default: the best that fits)",
    )


def _add_passphrase_options(parser):
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--ask-passphrase", action="store_true", help="ask for the passphrase")
    source.add_argument("--passphrase-file", metavar="FILE", type=Path, help="read it from the first line of a file")


def _add_force(parser):
    parser.add_argument("--force", action="store_true", help="replace an existing output file")


def _decibels(text):
    with contextlib.suppress(ValueError):
        if (quality := float(text)) > 0:
            return quality
    raise argparse.ArgumentTypeError("must be a positive number of decibels, such as 40, or inf")


def _add_data_options(parser):
    parser.add_argument(
        "--data",
        metavar="FOLDER",
        help="a folder of photographs, or 'bundled' (default: DIV2K, downloaded where needed)",
    )
    _add_image_size(parser)


def _add_image_size(parser):
    parser.add_argument(
        "--image-size",
        type=_image_size,
        default=64,
        help="side to which photographs are resized, a multiple of 4 (default: %(default)s)",
    )


def _add_training_options(parser, presets, validation, output):
    parser.add_argument(
        "--validation", metavar="FOLDER", help=f"other photographs, for validation (default: {validation})"
    )
    parser.add_argument("--output", metavar="FOLDER", type=Path, required=True, help=f"where {output} go")
    lengths = ", ".join(f"{name}: {length}" for name, length in presets.items())
    parser.add_argument(
        "--preset",
        default="small",
        choices=tuple(presets),
        help=f"size and length, on two CPU cores ({lengths}; default: %(default)s)",
    )
    parser.add_argument("--seed", type=int, default=0, help="of weights and batches (default: %(default)s)")
    parser.add_argument("--restart", action="store_true", help="delete an earlier training in --output and begin anew")


def _positive(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def _image_size(text):
    size = int(text)
    if size < 16 or size % 4:
        raise argparse.ArgumentTypeError("must be a multiple of 4, at least 16")
    return size


def _passphrase(options, new=False):
    if options.passphrase_file:
        if not options.passphrase_file.is_file():
            raise FileNotFoundError(f"There is no passphrase file {options.passphrase_file}.")
        try:
            passphrase = options.passphrase_file.read_bytes().decode("utf-8-sig").split("\n")[0].rstrip("\r")
        except UnicodeDecodeError:
            raise ValueError(f"{options.passphrase_file} is not text in UTF-8.") from None
        if not passphrase:
            raise ValueError(f"There is no passphrase in the first line of {options.passphrase_file}.")
        return passphrase
    if not options.ask_passphrase:
        if os.environ.get(VARIABLE) == "":
            raise ValueError(f"The environment variable {VARIABLE} is empty: unset it, or put a passphrase there.")
        return os.environ.get(VARIABLE)
    with warnings.catch_warnings():
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            passphrase = getpass.getpass("Passphrase: ")
            again = getpass.getpass("The same again: ") if new else passphrase
        except (EOFError, getpass.GetPassWarning) as error:
            raise ValueError("There is no terminal to ask for a passphrase: use --passphrase-file.") from error
    if again != passphrase:
        raise ValueError("The two passphrases are not the same.")
    return passphrase


@contextlib.contextmanager
def _progress(what):
    """A function to call with the part that is done; shown where somebody waits at a terminal."""
    from tqdm import tqdm

    with tqdm(
        total=100,
        desc=what,
        delay=2,
        disable=None,
        leave=False,
        bar_format="{desc} {percentage:3.0f}% |{bar}| {elapsed}",
    ) as bar:
        yield lambda part: bar.update(100 * part - bar.n)


def _hide(options):
    from stego_lib.files.stego import check_files, hide_file

    check_files(options.output, options.force, options.cover, options.secret)
    passphrase = _passphrase(options, new=True)
    with _progress("Hiding") as progress:
        hidden = hide_file(
            options.cover,
            options.secret,
            options.output,
            passphrase,
            options.bits,
            options.quality,
            options.force,
            progress,
        )
    bits = "1 bit" if hidden.bits == 1 else f"{hidden.bits} bits"
    print(
        f"{options.output}: cover {hidden.cover_psnr:.1f} dB, secret {_shown(hidden.secret_psnr)}; "
        f"{hidden.num_bytes} bytes hidden, {bits} a sample."
    )
    if passphrase is None:
        print("There is no passphrase: everybody who has this program can reveal the secret.")


def _hide_many(options):
    from stego_lib.files.many import hide_many

    report = options.report or Path(options.pairs).with_suffix(".report.csv")
    passphrase = _passphrase(options, new=True)
    rows = hide_many(options.pairs, passphrase, options.bits, options.quality, options.processes, report)
    numbers = {status: [row["status"] for row in rows].count(status) for status in ("hidden", "exists", "failed")}
    print(f"{numbers['hidden']} hidden, {numbers['exists']} there already, {numbers['failed']} failed: see {report}.")
    if passphrase is None and numbers["hidden"]:
        print("There is no passphrase: everybody who has this program can reveal the secrets.")
    if numbers["failed"]:
        first = next(row for row in rows if row["status"] == "failed")
        raise ValueError(
            f"{numbers['failed']} of {len(rows)} failed, the first one {first['output']}: {first['message']}"
        )


def _shown(psnr):
    return f"{psnr:.1f} dB" if math.isfinite(psnr) else "lossless"


def _reveal(options):
    from stego_lib.files.stego import check_files, reveal_file

    check_files(options.output, options.force, options.stego)
    passphrase = _passphrase(options)
    with _progress("Revealing") as progress:
        revealed = reveal_file(options.stego, options.output, passphrase, options.force, progress)
    print(f"{options.output}: the secret, {revealed.shape[1]}x{revealed.shape[0]} pixels.")


def _capacity(options):
    from stego_lib.files.stego import capacity
    from stego_lib.images import read_image

    rows = capacity(read_image(options.cover), read_image(options.secret) if options.secret else None)
    print("bits a sample  room, bytes    cover      secret")
    for bits, num_bytes, cover_psnr, secret_psnr in rows:
        expected = "over 55 dB" if 55 < secret_psnr < math.inf else _shown(secret_psnr)
        expected = "no room" if math.isnan(secret_psnr) else expected
        print(f"{bits:13} {num_bytes:>12}  {cover_psnr:.1f} dB  {expected:>10}")


def _train(options):
    from stego_lib.data import load_pairs
    from stego_lib.training import train

    if options.validation:
        if options.data and Path(options.data).resolve() == Path(options.validation).resolve():
            raise ValueError("--data and --validation must be different photographs.")
        train_pairs = load_pairs(
            options.data, "train" if options.data in (None, "bundled") else "all", options.image_size
        )
        validation_pairs = load_pairs(options.validation, "all", options.image_size)
    else:
        train_pairs = load_pairs(options.data, "train", options.image_size)
        validation_pairs = load_pairs(options.data, "validation", options.image_size)
    train(
        options.output,
        train_pairs,
        validation_pairs,
        options.preset,
        options.embedding,
        options.period,
        options.seed,
        options.mixed_precision,
        options.restart,
        options.devices == "all",
    )
    print(f"The trained model is {options.output / 'autoencoder.keras'}.")


def _evaluate(options):
    from stego_lib.data import load_pairs
    from stego_lib.evaluation.quality import hide_and_reveal, measure, summary
    from stego_lib.models import PRETRAINED, load_autoencoder, load_pretrained

    if options.output and options.output.is_file():
        raise NotADirectoryError(f"{options.output} is a file, not a folder.")
    autoencoder = (load_pretrained if options.model in PRETRAINED else load_autoencoder)(options.model)
    covers, secrets = load_pairs(options.data, options.split, options.image_size)
    stego, revealed = hide_and_reveal(autoencoder, covers, secrets)
    if options.output:
        _write_pictures(options.output, covers, secrets, stego, revealed)
    print(f"{options.data or 'DIV2K'}, {options.split}: {summary(measure(covers, secrets, stego, revealed))}")


def _train_codec(options):
    from stego_lib.data import BUNDLED, bundled_photographs, find_photographs
    from stego_lib.files.training import train_codec

    if options.validation and Path(options.folder).resolve() == Path(options.validation).resolve():
        raise ValueError("FOLDER and --validation must be different photographs.")
    if options.folder == "bundled":
        if options.validation:
            raise ValueError("The bundled photographs have a part for validation already: leave --validation out.")
        parts = (bundled_photographs(BUNDLED[split]) for split in ("train", "validation"))
    elif options.validation:
        parts = find_photographs(options.folder), find_photographs(options.validation)
    else:
        parts = [find_photographs(options.folder, split) for split in ("train", "validation")]
        if not parts[1]:
            raise ValueError(
                f"{options.folder} has {len(parts[0])} photographs. Every tenth is for validation: use 10 or more, or "
                "another folder as --validation."
            )
    train_codec(options.output, *parts, options.preset, options.seed, options.restart)
    print(f"The trained codec is {options.output / 'codec.npz'}.")


def _bench(options):
    import numpy as np

    from stego_lib.data import BUNDLED, bundled_photographs, find_photographs, load_photographs
    from stego_lib.evaluation.compression import compressors, quality_table, rate_distortion, speed_table
    from stego_lib.files.codec import load_codec
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


def _compare(options):
    from stego_lib.data import load_pairs
    from stego_lib.evaluation.comparison import (
        all_methods,
        compare,
        comparison_table,
        disturb,
        disturbance_table,
    )

    split = "validation" if options.folder == "bundled" else "all"
    covers, secrets = load_pairs(options.folder, split, options.image_size)
    methods = all_methods()
    print(f"{len(covers)} pairs, means through a real PNG:", flush=True)
    print(comparison_table(compare(methods, covers, secrets)), flush=True)
    print("What is left of the secret, mean PSNR in dB, of at most 8 pairs:", flush=True)
    print(disturbance_table(disturb(methods, covers[:8], secrets[:8])))


def _detect(options):
    import numpy as np

    from stego_lib.data import BUNDLED, bundled_photographs, cut_squares, find_photographs
    from stego_lib.evaluation.detection import all_embeddings, detect, detection_table

    if options.folder == "bundled":
        covers = cut_squares(bundled_photographs(sum(BUNDLED.values(), ())), 128, 6)
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


if __name__ == "__main__":
    sys.exit(main())
