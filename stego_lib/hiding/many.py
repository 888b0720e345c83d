"""Many photographs at once: the rows of a CSV file, in several processes or on several machines, resumable."""

import sys
import tempfile
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path

from tqdm.auto import tqdm

from stego_lib.hiding.capacity import check_bits, check_find_at_most, check_quality
from stego_lib.hiding.places import absolute, at_hand, existing
from stego_lib.hiding.seal import encode_passphrase
from stego_lib.hiding.tables import check_outputs, column_names, read_list, read_report, write_report
from stego_lib.hiding.workers import ATTEMPTS, run_tasks
from stego_lib.paths import sentence

PAIR = ("cover", "secret", "output")
MEASURED = ("bits", "num_bytes", "changed", "cover_psnr", "secret_psnr")
HIDE_REPORT = (*PAIR, "status", *MEASURED, "message")
STEGO = ("stego", "output")
SIZE = ("width", "height")
REVEAL_REPORT = (*STEGO, "status", *SIZE, "message")
OFTEN = 10  # seconds between two reports


@dataclass(frozen=True)
class _Options:
    """What a worker is told; a passphrase is in no log and on no dashboard."""

    passphrase: str | None = field(repr=False)
    hiding: dict = field(default_factory=dict)


def hide_many(
    pairs, passphrase=None, *, bits=None, quality=None, find_at_most=None, processes=None, scheduler=None, report=None
):
    """Hides every secret of a list in its cover; a pair that fails does not stop the others.

    Stego images that exist are left as they are: the same call again finishes an interrupted run. A pair whose process
    is killed, perhaps because memory was short, is hidden again by another one, up to three times. Needs
    `pip install distributed bokeh`.

    Args:
        pairs: Path of a CSV file with the columns `cover`, `secret` and `output`, in any order and case: paths,
            relative to its folder, or addresses that fsspec knows, such as `s3://bucket/name.png`. Folders for the
            outputs are made. Empty rows and spaces around values are ignored.
        passphrase: As of `hide`, the same for all; every image gets a key of its own nevertheless.
        bits: As of `hide`.
        quality: As of `hide`.
        find_at_most: As of `hide`.
        processes: How many work at once, each with an equal part of the memory. Defaults to `None`, one for every CPU
            for which there are 2 GB, what 12 megapixels take.
        scheduler: Address of a scheduler of `dask.distributed` whose workers do it, in place of processes of this
            machine. They must have this library, and find the files under the same names. Whoever can read the
            connection reads the passphrase, unless it is a `tls://` one. Defaults to `None`.
        report: Path of a CSV file that lists the result of every pair; `"pending"` where a run was interrupted before
            the pair. What an earlier report there says of images that exist is kept. Defaults to `None`, no report.

    Returns:
        List of dictionaries, one for every row: `cover`, `secret`, `output`, `status` (`"hidden"`, `"exists"` or
        `"failed"`), `message`, `bits` a sample, `num_bytes`, `changed`, the fraction of the samples
        that were changed, and `cover_psnr` and `secret_psnr` in dB.

    Raises:
        TypeError: If the passphrase is neither a string nor `None`.
        ValueError: If the list is no CSV file, lists no pairs or lacks a column or a value, two of its rows write the
            same file, there is a file at `report` that is no report, or another argument is wrong.
        OSError: If the list cannot be read, the report not be written, or there is no scheduler.
    """
    check_bits(bits)
    check_quality(quality)
    check_find_at_most(find_at_most, bits=bits)
    rows, folder = list(read_list(pairs, PAIR).values()), Path(pairs).parent
    earlier = read_report(report, HIDE_REPORT, command="hide-many") if report else []
    options = _Options(passphrase, {"bits": bits, "quality": quality, "find_at_most": find_at_most})
    resources = {"processes": processes, "scheduler": scheduler}
    return _run(
        _hide_one, rows, folder=folder, options=options, names=HIDE_REPORT, earlier=earlier, report=report, **resources
    )


def reveal_many(stegos, passphrase=None, *, output=None, processes=None, scheduler=None, report=None):
    """Reveals what is hidden in every stego image of a list; an image that fails does not stop the others.

    As of `hide_many`: resumable, in several processes or on several machines.

    Args:
        stegos: Path of a CSV file with the columns `stego` and `output`: paths, relative to its folder, or addresses.
            Or, with `output`, a list or report of `hide_many`, whose outputs are the stego images.
        passphrase: As of `reveal`, the same for all.
        output: Path of a folder, or its address, for the revealed photographs of a list of `hide_many`: under the name
            that the stego image has in the list, as a PNG. Defaults to `None`, the list says it.
        processes: As of `hide_many`.
        scheduler: As of `hide_many`.
        report: As of `hide_many`.

    Returns:
        List of dictionaries, one for every row: `stego`, `output`, `status` (`"revealed"`, `"exists"`, `"nothing"`
        where nothing is hidden, or with another passphrase, or `"failed"`), `message`, `width` and `height`.

    Raises:
        TypeError: If the passphrase is neither a string nor `None`.
        ValueError: If the list is no CSV file, lists nothing or lacks a column or a value, two of its rows write the
            same file, there is a file at `report` that is no report, or another argument is wrong.
        OSError: If the list cannot be read, the report not be written, or there is no scheduler.
    """
    rows = _stegos(stegos, output)
    earlier = read_report(report, REVEAL_REPORT, command="reveal-many") if report else []
    resources = {"processes": processes, "scheduler": scheduler}
    folder, names = Path(stegos).parent, REVEAL_REPORT
    return _run(
        _reveal_one,
        rows,
        folder=folder,
        options=_Options(passphrase),
        names=names,
        earlier=earlier,
        report=report,
        **resources,
    )


