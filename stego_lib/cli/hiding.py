"""The commands that hide and reveal."""

import getpass
import math
import os
import warnings
from pathlib import Path

from stego_lib.cli.messages import with_options
from stego_lib.cli.progress import loading, progress
from stego_lib.hiding.wording import decibels, describe_hidden, describe_revealed, percent

VARIABLE = "STEGO_LIB_PASSPHRASE"
FOUND = "Found: area under the ROC curve of a detector; 0.5 is guessing, 1 is certain."


def run_hide(options):
    """Hides a photograph."""
    from stego_lib.hiding.stego import check_files, hide_file
    from stego_lib.images import JPEG_SUFFIXES, LOSSLESS_SUFFIXES

    if options.like:
        _learn(options)
    suffixes = LOSSLESS_SUFFIXES + JPEG_SUFFIXES
    check_files(options.output, options.cover, options.secret, overwrite=options.force, suffixes=suffixes)
    passphrase = _passphrase(options, new=True)
    with progress("Hiding") as report:
        hidden = hide_file(
            options.cover,
            options.secret,
            options.output,
            passphrase,
            bits=options.bits,
            quality=options.quality,
            find_at_most=options.find_at_most,
            survive=options.survive,
            cover_quality=options.cover_quality,
            fit=options.fit,
            shrink=options.shrink,
            keep_metadata=options.keep_metadata,
            overwrite=options.force,
            progress=report,
        )
    is_jpeg = options.survive is None and Path(options.output).suffix.lower() in JPEG_SUFFIXES
    sentences = describe_hidden(hidden, passphrase=passphrase, is_jpeg=is_jpeg, survive=options.survive)
    print(f"{options.output}:", "\n".join(map(with_options, sentences)))


def run_hide_many(options):
    """Hides the photographs of a list."""
    from stego_lib.hiding.many import hide_many

    report = Path(options.report or Path(options.pairs).with_suffix(".report.csv"))
    passphrase = _passphrase(options, new=True)
    rows = hide_many(
        options.pairs,
        passphrase,
        bits=options.bits,
        quality=options.quality,
        find_at_most=options.find_at_most,
        processes=options.processes,
        scheduler=options.scheduler,
        report=report,
    )
    statuses = [row["status"] for row in rows]
    print(
        f"{statuses.count('hidden')} hidden, {statuses.count('exists')} existed already, {statuses.count('failed')} "
        f"failed: see {report}."
    )
    if passphrase is None and "hidden" in statuses:
        print("There is no passphrase: everybody who has this program can reveal the secrets.")
    _complain(rows, "pairs")


def run_reveal_many(options):
    """Reveals the photographs of a list."""
    from stego_lib.hiding.many import reveal_many

    report = Path(options.report or Path(options.stegos).with_suffix(".revealed.csv"))
    rows = reveal_many(
        options.stegos,
        _passphrase(options),
        output=options.output,
        processes=options.processes,
        scheduler=options.scheduler,
        report=report,
    )
    statuses = [row["status"] for row in rows]
    print(
        f"{statuses.count('revealed')} revealed, {statuses.count('exists')} existed already, "
        f"{statuses.count('nothing')} hold nothing, or with another passphrase, {statuses.count('failed')} failed: "
        f"see {report}."
    )
    _complain(rows, "images")


def _complain(rows, what):
    failed = [row for row in rows if row["status"] in ("failed", "nothing")]
    if failed:
        raise ValueError(
            f"{len(failed)} of {len(rows)} {what} failed. The first is {failed[0]['output']}: {failed[0]['message']}"
        )


def run_reveal(options):
    """Reveals a photograph."""
    from stego_lib.hiding.outcome import NothingHiddenError
    from stego_lib.hiding.stego import check_files, reveal_file
    from stego_lib.images import LOSSLESS_SUFFIXES

    if Path(options.output).suffix.lower() not in LOSSLESS_SUFFIXES:
        raise ValueError(
            f"Cannot write {options.output}: the revealed photograph would lose quality. Choose a lossless file, "
            f"{', '.join(LOSSLESS_SUFFIXES)}."
        )
    check_files(options.output, options.stego, overwrite=options.force)
    passphrase = _passphrase(options)
    try:
        with progress("Revealing") as report:
            how = {"details": True, "overwrite": options.force, "progress": report}
            revealed = reveal_file(options.stego, options.output, passphrase, **how)
    except NothingHiddenError as error:
        reason = "it needs a passphrase (--ask-passphrase)" if passphrase is None else "the passphrase is wrong"
        raise ValueError(
            f"Nothing was revealed: nothing is hidden in {options.stego}, or {reason}, or the image was "
            "changed after the secret was hidden. If a joint autoencoder made the image, reveal_images in Python "
            "reveals the secret."
        ) from error
    print(f"{options.output}:", "\n".join(describe_revealed(revealed)))


