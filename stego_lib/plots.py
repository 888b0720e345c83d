"""Pictures of the results: NumPy arrays in, matplotlib figures out."""

import csv

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from stego_lib.images import to_float, to_uint8
from stego_lib.metrics import psnr, ssim

CHANNEL_COLOURS = ("tab:red", "tab:green", "tab:blue")
EQUAL = 100.0  # dB; a PSNR that only rounding errors of equal images reach


def image_grid(images, columns=8, *, title=None, titles=None, row_labels=None):
    """Shows images in rows.

    Args:
        images: Sequence of uint8 or float images of shape `(height, width, 3)`, or `(height, width)` for grey; `None`
            leaves a gap.
        columns: Images in a row. Defaults to `8`.
        title: Title of the figure. Defaults to `None`.
        titles: Titles of the images. Defaults to `None`.
        row_labels: Labels at the left of the rows. Defaults to `None`.

    Returns:
        A `matplotlib.figure.Figure`.
    """
    rows = -(-len(images) // columns)
    height, width = np.shape(images[0])[:2]
    lines = max((text.count("\n") + 1 for text in titles or ()), default=0)
    figure = Figure(figsize=(12, (12 / columns * height / width + 0.25 * lines) * rows + 0.4), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for axis in axes.flat:
        _frameless(axis)
    for index, (axis, image) in enumerate(zip(axes.flat, images, strict=False)):
        if image is not None:
            _show(axis, to_uint8(image), titles[index] if titles else "")
    for axis, label in zip(axes[:, 0], row_labels or (), strict=False):
        axis.set_ylabel(label, fontsize=10)
    figure.suptitle(title)
    return figure


def gallery(covers, secrets, *, stego, revealed, gain=10):
    """Shows pairs side by side: cover, secret, stego, revealed with PSNR and SSIM, and both errors, amplified.

    Args:
        covers: uint8 or float images of shape `(number, height, width, 3)`, one row of the figure each.
        secrets: Images of the same number; they may be of another size.
        stego: Images like the covers.
        revealed: Images like the secrets.
        gain: How much the residual, `stego - cover` around grey, and the error of the secret, `|revealed - secret|`,
            are amplified. Defaults to `10`.

    Returns:
        A `matplotlib.figure.Figure`.
    """
    height = min(max(image.shape[0] / image.shape[1] for image in (*covers, *secrets)), 2)
    figure = Figure(figsize=(14, (14 / 6 * height + 0.4) * len(covers) + 0.2), layout="constrained")
    rows = figure.subplots(len(covers), 6, squeeze=False)
    for axes, *images in zip(rows, covers, secrets, stego, revealed, strict=True):
        cover, secret, hidden, shown = map(to_uint8, images)
        _show(axes[0], cover, "cover")
        _show(axes[1], secret, "secret")
        _show_result(axes[2:], cover=cover, secret=secret, stego=hidden, revealed=shown, gain=gain)
    return figure


def compare_results(cover, secret, results, *, gain=10):
    """Shows one pair, hidden in several ways: cover and secret once, then a row for each way.

    Args:
        cover: uint8 or float image of shape `(height, width, 3)`.
        secret: Image of any size.
        results: Dictionary from the label of a row to a stego and a revealed image.
        gain: How much the errors are amplified, as of `gallery`. Defaults to `10`.

    Returns:
        A `matplotlib.figure.Figure`.
    """
    cover, secret = to_uint8(cover), to_uint8(secret)
    height = max(image.shape[0] / image.shape[1] for image in (cover, secret))
    figure = Figure(figsize=(12, (2.9 * height + 0.5) * (1 + len(results))), layout="constrained")
    rows = figure.subplots(1 + len(results), 4)
    _show(rows[0, 0], cover, "cover")
    _show(rows[0, 1], secret, "secret")
    _frameless(rows[0, 2])
    _frameless(rows[0, 3])
    for axes, (label, images) in zip(rows[1:], results.items(), strict=True):
        stego, revealed = map(to_uint8, images)
        _show_result(axes, cover=cover, secret=secret, stego=stego, revealed=revealed, gain=gain)
        axes[0].set_ylabel(label, fontsize=11)
    return figure


def _show_result(axes, *, cover, secret, stego, revealed, gain):
    """Draws stego, revealed and both errors."""
    residual = np.clip(127.5 + gain * (stego.astype(np.float32) - cover), 0, 255)
    error = np.clip(gain * np.abs(revealed.astype(np.float32) - secret), 0, 255)
    _show(axes[0], stego, f"stego\n{_quality(cover, stego)}")
    _show(axes[1], revealed, f"revealed\n{_quality(secret, revealed)}")
    _show(axes[2], residual.astype(np.uint8), f"residual x{gain}\nstego - cover, around grey")
    _show(axes[3], error.astype(np.uint8), f"error x{gain}\n|revealed - secret|")


def _show(axis, image, title):
    axis.imshow(image, cmap="gray", vmin=0, vmax=255)
    axis.set_title(title, fontsize=9)
    _frameless(axis)


def _frameless(axis):
    """Removes frame and ticks, but not the label of the row."""
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_visible(False)


def _quality(true, predicted):
    if np.array_equal(true, predicted):
        return "equal"
    true, predicted = to_float(true)[None], to_float(predicted)[None]
    return f"{float(psnr(true, predicted)[0]):.1f} dB, SSIM {float(ssim(true, predicted)[0]):.3f}"


def error_histogram(covers, secrets, *, stego, revealed):
    """Shows how often which pixel error occurs, per channel, on a logarithmic axis.

    Args:
        covers: uint8 or float images of shape `(number, height, width, 3)`.
        secrets: Images of the same shape.
        stego: Images of the same shape.
        revealed: Images of the same shape.

    Returns:
        A `matplotlib.figure.Figure` with one panel for stego - cover and one for revealed - secret, in 8-bit steps.
    """
    figure = Figure(figsize=(11, 5), layout="constrained")
    panels = (("stego - cover", covers, stego), ("revealed - secret", secrets, revealed))
    for axis, (title, true, predicted) in zip(figure.subplots(1, 2), panels, strict=True):
        error = to_uint8(predicted).astype(np.int32) - to_uint8(true)
        reach = max(np.abs(error).max(), 1)
        edges = np.arange(-reach, reach + 2) - 0.5
        for channel, colour in enumerate(CHANNEL_COLOURS):
            fraction = np.histogram(error[..., channel], edges)[0] / error[..., channel].size
            label = f"{'RGB'[channel]}, mean {error[..., channel].mean():+.2f}, std {error[..., channel].std():.2f}"
            axis.stairs(fraction, edges, color=colour, label=label)
        axis.set(title=title, xlabel="error, 8-bit steps", ylabel="fraction of the pixels", yscale="log")
        axis.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.14))
    return figure


