"""Pictures of the results: NumPy arrays in, matplotlib figures out."""

import csv

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from stego_lib.images import to_float, to_uint8
from stego_lib.metrics import psnr, ssim

CHANNEL_COLOURS = ("tab:red", "tab:green", "tab:blue")


def image_grid(images, columns=8, title=None, titles=None):
    """Shows images in rows.

    Args:
        images: Sequence of uint8 or float images of shape `(height, width, 3)`, or `(height, width)` for grey.
        columns: Images in a row. Defaults to `8`.
        title: Title of the figure. Defaults to `None`.
        titles: Titles of the images. Defaults to `None`.

    Returns:
        A `matplotlib.figure.Figure`.
    """
    rows = -(-len(images) // columns)
    height, width = np.shape(images[0])[:2]
    figure = Figure(
        figsize=(12, (12 / columns * height / width + 0.3 * bool(titles)) * rows + 0.4), layout="constrained"
    )
    for axis, index in zip(figure.subplots(rows, columns, squeeze=False).flat, range(rows * columns), strict=True):
        axis.axis("off")
        if index < len(images):
            axis.imshow(to_uint8(images[index]), cmap="gray", vmin=0, vmax=255)
            axis.set_title(titles[index] if titles else "", fontsize=9)
    figure.suptitle(title)
    return figure


def gallery(covers, secrets, stego, revealed, gain=10):
    """Shows pairs side by side: cover, secret, stego, revealed and the residual, PSNR and SSIM above.

    Args:
        covers: uint8 or float images of shape `(number, height, width, 3)`, one row of the figure each.
        secrets: Images of the same shape.
        stego: Images of the same shape.
        revealed: Images of the same shape.
        gain: How much the residual, stego - cover, is amplified around grey. Defaults to `10`.

    Returns:
        A `matplotlib.figure.Figure`.
    """
    covers, secrets, stego, revealed = map(to_uint8, (covers, secrets, stego, revealed))
    residual = np.clip(127.5 + gain * (stego.astype(np.float32) - covers), 0, 255).astype(np.uint8)
    figure = Figure(figsize=(12, 2.75 * len(covers)), layout="constrained")
    rows = figure.subplots(len(covers), 5, squeeze=False)
    for index, axes in enumerate(rows):
        pictures = {
            "cover": covers[index],
            "secret": secrets[index],
            f"stego\n{_quality(covers[index], stego[index])}": stego[index],
            f"revealed\n{_quality(secrets[index], revealed[index])}": revealed[index],
            f"residual x{gain}": residual[index],
        }
        for axis, (title, picture) in zip(axes, pictures.items(), strict=True):
            axis.imshow(picture)
            axis.set_title(title, fontsize=10)
            axis.axis("off")
    return figure


def _quality(true, predicted):
    true, predicted = to_float(true)[None], to_float(predicted)[None]
    return f"{float(psnr(true, predicted)[0]):.1f} dB, {float(ssim(true, predicted)[0]):.3f}"


def error_histogram(covers, secrets, stego, revealed):
    """Shows how often which pixel error occurs, per channel, on a logarithmic axis.

    Args:
        covers: uint8 or float images of shape `(number, height, width, 3)`.
        secrets: Images of the same shape.
        stego: Images of the same shape.
        revealed: Images of the same shape.

    Returns:
        A `matplotlib.figure.Figure` with one panel for stego - cover and one for revealed - secret, in 8-bit steps.
    """
    figure = Figure(figsize=(10, 4), layout="constrained")
    panels = (("stego - cover", covers, stego), ("revealed - secret", secrets, revealed))
    for axis, (title, true, predicted) in zip(figure.subplots(1, 2), panels, strict=True):
        error = to_uint8(predicted).astype(np.int32) - to_uint8(true)
        reach = max(np.abs(error).max(), 1)
        edges = np.arange(-reach, reach + 2) - 0.5
        for channel, colour in enumerate(CHANNEL_COLOURS):
            share = np.histogram(error[..., channel], edges)[0] / error[..., channel].size
            label = f"{'RGB'[channel]}, mean {error[..., channel].mean():+.2f}, std {error[..., channel].std():.2f}"
            axis.stairs(share, edges, color=colour, label=label)
        axis.set(title=title, xlabel="error, 8-bit steps", ylabel="share of pixels", yscale="log")
        axis.legend(fontsize=8)
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


def loss_history(history):
    """Shows losses and PSNR of encoder and decoder over the epochs, training and validation.

    Args:
        history: Dictionary of values per epoch, as `fit(...).history` or `read_history`.

    Returns:
        A `matplotlib.figure.Figure` with one panel for the losses, one for PSNR and one for SSIM.
    """
    panels = (("loss", "loss"), ("psnr", "PSNR, dB"), ("ssim", "SSIM"))
    figure = Figure(figsize=(14, 4), layout="constrained")
    for axis, (quantity, label) in zip(figure.subplots(1, 3), panels, strict=True):
        for output, colour in (("stego", "tab:blue"), ("revealed", "tab:orange")):
            for part, line in (("", "--"), ("val_", "-")):
                values = history.get(f"{part}{output}_{quantity}")
                if values is not None:
                    name = f"{output}, {'validation' if part else 'training'}"
                    axis.plot(np.arange(1, len(values) + 1), values, line, color=colour, label=name)
        axis.set(xlabel="epoch", ylabel=label)
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.grid(alpha=0.3)
        if axis.get_lines():
            axis.legend(fontsize=8)
    return figure
