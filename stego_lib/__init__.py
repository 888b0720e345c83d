"""Image-in-image steganography with convolutional autoencoders in Keras 3."""

import importlib
import os
import sys

__version__ = "0.2.0"

PUBLIC = {  # names by the modules they are in, which are imported when they are used
    "block_code": ["learn_code"],
    "block_transform": ["BlockTransform", "CarrierEmbedding", "CarrierPhase", "InverseBlockTransform"],
    "callbacks": ["EpochGallery"],
    "channels": ["JPEG", "OneOf", "everyday_channel"],
    "codec.codec": ["Codec", "TooFewBytesError", "load_codec"],
    "codec.training": ["train_codec"],
    "data": ["PairDataset", "find_div2k", "find_photographs", "load_pairs", "load_photographs"],
    "encoder_decoder": ["build_decoder", "build_encoder"],
    "hiding.capacity": ["CapacityError", "capacity"],
    "hiding.covers": ["choose_cover"],
    "hiding.detectability": ["area_under_roc"],
    "hiding.jpeg_stego": ["jpeg_capacity"],
    "hiding.many": ["hide_many", "reveal_many"],
    "hiding.outcome": ["AlteredError", "Hidden", "NothingHiddenError", "Revealed"],
    "hiding.services": ["learn_service"],
    "hiding.stego": ["hide", "hide_file", "reveal", "reveal_file"],
    "images": ["UnsupportedFileError", "read_image", "sharpen", "smooth", "write_image"],
    "layers": [
        "EightBit",
        "ModularEmbedding",
        "MultiKernelConv",
        "Phase",
        "ResidualEmbedding",
        "SpaceToDepth",
        "SubPixel",
    ],
    "losses": ["CombinedLoss", "full_loss", "histogram_loss", "psnr_loss", "ssim_loss"],
    "messages": ["MessageToSecret", "SecretToMessage"],
    "metrics": ["psnr", "ssim"],
    "models": [
        "build_autoencoder",
        "hide_images",
        "learn_message",
        "load_autoencoder",
        "load_pretrained",
        "reveal_images",
    ],
    "optimizers": ["ConvMuon"],
    "training": ["PRESETS", "compile_autoencoder", "train"],
}
MODULES = {name: module for module, names in PUBLIC.items() for name in names}
SUBMODULES = {module.partition(".")[0] for module in PUBLIC} | {"evaluation", "plots"}

__all__ = sorted(MODULES.keys() | SUBMODULES)

if "keras" in sys.modules:  # Whoever uses Keras finds the layers registered; the command line starts without it.
    from stego_lib import block_transform, channels, layers, losses, messages, metrics, optimizers  # noqa: F401
    from stego_lib.codec import networks  # noqa: F401
else:  # or TensorFlow says at every start that there is no GPU, as an error
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def __getattr__(name):
    if name in MODULES:
        value = getattr(importlib.import_module(f"{__name__}.{MODULES[name]}"), name)
    elif name in SUBMODULES:
        value = importlib.import_module(f"{__name__}.{name}")
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__():
    return [*globals(), *__all__]
