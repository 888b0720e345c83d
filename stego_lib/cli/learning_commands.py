"""The commands that train and measure, and what they take."""

from pathlib import Path

from stego_lib.cli.measuring import run_bench, run_compare, run_detect, run_evaluate, run_survival
from stego_lib.cli.options import add_data_options, add_design, add_image_size, add_training_options
from stego_lib.cli.training import run_train, run_train_codec


def add_learning_commands(add):
    """Adds the commands.

    Args:
        add: Function that makes the parser of a command, of its name, what runs it, a summary and a description.
    """
    _add_train(add)
    _add_evaluate(add)
    _add_train_codec(add)
    _add_bench(add)
    _add_compare(add)
    _add_detect(add)
    _add_survival(add)


def _add_train(add):
    parser = add("train", run_train, summary="train the joint autoencoder, or continue an interrupted training")
    add_data_options(parser)
    add_training_options(
        parser,
        {"small": "two minutes", "default": "twenty minutes", "gpu": "a day", "robust": "an hour and a half"},
        validation="a part of --data",
        output="model, history and pictures",
    )
    parser.add_argument(
        "--embedding",
        choices=("modular", "residual", "robust"),
        help="how the secret is embedded in the cover (default: modular, or what the preset is named after)",
    )
    parser.add_argument(
        "--period",
        type=int,
        default=8,
        metavar="N",
        help="period of the modular embedding, an even number: a larger one gives a better secret and a noisier stego "
        "image (default: %(default)s)",
    )
    parser.add_argument(
        "--mixed-precision", action="store_true", help="compute convolutions in half precision, for GPUs"
    )
    parser.add_argument(
        "--devices",
        default="one",
        choices=("one", "all"),
        help="train on one device, or share every batch among all GPUs (default: %(default)s)",
    )


def _add_evaluate(add):
    parser = add(
        "evaluate", run_evaluate, summary="measure PSNR and SSIM of a joint autoencoder through real PNG files"
    )
    parser.add_argument(
        "model",
        metavar="MODEL",
        help="a trained autoencoder.keras, or one that comes with stego-lib: modular-4, modular-8, modular-16, "
        "residual, robust",
    )
    add_data_options(parser)
    parser.add_argument(
        "--split",
        default="validation",
        choices=("validation", "all", "train"),
        help="the part of --data: what training holds back for validation, all of a folder that was never trained on, "
        "or what training uses (default: %(default)s)",
    )
    parser.add_argument(
        "--output", metavar="FOLDER", type=Path, help="the folder for gallery, error histogram and stego images"
    )
    parser.add_argument(
        "--disturb",
        action="store_true",
        help="measure too what noise, JPEG, resizing and cropping the stego images leave of the secrets",
    )


def _add_train_codec(add):
    parser = add("train-codec", run_train_codec, summary="train the codec, or continue an interrupted training")
    parser.add_argument(
        "folder",
        metavar="FOLDER",
        help="photographs of at least 64x64 pixels, or 'bundled' for those of scikit-image",
    )
    add_training_options(
        parser,
        {"small": "two minutes", "default": "some hours", "gpu": "a quarter of an hour on a large GPU"},
        validation="every tenth photograph of FOLDER",
        output="codec.npz and the histories",
    )


def _add_bench(add):
    summary = "measure the codec beside AVIF, JPEG XL and WebP: quality in the same number of bytes, time and memory"
    parser = add("bench", run_bench, summary=summary)
    parser.add_argument(
        "folder",
        nargs="?",
        metavar="FOLDER",
        help="photographs: the second half is measured at 64x64 pixels, and every second one of that half at its own "
        "size (default: parts of the photographs of scikit-image)",
    )
    parser.add_argument("--codec", metavar="FILE", help="a codec.npz (default: the codec that comes with stego-lib)")


def _add_compare(add):
    summary = "measure all ways to hide on the same pairs, and what disturbances leave of the secret"
    parser = add("compare", run_compare, summary=summary)
    _add_measured_folder(parser, "the first half are covers, the second half secrets")
    add_image_size(parser)


def _add_detect(add):
    parser = add(
        "detect", run_detect, summary="measure how detectable all ways to hide are; hours for 1200 photographs"
    )
    _add_measured_folder(parser, "40 or more of at least 256x256 pixels; at most 1200 are used, the middle of each")
    parser.add_argument(
        "--csv",
        metavar="FILE",
        type=Path,
        help="also write what the strongest detector found of uniform and adaptive embedding, by rate and size",
    )


def _add_survival(add):
    summary = "measure what a secret survives: every JPEG quality, several encoders, noise, and twice"
    parser = add("survival", run_survival, summary=summary)
    _add_measured_folder(parser, "the first half are covers, the second half secrets, at their own size")
    add_design(parser, default=75)


def _add_measured_folder(parser, which):
    parser.add_argument(
        "folder",
        nargs="?",
        default="bundled",
        metavar="FOLDER",
        help=f"photographs: {which} (default: squares cut from the photographs of scikit-image)",
    )
