"""Callbacks: a picture of the same pairs after every epoch."""

from pathlib import Path

import keras

from stego_lib.images import to_float
from stego_lib.plots import gallery


class EpochGallery(keras.callbacks.Callback):
    """Draws cover, secret, stego, revealed and residual of fixed pairs after every epoch.

    Args:
        covers: uint8 array of shape `(number, height, width, 3)`; a few validation images.
        secrets: uint8 array of the same shape.
        folder: Where `epoch_001.png` and so on go.
        show: Whether to show the picture in the notebook too, always the latest in the same place. Defaults to `False`.
    """

    def __init__(self, covers, secrets, folder, *, show=False):
        super().__init__()
        self.covers, self.secrets = covers, secrets
        self.folder = Path(folder)
        self.show = show
        self._display = None

    def on_epoch_end(self, epoch, logs=None):
        """Draws the picture of this epoch."""
        inputs = {"cover": to_float(self.covers), "secret": to_float(self.secrets)}
        outputs = self.model.predict(inputs, verbose=0)
        figure = gallery(self.covers, self.secrets, outputs["stego"], outputs["revealed"])
        figure.suptitle(f"epoch {epoch + 1}")
        self.folder.mkdir(parents=True, exist_ok=True)
        figure.savefig(self.folder / f"epoch_{epoch + 1:03d}.png", dpi=80)
        if self.show:
            from IPython.display import display

            if self._display is None:
                self._display = display(figure, display_id=True)
            else:
                self._display.update(figure)
