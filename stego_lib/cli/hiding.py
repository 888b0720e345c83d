"""The commands that hide and reveal."""

import contextlib
import getpass
import math
import os
import warnings
from pathlib import Path

VARIABLE = "STEGO_LIB_PASSPHRASE"


def run_hide(options):
    """Hides a photograph."""
    from stego_lib.hiding.stego import check_files, hide_file

    check_files(options.output, options.cover, options.secret, overwrite=options.force)
    passphrase = _passphrase(options, new=True)
    with _progress("Hiding") as progress:
        hidden = hide_file(
            options.cover,
            options.secret,
            options.output,
            passphrase,
            bits=options.bits,
            quality=options.quality,
            overwrite=options.force,
            progress=progress,
        )
    bits = "1 bit" if hidden.bits == 1 else f"{hidden.bits} bits"
    print(
        f"{options.output}: cover {hidden.cover_psnr:.1f} dB, secret {_shown(hidden.secret_psnr)}; "
        f"{hidden.num_bytes} bytes hidden, {bits} a sample."
    )
    if passphrase is None:
        print("There is no passphrase: everybody who has this program can reveal the secret.")


def run_hide_many(options):
    """Hides the photographs of a list."""
    from stego_lib.hiding.many import hide_many

    report = options.report or Path(options.pairs).with_suffix(".report.csv")
    passphrase = _passphrase(options, new=True)
    rows = hide_many(
        options.pairs,
        passphrase,
        bits=options.bits,
        quality=options.quality,
        processes=options.processes,
        report=report,
    )
    numbers = {status: [row["status"] for row in rows].count(status) for status in ("hidden", "exists", "failed")}
    print(f"{numbers['hidden']} hidden, {numbers['exists']} there already, {numbers['failed']} failed: see {report}.")
    if passphrase is None and numbers["hidden"]:
        print("There is no passphrase: everybody who has this program can reveal the secrets.")
    if numbers["failed"]:
        first = next(row for row in rows if row["status"] == "failed")
        raise ValueError(
            f"{numbers['failed']} of {len(rows)} failed, the first one {first['output']}: {first['message']}"
        )


def run_reveal(options):
    """Reveals a photograph."""
    from stego_lib.hiding.stego import check_files, reveal_file

    check_files(options.output, options.stego, overwrite=options.force)
    passphrase = _passphrase(options)
    with _progress("Revealing") as progress:
        revealed = reveal_file(options.stego, options.output, passphrase, overwrite=options.force, progress=progress)
    print(f"{options.output}: the secret, {revealed.shape[1]}x{revealed.shape[0]} pixels.")


def run_capacity(options):
    """Prints what a cover offers."""
    from stego_lib.hiding.stego import capacity
    from stego_lib.images import read_image

    rows = capacity(read_image(options.cover), read_image(options.secret) if options.secret else None)
    print("bits a sample  room, bytes    cover      secret")
    for bits, num_bytes, cover_psnr, secret_psnr in rows:
        expected = "over 55 dB" if 55 < secret_psnr < math.inf else _shown(secret_psnr)
        expected = "no room" if math.isnan(secret_psnr) else expected
        print(f"{bits:13} {num_bytes:>12}  {cover_psnr:.1f} dB  {expected:>10}")


def _passphrase(options, new=False):
    if options.passphrase_file:
        if not options.passphrase_file.is_file():
            raise FileNotFoundError(f"There is no passphrase file {options.passphrase_file}.")
        try:
            passphrase = options.passphrase_file.read_bytes().decode("utf-8-sig").split("\n")[0].rstrip("\r")
        except UnicodeDecodeError:
            raise ValueError(f"{options.passphrase_file} is not text in UTF-8.") from None
        if not passphrase:
            raise ValueError(f"There is no passphrase in the first line of {options.passphrase_file}.")
        return passphrase
    if not options.ask_passphrase:
        if os.environ.get(VARIABLE) == "":
            raise ValueError(f"The environment variable {VARIABLE} is empty: unset it, or put a passphrase there.")
        return os.environ.get(VARIABLE)
    with warnings.catch_warnings():
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            passphrase = getpass.getpass("Passphrase: ")
            again = getpass.getpass("The same again: ") if new else passphrase
        except (EOFError, getpass.GetPassWarning) as error:
            raise ValueError("There is no terminal to ask for a passphrase: use --passphrase-file.") from error
    if again != passphrase:
        raise ValueError("The two passphrases are not the same.")
    return passphrase


@contextlib.contextmanager
def _progress(what):
    """A function to call with the part that is done; shown where somebody waits at a terminal."""
    from tqdm import tqdm

    with tqdm(
        total=100,
        desc=what,
        delay=2,
        disable=None,
        leave=False,
        bar_format="{desc} {percentage:3.0f}% |{bar}| {elapsed}",
    ) as bar:
        yield lambda part: bar.update(100 * part - bar.n)


def _shown(psnr):
    return f"{psnr:.1f} dB" if math.isfinite(psnr) else "lossless"