def trade_off(qualities, metric="psnr"):
    """Shows for several methods how good covers and secrets are: one curve a family, pale points for single pairs.

    Args:
        qualities: Dictionary of what `measure` returns, by names like `"family, setting"`.
        metric: `"psnr"` or `"ssim"`. Defaults to `"psnr"`.

    Returns:
        A `matplotlib.figure.Figure`.
    """
    families = {}
    for name, quality in qualities.items():
        families.setdefault(name.split(",")[0], []).append((quality[f"cover_{metric}"], quality[f"secret_{metric}"]))
    figure = Figure(figsize=(9, 5.5), layout="constrained")
    axis = figure.subplots()
    for index, (family, points) in enumerate(families.items()):
        colour, marker = f"C{index}", "osD^vP*X"[index % 8]
        means = np.array([(cover.mean(), secret.mean()) for cover, secret in points])
        for cover, secret in points:
            axis.plot(cover, secret, ".", color=colour, alpha=0.15, markersize=4)
        axis.plot(*means.T, f"{marker}-", color=colour, label=family)
    unit = "PSNR in dB" if metric == "psnr" else "SSIM"
    axis.set(xlabel=f"cover, {unit}", ylabel=f"secret, {unit}")
    axis.grid(alpha=0.3)
    figure.legend(loc="outside right upper")
    return figure


def read_history(path):
    """Reads the history that `CSVLogger` wrote during training.

    Args:
        path: Path of the CSV file.

    Returns:
        Dictionary of arrays, one value per epoch. An epoch that was interrupted and repeated counts once.
    """
    with open(path, newline="") as file:
        rows = {row["epoch"]: row for row in csv.DictReader(file)}
    return {name: np.array([float(row[name]) for row in rows.values()]) for name in next(iter(rows.values()), {})}


def loss_history(history, *, before=None):
    """Shows losses, PSNR and SSIM of encoder and decoder over the epochs, training and validation.

    Args:
        history: Dictionary of values per epoch, as `fit(...).history` or `read_history`.
        before: Dictionary of validation values before the first epoch, as of `evaluate(..., return_dict=True)`, drawn
            as epoch 0; those of equal images, over 100 dB, are left out. Defaults to `None`.

    Returns:
        A `matplotlib.figure.Figure` with one panel for the losses, one for PSNR and one for SSIM.
    """
    panels = (("loss", "loss"), ("psnr", "PSNR, dB"), ("ssim", "SSIM"))
    figure = Figure(figsize=(14, 4.3), layout="constrained")
    for axis, (quantity, label) in zip(figure.subplots(1, 3), panels, strict=True):
        for output, colour in (("stego", "tab:blue"), ("revealed", "tab:orange")):
            for prefix, line in (("", "o--"), ("val_", "o-")):
                values = history.get(f"{prefix}{output}_{quantity}")
                if values is None:
                    continue
                epochs = np.arange(1, len(values) + 1)
                if prefix and before and before[f"{output}_{quantity}"] < EQUAL:
                    epochs, values = np.append(0, epochs), np.append(before[f"{output}_{quantity}"], values)
                name = f"{output}, {'validation' if prefix else 'training'}"
                axis.plot(epochs, values, line, markersize=3, color=colour, label=name)
        axis.set(xlabel="epoch", ylabel=label)
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.grid(alpha=0.3)
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure
