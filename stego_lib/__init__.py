"""Image-in-image steganography with convolutional autoencoders in Keras 3."""

import sys
from importlib.metadata import version

import lazy_loader

__version__ = version("stego-lib")

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=[
        "block_code",
        "callbacks",
        "data",
        "evaluation",
        "codec",
        "hiding",
        "images",
        "layers",
        "losses",
        "messages",
        "metrics",
        "models",
        "optimizers",
        "plots",
        "training",
    ],
    submod_attrs={
        "block_code": ["learn_code"],
        "callbacks": ["EpochGallery"],
        "data": ["PairDataset", "find_div2k", "find_photographs", "load_pairs", "load_photographs"],
        "codec.codec": ["Codec", "TooFewBytesError", "load_codec"],
        "hiding.stego": [
            "AlteredError",
            "CapacityError",
            "NothingHiddenError",
            "capacity",
            "hide",
            "hide_file",
            "reveal",
            "reveal_file",
        ],
        "codec.training": ["train_codec"],
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
            "build_decoder",
            "build_encoder",
            "hide_images",
            "learn_message",
            "load_autoencoder",
            "load_pretrained",
            "reveal_images",
        ],
        "optimizers": ["ConvMuon"],
        "training": ["PRESETS", "compile_autoencoder", "train"],
    },
)

if "keras" in sys.modules:  # Whoever uses Keras finds the layers registered; the command line starts without it.
    from stego_lib import layers, losses, messages, metrics, optimizers  # noqa: F401
    from stego_lib.codec import networks  # noqa: F401