def run_service(options):
    """Prints what a service did to a photograph, and how a secret survives that."""
    from stego_lib.hiding.services import learn_service

    service = learn_service(options.received)
    width, height = service.size
    colours = f"colours {service.subsampling}" if service.subsampling else "grey"
    print(
        f"{options.received}: {width}x{height} pixels, {colours}, JPEG of about quality "
        f"{service.quality}. Its quantization tables, luminance and chrominance:"
    )
    for rows in zip(*service.tables, strict=True):
        print("  " + "   ".join("".join(f"{step:4}" for step in row) for row in rows))
    if service.survive is None:
        print("A secret does not survive that: steps so coarse are beyond --survive 30.")
    else:
        print(f"A secret survives that with: --survive {service.survive} --fit {max(service.size)}")


def _learn(options):
    """Fills in what a received file tells, unless it was given."""
    from stego_lib.hiding.services import surviving_options

    for name, value in surviving_options(options.like).items():
        if getattr(options, name) is None:
            setattr(options, name, value)


def run_capacity(options):
    """Prints what a cover offers; a JPEG file for both kinds of output."""
    from stego_lib.hiding.capacity import capacity
    from stego_lib.hiding.jpeg_file import read_if_jpeg
    from stego_lib.hiding.jpeg_stego import jpeg_capacity
    from stego_lib.images import UnsupportedFileError, read_image

    cover, content = read_image(options.cover), read_if_jpeg(options.cover)
    secret, jpeg = cover, content
    if options.secret:
        secret, jpeg = read_image(options.secret), read_if_jpeg(options.secret)
    how = {"quality": options.quality, "jpeg": jpeg}
    with loading():
        rows = capacity(cover, secret, **how)
    if content is None:
        _print_rates("bits a sample", rows, quality=options.quality)
    else:
        try:
            rows_of_jpeg = jpeg_capacity(content, secret, **how)
        except UnsupportedFileError as error:
            print(f"A .jpg cannot be the output: {error}.")
        else:
            print("In a .jpg, bits for every coefficient that is not 0:")
            _print_rates("bits", rows_of_jpeg, quality=options.quality)
        print("In a .png, bits a sample:")
        _print_rates("bits", rows, quality=options.quality)
    print(FOUND)


def _print_rates(title, rows, *, quality):
    print(f"{title:13}  {'bytes' if quality else 'room, bytes':<11}  changed    cover      secret  found")
    for bits, num_bytes, changed, cover_psnr, secret_psnr, roc_auc in rows:
        cover = decibels(cover_psnr)
        secret = "over 55 dB" if 55 < secret_psnr < math.inf else decibels(secret_psnr)
        secret = "no room" if math.isnan(secret_psnr) else secret
        found = "-" if math.isnan(roc_auc) else f"{roc_auc:.2f}"
        print(f"{bits:13} {num_bytes:>12}  {percent(changed):>7}  {cover:>7}  {secret:>10}  {found:>5}")


def run_choose_cover(options):
    """Prints which photographs hide a secret best."""
    from stego_lib.hiding.capacity import GOOD, CapacityError
    from stego_lib.hiding.covers import choose_cover
    from stego_lib.images import read_image

    secret, quality = read_image(options.secret), options.quality or GOOD
    with progress("Rating") as report:
        rated = choose_cover(secret, options.covers, quality=quality, progress=report)
    if not rated:
        raise CapacityError("None of the photographs has room for the secret: take larger ones, or a lower `quality`.")
    what = f"at {decibels(quality)}" if math.isfinite(quality) else "without loss"
    print(f"Best first, for the secret {what}. {FOUND}")
    print("bits a sample  changed  found        cost  cover")
    for path, cost, bits, changed, roc_auc in rated:
        print(f"{bits:13.2g}  {percent(changed):>7}  {roc_auc:5.2f}  {cost:10.5g}  {path}")
    if len(rated) < len(options.covers):
        print(f"{len(options.covers) - len(rated)} of the photographs have no room for the secret.")


def _passphrase(options, *, new=False):
    if options.passphrase_file:
        if not options.passphrase_file.exists():
            raise FileNotFoundError(f"There is no passphrase file {options.passphrase_file}.")
        if options.passphrase_file.is_dir():
            raise IsADirectoryError(f"{options.passphrase_file} is a folder, not a passphrase file.")
        try:
            passphrase = options.passphrase_file.read_bytes().decode("utf-8-sig").split("\n")[0].rstrip("\r")
        except UnicodeDecodeError:
            raise ValueError(f"{options.passphrase_file} is not text in UTF-8.") from None
        if not passphrase:
            raise ValueError(f"There is no passphrase in the first line of {options.passphrase_file}.")
        return passphrase
    if not options.ask_passphrase:
        if os.environ.get(VARIABLE) == "":
            raise ValueError(f"The environment variable {VARIABLE} is empty: put a passphrase there, or unset it.")
        return os.environ.get(VARIABLE)
    with warnings.catch_warnings():
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            passphrase = getpass.getpass("Passphrase: ")
            again = getpass.getpass("The same again: ") if new else passphrase
        except (EOFError, getpass.GetPassWarning) as error:
            raise ValueError("There is no terminal to ask for a passphrase: use --passphrase-file FILE.") from error
    if again != passphrase:
        raise ValueError("The two passphrases are not the same.")
    return passphrase
