"""What is said of a result, by the command line and by the page in a browser."""

import math

DECIBELS = 4  # of a secret that twice the bytes are worth, about, at the rates of adaptive embedding


def decibels(psnr):
    """Says how good an image is.

    Args:
        psnr: PSNR in dB, infinite for equal images, NaN where there is none.

    Returns:
        String.
    """
    if math.isnan(psnr):
        return "-"
    return f"{psnr:.1f} dB" if math.isfinite(psnr) else "lossless"


def percent(part):
    """Says a part of a whole in per cent.

    Args:
        part: From 0 to 1, or NaN where there is none.

    Returns:
        String.
    """
    return "-" if math.isnan(part) else f"{100 * part:.3g} %"


def describe_hidden(hidden, *, passphrase, is_jpeg=False, survive=None):
    """Says what hiding came to.

    Args:
        hidden: `Hidden`.
        passphrase: That it was hidden with, or `None`.
        is_jpeg: Whether it was hidden in the coefficients of a JPEG file. Defaults to `False`.
        survive: As of `hide`. Defaults to `None`.

    Returns:
        List of strings, sentences. The first begins with a small letter; arguments stand in backticks.
    """
    where, what = ("for every coefficient that is not 0", "coefficients") if is_jpeg else ("a sample", "samples")
    rate = "1 bit" if hidden.bits == 1 else f"{hidden.bits:.2g} bits"
    height, width = hidden.secret_size
    sentences = [
        f"cover {hidden.cover_psnr:.1f} dB, secret {decibels(hidden.secret_psnr)}; {hidden.num_bytes} bytes hidden, "
        f"{rate} {where}, {percent(hidden.changed)} of the {what} changed."
    ]
    if survive is None:
        sentences.append(how_easily_found(hidden, is_jpeg=is_jpeg))
    else:
        sentences.append(
            f"The secret, {width}x{height} pixels, survives JPEG of quality {survive} and better, and twice the same: "
            "the hardest of these were tried. It is found easily."
        )
    if passphrase is None:
        sentences.append("There is no passphrase: everybody who has this program can reveal the secret.")
    return sentences


def how_easily_found(hidden, *, is_jpeg=False):
    """Says in words and as a number how easily something is found, and what would help.

    Args:
        hidden: `Hidden`.
        is_jpeg: As of `describe_hidden`. Defaults to `False`.

    Returns:
        String, in which arguments stand in backticks.
    """
    from stego_lib.hiding.capacity import POOR  # imports what the command line starts without
    from stego_lib.hiding.detectability import HARDLY, area_in_words, highest_rate, pixels_needed
    from stego_lib.hiding.payload import HEADER
    from stego_lib.hiding.seal import TAG

    words = area_in_words(hidden.roc_auc)
    if hidden.roc_auc < HARDLY:
        return words
    num_bytes, pixels = hidden.num_bytes + HEADER + TAG, hidden.stego.size // 3
    if is_jpeg:
        fewer = hidden.bits / highest_rate(HARDLY, pixels, embedding="jpeg")
        larger = fewer**2  # by the square root law
    else:
        larger = pixels_needed(HARDLY, num_bytes) / pixels
        fewer = 8 * num_bytes / hidden.stego.size / highest_rate(HARDLY, pixels)
    remedy = (
        f"A cover of {larger:.{0 if larger > 10 else 1}f} times the pixels" if larger > 1 else "A fraction as `bits`"
    )
    quality = hidden.secret_psnr - DECIBELS * math.log2(fewer)
    if POOR <= quality < hidden.secret_psnr < math.inf:
        remedy += f" or `quality={quality:.0f}`"
    return f"{words} {remedy} would make that {HARDLY}."


def describe_revealed(revealed):
    """Says what revealing came to.

    Args:
        revealed: `Revealed`.

    Returns:
        List of strings, sentences. The first begins with a small letter.
    """
    height, width = revealed.secret.shape[:2]
    sentences = [f"the secret, {width}x{height} pixels."]
    if revealed.original_size is not None:
        height, width = revealed.original_size
        sentences.append(f"It had {width}x{height} pixels before it was hidden.")
    if revealed.wrong is not None:
        sentences.append(f"It survived with {percent(revealed.wrong)} of the bits wrong, all corrected.")
    return sentences