def _stegos(path, output):
    """The rows of a list for `reveal_many`, whichever kind it is."""
    if output is None:
        return list(read_list(path, STEGO).values())
    if "stego" in (name.strip().lower() for name in column_names(path)):
        raise ValueError(f"{path} says itself where the revealed photographs go: leave out `output`.")
    folder = absolute(str(output), Path.cwd()).rstrip("/")
    rows = {
        number: {"stego": row["output"], "output": f"{folder}/{_inside(row['output']).with_suffix('.png').as_posix()}"}
        for number, row in read_list(path, PAIR).items()
    }
    check_outputs(path, rows)
    return list(rows.values())


def _inside(path):
    """What a path adds to the folder that it is relative to; of one that leads elsewhere, the name."""
    elsewhere = "://" in path or Path(path).is_absolute() or ".." in Path(path).parts
    return Path(Path(path).name) if elsewhere else Path(path)


def _run(work, rows, *, folder, options, names, earlier, report, processes, scheduler):
    """Does what is pending of the rows and fills in the results."""
    encode_passphrase(options.passphrase)  # raises what is wrong with it before anything takes time
    if processes is not None and processes < 1:
        raise ValueError(f"`processes` must be 1 or more. Received: processes={processes}")
    files = names[: names.index("status")]
    done = {tuple(row[name] for name in files): row for row in earlier if row["status"] not in ("pending", "failed")}
    places = [[absolute(row[name], folder) for name in files] for row in rows]
    files_there = existing([place[-1] for place in places])
    for row, place in zip(rows, places, strict=True):
        row.update(dict.fromkeys(names[len(files) :], ""), status="pending")
        if place[-1] in files_there:
            row.update(done.get(tuple(row[name] for name in files), {}), status="exists")
    pending = [number for number, row in enumerate(rows) if row["status"] == "pending"]
    tasks = [(work, places[number], options) for number in pending]

    def write():
        if report:
            write_report(report, names, rows=rows)

    write()  # now, in case it cannot be
    try:
        if tasks:
            results = run_tasks(_one, tasks, processes=processes, scheduler=scheduler, announce=_announce)
            written = time.monotonic()
            for number, result, error in tqdm(results, total=len(tasks), unit="photograph", disable=None):
                rows[pending[number]].update(result or {"status": "failed", "message": _said_of(error)})
                if time.monotonic() > written + OFTEN:
                    write()
                    written = time.monotonic()
    finally:
        write()
    return rows


def _announce(address):
    tqdm.write(f"What the workers do is shown at {address}", file=sys.stderr)


def _said_of(error):
    from distributed import KilledWorker

    if isinstance(error, KilledWorker):
        return f"The process was killed {ATTEMPTS} times, perhaps because memory was short."
    return sentence(error)


def _one(work, places, options):
    """One row, in a worker: what goes wrong is a result, too."""
    from stego_lib.hiding.outcome import NothingHiddenError

    paths = []
    try:
        with warnings.catch_warnings(record=True) as caught, at_hand(places[:-1], places[-1]) as paths:
            warnings.simplefilter("always", UserWarning)
            result = work(*paths, options)
        message = " ".join(str(warning.message) for warning in caught if warning.category is UserWarning)
    except Exception as error:  # whatever it is, the other rows go on
        result = {"status": "nothing" if isinstance(error, NothingHiddenError) else "failed"}
        message = sentence(error)
    for path, place in zip(paths, places, strict=False):
        message = message.replace(str(path), place)
    return result | {"message": message}


def _hide_one(cover, secret, output, options):
    from stego_lib.hiding.stego import hide_file

    try:
        hidden = hide_file(cover, secret, output, options.passphrase, **options.hiding)
    except FileExistsError:  # perhaps by a worker that was killed before it could say so
        if not _holds(output, secret, options.passphrase):
            raise
        hidden = hide_file(cover, secret, output, options.passphrase, overwrite=True, **options.hiding)
    measured = {name: getattr(hidden, name) for name in MEASURED}
    measured |= {name: f"{measured[name]:.4g}" for name in ("bits", "changed")}
    measured |= {name: f"{measured[name]:.2f}" for name in ("cover_psnr", "secret_psnr")}
    return measured | {"status": "hidden"}


def _holds(stego, secret, passphrase):
    """Tells whether what is hidden in a file is, as far as can be told, this secret."""
    from stego_lib.hiding.stego import reveal_file
    from stego_lib.images import read_image

    with tempfile.TemporaryDirectory() as folder:
        try:
            return reveal_file(stego, Path(folder) / "revealed.png", passphrase).shape == read_image(secret).shape
        except ValueError:
            return False


def _reveal_one(stego, output, options):
    from stego_lib.hiding.stego import reveal_file
    from stego_lib.images import read_image

    try:
        revealed = reveal_file(stego, output, options.passphrase)
    except FileExistsError:  # as above
        with tempfile.TemporaryDirectory() as folder:
            revealed = reveal_file(stego, Path(folder) / "revealed.png", options.passphrase)
        before = read_image(output)
        if before.shape != revealed.shape or (before != revealed).any():
            raise
    return {"status": "revealed", "width": revealed.shape[1], "height": revealed.shape[0]}
