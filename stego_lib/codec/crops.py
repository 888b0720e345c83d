"""What the codec is trained on: crops of photographs, their latents, and what a codec makes of them."""

import cv2
import numpy as np
from tqdm.auto import tqdm

from stego_lib.batches import SeededDataset, augment
from stego_lib.images import read_image
from stego_lib.photographs import read_each

SIDE = 16  # of the crops, in latents; around them there is a margin of one, which is filtered but not coded
CUT = 384  # pixels, the side of what is kept of a photograph at its own resolution
FRAME = 256  # pixels, the short side of what is kept of a whole photograph
SMALLEST = 64  # pixels, the short side of a photograph, and of whole ones that are reduced
FINEST, COARSEST = 160, 768  # of the steps trained on: 0.7 to 512 grey levels


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

    def __init__(self, frames, cuts, *, transform, batch_size=16, steps_per_epoch=400, seed=0, **kwargs):
        super().__init__(seed, **kwargs)
        self.frames, self.cuts, self.transform = frames, cuts, transform
        self.batch_size, self.steps_per_epoch = batch_size, steps_per_epoch

    def __len__(self):
        return self.steps_per_epoch

    def __getitem__(self, index):
        generator = self.generator(index)
        images = draw_crops(
            self.frames, self.cuts, number=self.batch_size, block=self.transform.block, generator=generator
        )
        indices = generator.integers(FINEST, COARSEST + 1, self.batch_size).astype("int32")
        return {"latents": self.transform.analyze(images)[:, 1:-1, 1:-1], "index": indices}, np.zeros(self.batch_size)


def draw_crops(frames, cuts, *, number, block, generator):
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
        crops.append(augment(np.pad(image, (*missing, (0, 0)), "symmetric"), (size, size), generator=generator))
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
