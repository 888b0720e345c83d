"""Training of the codec: crops of photographs, the context model, then the synthesis network."""

import cv2
import keras
import numpy as np
from keras import ops
from tqdm.auto import tqdm

from stego_lib.codec.codec import FORMAT, Codec
from stego_lib.codec.entropy import cumulated_masses
from stego_lib.codec.networks import (
    ContextModel,
    RateModel,
    build_analysis,
    build_synthesis,
    principal_components,
)
from stego_lib.data import augment, random_crop, read_each
from stego_lib.devices import jit_compile
from stego_lib.images import read_image, to_float
from stego_lib.optimizers import ConvMuon
from stego_lib.runs import (
    RESUMABLE,
    fingerprint,
    learning_rate_schedule,
    prepare_folder,
    resumable_callbacks,
    verbosity,
)

FILES = ("codec.npz", *(f"{network}/{name}" for network in ("context", "synthesis") for name in RESUMABLE))
CROP = 64
GROUP = 32  # crops quantized at once, with one step
FINEST, COARSEST = 160, 608  # of the steps trained on: 0.7 to 90 grey levels
CODEC_PRESETS = {
    "small": {  # two minutes on two CPU cores
        "filters": 32,
        "synthesis_filters": 32,
        "epochs": 3,
        "steps_per_epoch": 200,
        "synthesis_epochs": 2,
        "synthesis_steps_per_epoch": 200,
        "synthesis_crops": 1024,
        "batch_size": 16,
        "learning_rate": 2e-3,
    },
    "default": {  # an hour and a half on two CPU cores
        "filters": 96,
        "synthesis_filters": 48,
        "epochs": 50,
        "steps_per_epoch": 400,
        "synthesis_epochs": 20,
        "synthesis_steps_per_epoch": 400,
        "synthesis_crops": 16384,
        "batch_size": 16,
        "learning_rate": 2e-3,
    },
}


def load_crops(photographs, seed=0):
    """Reads photographs for the training of the codec.

    Of each, two images are kept: the whole frame, its short side reduced to 256 pixels if it is longer, and what is cut
    from it at its own resolution, at most 384x384 pixels.

    Args:
        photographs: Paths, or uint8 arrays of shape `(height, width, 3)`; those that cannot be read, or are smaller
            than 64x64, are left out with a warning.
        seed: Of the places that are cut. Defaults to `0`.

    Returns:
        Frames and cuts, two lists of uint8 arrays of shape `(height, width, 3)`.

    Raises:
        ValueError: If no photograph is left.
    """

    def read(numbered):
        number, photograph = numbered
        image = photograph if isinstance(photograph, np.ndarray) else read_image(photograph)
        height, width, _ = image.shape
        if min(height, width) < CROP:
            name = f"Photograph {number}" if isinstance(photograph, np.ndarray) else photograph
            raise ValueError(f"{name} is smaller than {CROP}x{CROP} pixels.")
        generator = np.random.default_rng((seed, number))
        top, left = generator.integers(max(height - 384, 0) + 1), generator.integers(max(width - 384, 0) + 1)
        ratio = max(min(height, width) / 256, 1)
        frame = cv2.resize(image, (round(width / ratio), round(height / ratio)), interpolation=cv2.INTER_AREA)
        return frame, image[top : top + 384, left : left + 384].copy()

    kept = read_each(read, list(enumerate(photographs)))
    if not kept:
        raise ValueError(f"No photograph of at least {CROP}x{CROP} pixels is left to train on.")
    return [frame for frame, _ in kept], [cut for _, cut in kept]


class CropDataset(keras.utils.PyDataset):
    """Batches for the context model: one half whole photographs at 64x64 pixels, the other half 64x64 pixels of them.

    Args:
        frames: Whole photographs, list of uint8 arrays.
        cuts: What was cut from them at their own resolution, list of uint8 arrays.
        batch_size: Images per batch. Defaults to `16`.
        steps_per_epoch: Batches per epoch. Defaults to `400`.
        seed: Integer. Defaults to `0`.

    Returns:
        Each item is a dictionary of `image`, float32 in [0, 1] of shape `(batch, 64, 64, 3)`, and `index` of the step,
        drawn evenly, so that the steps are spread evenly over octaves; and zeros, for want of a target.
    """

    def __init__(self, frames, cuts, batch_size=16, steps_per_epoch=400, seed=0, **kwargs):
        super().__init__(**kwargs)
        self.frames, self.cuts = frames, cuts
        self.batch_size, self.steps_per_epoch, self.seed, self.epoch = batch_size, steps_per_epoch, seed, 0

    def __len__(self):
        return self.steps_per_epoch

    def __getitem__(self, index):
        generator = np.random.default_rng((self.seed, self.epoch, index))
        images = []
        for number, photograph in enumerate(generator.integers(len(self.frames), size=self.batch_size)):
            image = _shrunk(self.frames[photograph], generator) if number % 2 else self.cuts[photograph]
            images.append(augment(image, (CROP, CROP), generator))
        indices = generator.integers(FINEST, COARSEST + 1, self.batch_size).astype("int32")
        return {"image": to_float(np.stack(images)), "index": indices}, np.zeros(self.batch_size, "float32")

    def set_epoch(self, epoch):
        """Chooses the batches of an epoch.

        Args:
            epoch: Integer, 0 for the first.
        """
        self.epoch = epoch


