"""Callbacks: a picture of the same pairs before training and after every epoch."""

from pathlib import Path

import keras

from stego_lib.images import to_float
from stego_lib.plots import gallery


class EpochGallery(keras.callbacks.Callback):
    """Draws fixed pairs before training and after every epoch, as `stego_lib.plots.gallery`.

    Args:
        covers: uint8 array of shape `(number, height, width, 3)`; a few validation images.
        secrets: uint8 array of the same shape.
        folder: Where `epoch_000.png`, drawn before training, `epoch_001.png` and so on go.
        show: Whether to show the picture in the notebook too, always the latest in the same place. Defaults to `False`.
    """

    def __init__(self, covers, secrets, *, folder, show=False):
        super().__init__()
        self.covers, self.secrets = covers, secrets
        self.folder = Path(folder)
        self.show = show
        self._display = None

    def on_epoch_begin(self, epoch, logs=None):
        """Draws what the model does before training, unless a training is resumed."""
        if epoch == 0:
            self._draw(0)

    def on_epoch_end(self, epoch, logs=None):
        """Draws the picture of this epoch."""
        self._draw(epoch + 1)

    def _draw(self, number):
        inputs = {"cover": to_float(self.covers), "secret": to_float(self.secrets)}
        outputs = self.model.predict(inputs, verbose=0)
        figure = gallery(self.covers, self.secrets, stego=outputs["stego"], revealed=outputs["revealed"], gain=5)
        figure.suptitle(f"epoch {number}" if number else "before training")
        self.folder.mkdir(parents=True, exist_ok=True)
        figure.savefig(self.folder / f"epoch_{number:03d}.png", dpi=80)
        if self.show:
            from IPython.display import display

            if self._display is None:
                self._display = display(figure, display_id=True)
            else:
                self._display.update(figure)
