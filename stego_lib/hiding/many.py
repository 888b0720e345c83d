"""Many photographs at once: the pairs of a CSV file, in several processes, resumable."""

import csv
import io
import multiprocessing
import os
import signal
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from tqdm.auto import tqdm

from stego_lib.paths import sentence, write_file
from stego_lib.threads import num_threads

COLUMNS = ("cover", "secret", "output")
MEASURED = ("bits", "num_bytes", "changed", "cover_psnr", "secret_psnr")
REPORTED = (*COLUMNS, "status", *MEASURED, "message")
WORKER = {  # one thread, and no GPU: they would fight for its memory
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "CUDA_VISIBLE_DEVICES": "",
    "JAX_PLATFORMS": "cpu",
}


def hide_many(pairs, passphrase=None, *, bits=None, quality=None, find_at_most=None, processes=None, report=None):
    """Hides every secret of a list in its cover; a pair that fails does not stop the others.

    Stego images that exist are left as they are: the same call again finishes an interrupted run. Where a process is
    killed, perhaps because memory was short, half as many processes go on; a process that is killed alone costs the
    pair it worked on. A script that calls this function has to be guarded by `if __name__ == "__main__":`, as the
    processes are spawned.

    Args:
        pairs: Path of a CSV file with the columns `cover`, `secret` and `output`, in any order and case: paths,
            relative to its folder. Folders for the outputs are made. Empty rows and spaces around values are ignored.
        passphrase: As of `hide`, the same for all; every image gets a key of its own nevertheless.
        bits: As of `hide`.
        quality: As of `hide`.
        find_at_most: As of `hide`.
        processes: How many work at once, each with 1 GB of memory, 1.5 GB for 12 megapixels. Defaults to `None`, one
            for every CPU.
        report: Path of a CSV file that lists the result of every pair; `"pending"` where a run was interrupted before
            the pair. What an earlier report there says of images that exist is kept. Defaults to `None`, no report.

    Returns:
        List of dictionaries, one for every row: `cover`, `secret`, `output`, `status` (`"hidden"`, `"exists"` or
        `"failed"`), `message`, `bits` a sample, `num_bytes`, `changed`, the fraction of the samples
        that were changed, and `cover_psnr` and `secret_psnr` in dB.

    Raises:
        ValueError: If the list is no CSV file, lists no pairs or lacks a column or a value, two of its rows write the
            same file, or there is a file at `report` that is no report.
        OSError: If the list cannot be read, or the report not be written.
    """
    rows = _read(pairs)
    earlier = _earlier(report) if report else {}
    folder = Path(pairs).parent
    for row in rows:
        row.update(dict.fromkeys(("message", *MEASURED), ""), status="pending")
        if (folder / row["output"]).is_file():
            row.update(earlier.get(tuple(row[column] for column in COLUMNS), {}), status="exists")
    pending = [row for row in rows if row["status"] == "pending"]
    how = {"passphrase": passphrase, "bits": bits, "quality": quality, "find_at_most": find_at_most}
    if report:
        _write(report, rows)  # now, in case it cannot be
    processes = min(processes or num_threads(), len(pending), 61)  # more than 61 Windows cannot
    try:
        while pending:
            unfinished = _work(pending, folder, processes=processes, how=how)
            if unfinished and processes == 1:  # it worked on the first of them
                message = "The process was killed, perhaps because memory was short."
                unfinished.pop(0).update(status="failed", message=message)
            pending, processes = unfinished, max(processes // 2, 1)
    finally:
        if report:
            _write(report, rows)
    return rows


def _write(report, rows):
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, REPORTED)
    writer.writeheader()
    writer.writerows(rows)
    write_file(report, text.getvalue().encode(), overwrite=True)


def _work(rows, folder, *, processes, how):
    """Hides the pairs of rows and fills in the results; returns the rows that remain because a process was killed."""
    pool = ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), _begin)
    futures = {}
    try:
        for row in rows:
            paths = [folder / row[column] for column in COLUMNS]
            futures[pool.submit(_hide_one, paths, how)] = row
        for future in tqdm(as_completed(futures), total=len(futures), desc="Hiding", unit="pair", disable=None):
            futures[future].update(future.result())
    except BrokenProcessPool:
        return [row for row in rows if row["status"] == "pending"]
    finally:
        pool.shutdown(cancel_futures=True)
    return []


def _read(pairs):
    names, lines = _table(pairs)
    names = [name.strip().lower() for name in names]
    missing = [column for column in COLUMNS if column not in names]
    if missing:
        for sign, word in (";", "semicolons"), ("\t", "tabs"):
            if sign in "".join(names):
                raise ValueError(f"{pairs} has {word} between its columns: save it with commas.")
        raise ValueError(f"{pairs} needs the columns cover, secret and output; there is no {missing[0]}.")
    rows = {}
    for number, values in lines:
        values = [value.strip() for value in values]
        if any(values):
            row = dict(zip(names, values, strict=False))
            rows[number] = {column: row.get(column, "") for column in COLUMNS}
    if not rows:
        raise ValueError(f"{pairs} lists no pairs.")
    _check(pairs, rows)
    return list(rows.values())


def _check(pairs, rows):
    """Makes sure that no row lacks a value, and none writes what another one reads or writes; rows are by line."""
    inputs = {os.path.normpath(row[column]) for row in rows.values() for column in COLUMNS[:2]}
    outputs = {}
    for number, row in rows.items():
        if not all(row.values()):
            raise ValueError(f"{pairs}, line {number}: cover, secret or output is missing.")
        output = os.path.normpath(row["output"])
        if output in inputs:
            raise ValueError(f"{pairs}, line {number}: the output {row['output']} is a cover or a secret of the list.")
        if output in outputs:
            raise ValueError(f"{pairs}, lines {outputs[output]} and {number} write the same file, {row['output']}.")
        outputs[output] = number


def _earlier(report):
    """What a report says of images that were hidden; its folder must be there, which is said before hours of work."""
    if not Path(report).parent.is_dir():
        raise FileNotFoundError(f"There is no folder {Path(report).parent} for the report.")
    if not Path(report).is_file():
        return {}
    names, lines = _table(report)
    if names != list(REPORTED):
        raise ValueError(f"{report} is not a report of hide-many: choose another file for the report.")
    rows = [dict(zip(names, values, strict=False)) for _, values in lines if len(values) == len(names)]
    return {
        tuple(row[column] for column in COLUMNS): {name: row[name] for name in ("message", *MEASURED)}
        for row in rows
        if row["status"] in ("hidden", "exists")
    }


def _table(path):
    """The names of the columns of a CSV file, and every other row with the number of its line."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            names = next(reader, [])
            return names, [(reader.line_num, values) for values in reader]
    except (UnicodeDecodeError, csv.Error):
        raise ValueError(f"{path} is not a CSV file in UTF-8.") from None


def _begin():
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent answers an interruption
    os.environ.update(WORKER)


def _hide_one(paths, how):
    import warnings

    from stego_lib.hiding.stego import hide_file

    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            paths[-1].parent.mkdir(parents=True, exist_ok=True)
            hidden = hide_file(*paths, **how)
    except Exception as error:  # whatever it is, the other pairs go on
        return {"status": "failed", "message": sentence(error)}
    measured = {name: getattr(hidden, name) for name in MEASURED}
    measured |= {name: f"{measured[name]:.4g}" for name in ("bits", "changed")}
    measured |= {name: f"{measured[name]:.2f}" for name in ("cover_psnr", "secret_psnr")}
    return measured | {"status": "hidden", "message": " ".join(str(warning.message) for warning in caught)}