def _shrunk(frame, generator):
    """The frame, or at least three quarters of each side, at 64x64 pixels."""
    if generator.random() < 0.5:
        sides = np.array(frame.shape[:2])
        frame = random_crop(frame, np.maximum((sides * generator.uniform(0.75, 1, 2)).astype(int), CROP), generator)
    return cv2.resize(frame, (CROP, CROP), interpolation=cv2.INTER_AREA)


class QuantizedDataset(keras.utils.PyDataset):
    """Batches for the synthesis network: what a codec makes of crops.

    Args:
        codec: `Codec` whose context model is trained.
        crops: Batches of images, as of a `CropDataset`; each is quantized with one step, drawn evenly.
        batch_size: Images per batch. Defaults to `16`.
        steps_per_epoch: Batches per epoch, drawn at random; `None` means every image once, in order. Defaults to
            `None`.
        seed: Integer. Defaults to `0`.

    Returns:
        Each item is the inputs of the synthesis network, a dictionary, and its target, the latents.
    """

    def __init__(self, codec, crops, batch_size=16, steps_per_epoch=None, seed=0, **kwargs):
        super().__init__(**kwargs)
        self.codec, self.batch_size, self.steps_per_epoch = codec, batch_size, steps_per_epoch
        self.seed, self.epoch = seed, 0
        generator = np.random.default_rng(seed)
        images, values, indices = [], [], []
        for number in tqdm(range(len(crops)), desc="Quantizing crops", disable=None):
            images.append(np.rint(crops[number][0]["image"] * 255).astype("uint8"))
            indices.append(np.full(len(images[-1]), generator.integers(FINEST, COARSEST + 1), "int32"))
            values.append(codec.quantize(images[-1], int(indices[-1][0])))
        self.images, self.values, self.indices = map(np.concatenate, (images, values, indices))

    def __len__(self):
        return self.steps_per_epoch or -(-len(self.images) // self.batch_size)

    def __getitem__(self, index):
        chosen = np.arange(len(self.images))[index * self.batch_size : (index + 1) * self.batch_size]
        if self.steps_per_epoch:
            chosen = np.random.default_rng((self.seed, self.epoch, index)).integers(
                len(self.images), size=self.batch_size
            )
        inputs = {"values": self.values[chosen].astype("float32"), "index": self.indices[chosen]}
        return inputs, self.codec.analyze(self.images[chosen])

    def set_epoch(self, epoch):
        """Chooses the batches of an epoch.

        Args:
            epoch: Integer, 0 for the first.
        """
        self.epoch = epoch


def validation_images(frames, cuts):
    """Makes the images by which a codec is judged while it learns.

    Args:
        frames: Whole photographs, list of uint8 arrays.
        cuts: Cuts from them, list of uint8 arrays.

    Returns:
        Inputs of the `RateModel`: every photograph at 64x64 pixels and the middle of its cut, at steps of 2, 5.7, 11
        and 23 grey levels in turn.
    """
    images = [cv2.resize(frame, (CROP, CROP), interpolation=cv2.INTER_AREA) for frame in frames]
    for cut in cuts:
        top, left = (np.array(cut.shape[:2]) - CROP) // 2
        images.append(cut[top : top + CROP, left : left + CROP])
    return {"image": to_float(np.stack(images)), "index": np.resize(np.int32([256, 352, 416, 480]), len(images))}


def decibels(targets, outputs):
    """The squared error of every image of a batch in dB, mean over the images; lower is better.

    Args:
        targets: Tensor of shape `(batch, height, width, channels)`.
        outputs: Tensor of the same shape.

    Returns:
        Scalar tensor.
    """
    return ops.mean(ops.log10(ops.mean((targets - outputs) ** 2, axis=(1, 2, 3)) + 0.01)) * 10


def mean_output(targets, outputs):
    """The mean of what a model says, whatever the targets: the loss of a `RateModel`, bits per sample."""
    return ops.mean(outputs)


def train_codec(folder, train_photographs, validation_photographs, preset="small", seed=0, restart=False):
    """Trains a codec, or goes on with a training that was interrupted.

    First the context model, on bits per sample; then the synthesis network, on PSNR, on what that codec makes of crops.

    Args:
        folder: Where `codec.npz`, the histories and the backups go.
        train_photographs: Those to train on, paths or uint8 arrays of shape `(height, width, 3)`.
        validation_photographs: Other ones.
        preset: Name of one of the `CODEC_PRESETS`. Defaults to `"small"`.
        seed: Of weights and batches. Defaults to `0`.
        restart: Whether to begin anew where a training has been before. Defaults to `False`.

    Returns:
        The trained `Codec`.

    Raises:
        ValueError: If the preset is unknown, there are no photographs, or the folder holds another training.
    """
    if preset not in CODEC_PRESETS:
        raise ValueError(f"`preset` must be one of {tuple(CODEC_PRESETS)}. Received: preset={preset}")
    settings = {**CODEC_PRESETS[preset], "seed": seed}
    crops, validation = load_crops(train_photographs, seed), load_crops(validation_photographs, seed)
    identified = {"training": "stego_lib codec", **settings, "data": fingerprint(*crops[0], *validation[0])}
    folder = prepare_folder(folder, identified, files=FILES, restart=restart)
    validation = validation_images(*validation)

    keras.utils.set_random_seed(seed)
    samples = CropDataset(*crops, batch_size=4096, seed=seed)[0][0]["image"]
    mean, basis, deviations = principal_components(np.rint(samples * 255).astype("uint8"))
    octaves = np.rint(np.log2(deviations) * 64) / 64
    rate = RateModel(build_analysis(mean, basis), ContextModel(deviations, octaves, settings["filters"]), seed)
    _fit(
        rate,
        mean_output,
        CropDataset(*crops, settings["batch_size"], settings["steps_per_epoch"], seed),
        (validation, np.zeros(len(validation["index"]), "float32")),
        settings["epochs"],
        settings["learning_rate"],
        ("parameters",),
        folder / "context",
    )
    synthesis = build_synthesis(deviations, settings["synthesis_filters"])
    codec = Codec(_content(rate, mean, basis, synthesis))
    crops = CropDataset(*crops, GROUP, settings["synthesis_crops"] // GROUP, seed + 1)
    images = validation["image"]
    validation = QuantizedDataset(
        codec, [({"image": images[i : i + GROUP]}, None) for i in range(0, len(images), GROUP)]
    )
    _fit(
        synthesis,
        decibels,
        QuantizedDataset(codec, crops, settings["batch_size"], settings["synthesis_steps_per_epoch"], seed),
        validation,
        settings["synthesis_epochs"],
        settings["learning_rate"],
        ("correction",),
        folder / "synthesis",
    )
    codec = Codec(_content(rate, mean, basis, synthesis))
    codec.save(folder / "codec.npz")
    return codec


def _content(rate, mean, basis, synthesis):
    """What `codec.npz` holds."""
    masses = cumulated_masses(*map(ops.convert_to_numpy, rate.mixture()))
    context = rate.context
    return {
        "format": np.array(FORMAT),
        "filters": np.array(context.filters),
        "mean": np.float32(mean),
        "basis": np.float32(basis),
        "deviations": context.deviations,
        "octaves": context.octaves,
        "masses": np.concatenate(masses),
        "ends": np.cumsum([len(mass) for mass in masses]),
        **context.fixed_point(),
        "synthesis_weights": np.array(len(synthesis.weights)),
        **{f"synthesis_{number}": np.float16(weight) for number, weight in enumerate(synthesis.get_weights())},
    }


def _fit(model, loss, batches, validation, epochs, learning_rate, exclude_layers, folder):
    schedule = learning_rate_schedule(learning_rate, epochs * len(batches))
    model.compile(ConvMuon(schedule, exclude_layers), loss=loss, jit_compile=jit_compile())
    folder.mkdir(exist_ok=True)
    model.fit(
        batches,
        validation_data=validation,
        epochs=epochs,
        shuffle=False,
        callbacks=resumable_callbacks(folder, batches),
        verbose=verbosity(),
    )
