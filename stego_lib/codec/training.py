"""Training of the codec: crops of photographs, the context model, then the synthesis network."""

import cv2
import keras
import numpy as np
from keras import ops
from tqdm.auto import tqdm

from stego_lib.codec.codec import FORMAT, Codec
from stego_lib.codec.networks import ContextModel, build_synthesis
from stego_lib.codec.probability_tables import cumulative_distributions
from stego_lib.codec.rate_model import RateModel
from stego_lib.codec.scaling import PER_OCTAVE
from stego_lib.codec.transform import Transform, design_lapping, principal_components
from stego_lib.data import SeededDataset, augment, read_each
from stego_lib.devices import jit_compile
from stego_lib.images import read_image
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
SIDE = 16  # of the crops, in latents; around them there is a margin of one, which is filtered but not coded
CUT = 384  # pixels, the side of what is kept of a photograph at its own resolution
FRAME = 256  # pixels, the short side of what is kept of a whole photograph
SMALLEST = 64  # pixels, the short side of a photograph, and of whole ones that are reduced
GROUP = 32  # crops quantized at once, with one step
FINEST, COARSEST = 160, 768  # of the steps trained on: 0.7 to 512 grey levels
# A bit saved is worth the more the fewer there are: by the slope of PSNR over bits a sample, 6 dB a bit where there are
# many, and 36 at 0.1 bits a sample, the loss is bits + 0.5 log(bits + 0.01).
LOW_RATE_WEIGHT, FEWEST_BITS = 0.5, 0.01
CODEC_PRESETS = {
    "small": {  # two minutes on two CPU cores
        "block": 8,
        "filters": 32,
        "synthesis_filters": 32,
        "synthesis_blocks": 2,
        "epochs": 3,
        "steps_per_epoch": 200,
        "synthesis_epochs": 2,
        "synthesis_steps_per_epoch": 200,
        "synthesis_crops": 1024,
        "batch_size": 16,
        "learning_rate": 2e-3,
    },
    "default": {  # some hours on two CPU cores
        "block": 8,
        "filters": 96,
        "synthesis_filters": 64,
        "synthesis_blocks": 4,
        "epochs": 60,
        "steps_per_epoch": 400,
        "synthesis_epochs": 20,
        "synthesis_steps_per_epoch": 400,
        "synthesis_crops": 8192,
        "batch_size": 16,
        "learning_rate": 2e-3,
    },
    "gpu": {  # a quarter of an hour on a large GPU that gets its batches in time
        "block": 8,
        "filters": 96,
        "synthesis_filters": 64,
        "synthesis_blocks": 4,
        "epochs": 60,
        "steps_per_epoch": 500,
        "synthesis_epochs": 20,
        "synthesis_steps_per_epoch": 500,
        "synthesis_crops": 16384,
        "batch_size": 64,
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
        if min(height, width) < SMALLEST:
            name = f"Photograph {number}" if isinstance(photograph, np.ndarray) else photograph
            raise ValueError(f"{name} is smaller than {SMALLEST}x{SMALLEST} pixels.")
        generator = np.random.default_rng((seed, number))
        top, left = (generator.integers(max(side - CUT, 0) + 1) for side in (height, width))
        ratio = max(min(height, width) / FRAME, 1)
        frame = cv2.resize(image, (round(width / ratio), round(height / ratio)), interpolation=cv2.INTER_AREA)
        return frame, image[top : top + CUT, left : left + CUT].copy()

    kept = read_each(read, list(enumerate(photographs)))
    if not kept:
        raise ValueError(f"No photograph of at least {SMALLEST}x{SMALLEST} pixels is left to train on.")
    return [frame for frame, _ in kept], [cut for _, cut in kept]


class CropDataset(SeededDataset):
    """Batches for the context model: one half photographs at their own resolution, the other half reduced ones.

    Args:
        frames: Whole photographs, list of uint8 arrays.
        cuts: What was cut from them at their own resolution, list of uint8 arrays.
        transform: `Transform` of the crops.
        batch_size: Images per batch. Defaults to `16`.
        steps_per_epoch: Batches per epoch. Defaults to `400`.
        seed: Integer. Defaults to `0`.

    Returns:
        Each item is a dictionary of `latents`, float32 array of shape `(batch, 16, 16, depth)`, and `index` of the
        step, drawn evenly, so that the steps are spread evenly over octaves; and zeros, for want of a target.
    """

    def __init__(self, frames, cuts, transform, *, batch_size=16, steps_per_epoch=400, seed=0, **kwargs):
        super().__init__(seed, **kwargs)
        self.frames, self.cuts, self.transform = frames, cuts, transform
        self.batch_size, self.steps_per_epoch = batch_size, steps_per_epoch

    def __len__(self):
        return self.steps_per_epoch

    def __getitem__(self, index):
        generator = self.generator(index)
        images = draw_crops(self.frames, self.cuts, self.batch_size, self.transform.block, generator)
        indices = generator.integers(FINEST, COARSEST + 1, self.batch_size).astype("int32")
        return {"latents": self.transform.analyze(images)[:, 1:-1, 1:-1], "index": indices}, np.zeros(self.batch_size)


def draw_crops(frames, cuts, number, block, generator):
    """Draws crops of 18x18 blocks from photographs, flipped and turned at random.

    Args:
        frames: Whole photographs, list of uint8 arrays; used reduced, down to a short side of 64 pixels.
        cuts: What was cut from them at their own resolution, list of uint8 arrays.
        number: Number of crops.
        block: Side of a block in pixels.
        generator: NumPy random generator.

    Returns:
        uint8 array of shape `(number, 18 * block, 18 * block, 3)`.
    """
    size, crops = (SIDE + 2) * block, []
    for crop, photograph in enumerate(generator.integers(len(frames), size=number)):
        image = cuts[photograph]
        if crop % 2:
            image = frames[photograph]
            ratio = (SMALLEST / min(image.shape[:2])) ** generator.random()
            sides = [max(round(side * ratio), SMALLEST) for side in image.shape[1::-1]]
            image = cv2.resize(image, sides, interpolation=cv2.INTER_AREA)
        missing = [(0, max(size - side, 0)) for side in image.shape[:2]]
        crops.append(augment(np.pad(image, (*missing, (0, 0)), "symmetric"), (size, size), generator))
    return np.stack(crops)


class QuantizedDataset(SeededDataset):
    """Batches for the synthesis network: what a codec makes of crops.

    Args:
        coder: `LatentCodec` whose context model is trained.
        batches: List of `latents` and `index`, as of a `CropDataset`, each for one step.
        batch_size: Images per batch. Defaults to `16`.
        steps_per_epoch: Batches per epoch, drawn at random; `None` means every image once, in order. Defaults to
            `None`.
        seed: Integer. Defaults to `0`.

    Returns:
        Each item is the inputs of the synthesis network, a dictionary, and its target, the latents.
    """

    def __init__(self, coder, batches, *, batch_size=16, steps_per_epoch=None, seed=0, **kwargs):
        super().__init__(seed, **kwargs)
        self.batch_size, self.steps_per_epoch = batch_size, steps_per_epoch
        latents, values, indices = [], [], []
        for batch, index in tqdm(batches, desc="Quantizing crops", disable=None):
            latents.append(batch)
            values.append(coder.quantize(batch, index).values)
            indices.append(np.full(len(batch), index, "int32"))
        self.latents, self.values, self.indices = map(np.concatenate, (latents, values, indices))

    def __len__(self):
        return self.steps_per_epoch or -(-len(self.latents) // self.batch_size)

    def __getitem__(self, index):
        chosen = np.arange(len(self.latents))[index * self.batch_size : (index + 1) * self.batch_size]
        if self.steps_per_epoch:
            chosen = self.generator(index).integers(len(self.latents), size=self.batch_size)
        inputs = {"values": self.values[chosen].astype("float32"), "index": self.indices[chosen]}
        return inputs, self.latents[chosen]


def validation_latents(cuts, transform):
    """Makes what a codec is judged by while it learns.

    Args:
        cuts: Cuts from photographs at their own resolution, list of uint8 arrays.
        transform: `Transform`.

    Returns:
        Inputs of the `RateModel`: the middle of every cut, at steps of 2, 8, 32 and 128 grey levels in turn.
    """
    size, crops = (SIDE + 2) * transform.block, []
    for cut in cuts:
        missing = [(0, max(size - side, 0)) for side in cut.shape[:2]]
        cut = np.pad(cut, (*missing, (0, 0)), "symmetric")
        top, left = (np.array(cut.shape[:2]) - size) // 2
        crops.append(cut[top : top + size, left : left + size])
    latents = transform.analyze(np.stack(crops))[:, 1:-1, 1:-1]
    return {"latents": latents, "index": np.resize(np.int32([256, 384, 512, 640]), len(latents))}


def decibels(targets, outputs):
    """The squared error of every image of a batch in dB, mean over the images; lower is better.

    Args:
        targets: Tensor of shape `(batch, height, width, channels)`.
        outputs: Tensor of the same shape.

    Returns:
        Scalar tensor.
    """
    return ops.mean(ops.log10(ops.mean((targets - outputs) ** 2, axis=(1, 2, 3)) + 0.01)) * 10


def balanced_rate(targets, bits):
    """The loss of a `RateModel`: bits per sample, where savings at low rates count for what they are worth in dB.

    Args:
        targets: Unused.
        bits: Tensor of shape `(batch,)`, what the model says.

    Returns:
        Scalar tensor.
    """
    return ops.mean(bits + LOW_RATE_WEIGHT * ops.log(bits + FEWEST_BITS))


def train_codec(folder, train_photographs, validation_photographs, *, preset="small", seed=0, restart=False):
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
    keras.utils.set_random_seed(seed)
    images = draw_crops(*crops, 2048, settings["block"], np.random.default_rng(seed))
    lapping = design_lapping(images, settings["block"])
    mean, basis, deviations = principal_components(images, lapping)
    transform = Transform(mean, basis, lapping)
    octaves = np.rint(np.log2(deviations) * PER_OCTAVE) / PER_OCTAVE
    rate = RateModel(ContextModel(deviations, octaves, settings["filters"]), seed)
    synthesis = build_synthesis(deviations, settings["synthesis_filters"], settings["synthesis_blocks"])
    validation = validation_latents(validation[1], transform)
    _train_context(folder / "context", rate, transform, crops, validation, settings)
    coder = Codec(pack_weights(rate, transform, synthesis)).coder
    _train_synthesis(folder / "synthesis", synthesis, coder, crops, validation, settings)
    codec = Codec(pack_weights(rate, transform, synthesis))
    codec.save(folder / "codec.npz")
    return codec


def _train_context(folder, rate, transform, crops, validation, settings):
    batches = CropDataset(
        *crops,
        transform,
        batch_size=settings["batch_size"],
        steps_per_epoch=settings["steps_per_epoch"],
        seed=settings["seed"],
    )
    schedule = learning_rate_schedule(settings["learning_rate"], settings["epochs"] * len(batches))
    rate.compile(ConvMuon(schedule, ("parameters",)), loss=balanced_rate, jit_compile=jit_compile())
    _fit(folder, rate, batches, (validation, np.zeros(len(validation["index"]), "float32")), settings["epochs"])


def _train_synthesis(folder, synthesis, coder, crops, validation, settings):
    generator = np.random.default_rng(settings["seed"] + 1)
    quantized = []
    for _ in range(settings["synthesis_crops"] // GROUP):
        images = draw_crops(*crops, GROUP, settings["block"], generator)
        index = int(generator.integers(FINEST, COARSEST + 1))
        quantized.append((coder.transform.analyze(images)[:, 1:-1, 1:-1], index))
    batches = QuantizedDataset(
        coder,
        quantized,
        batch_size=settings["batch_size"],
        steps_per_epoch=settings["synthesis_steps_per_epoch"],
        seed=settings["seed"],
    )
    latents, indices = validation["latents"], validation["index"]
    held_back = QuantizedDataset(coder, [(latents[indices == index], int(index)) for index in np.unique(indices)])
    schedule = learning_rate_schedule(settings["learning_rate"], settings["synthesis_epochs"] * len(batches))
    synthesis.compile(ConvMuon(schedule, ("correction",)), loss=decibels, jit_compile=jit_compile())
    _fit(folder, synthesis, batches, held_back, settings["synthesis_epochs"])


def _fit(folder, model, batches, validation, epochs):
    folder.mkdir(exist_ok=True)
    model.fit(
        batches,
        validation_data=validation,
        epochs=epochs,
        shuffle=False,
        callbacks=resumable_callbacks(folder, batches),
        verbose=verbosity(),
    )


def pack_weights(rate, transform, synthesis):
    """Collects what `codec.npz` holds.

    Args:
        rate: `RateModel`.
        transform: `Transform`.
        synthesis: Synthesis network.

    Returns:
        Dictionary of arrays.
    """
    cdfs = cumulative_distributions(*map(ops.convert_to_numpy, rate.mixture()))
    context = rate.context
    return {
        "format": np.array(FORMAT),
        "filters": np.array(context.filters),
        "mean": transform.mean,
        "basis": transform.basis,
        "lapping": transform.lapping,
        "deviations": context.deviations,
        "octaves": context.octaves,
        "cdfs": np.concatenate(cdfs),
        "ends": np.cumsum([len(cdf) for cdf in cdfs]),
        **context.fixed_point(),
        "synthesis_weights": np.array(len(synthesis.weights)),
        **{f"synthesis_{number}": np.float16(weight) for number, weight in enumerate(synthesis.get_weights())},
    }
