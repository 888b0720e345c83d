"""Lists and reports of many photographs: CSV files that are checked before hours of work depend on them."""

import csv
import io
import os
from pathlib import Path

from stego_lib.hiding.places import absolute
from stego_lib.paths import write_file


def read_list(path, columns):
    """Reads a list: names of columns in any order and case; empty rows and spaces around values do not matter.

    Args:
        path: Path of the CSV file.
        columns: Names of the columns that it needs; the last is the file that a row writes, those before are read.

    Returns:
        Dictionary of rows by the number of their line; a row is a dictionary by column, other columns left out.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If it is no CSV file, lists nothing, lacks a column or a value, or two rows write the same file.
    """
    names, lines = _table(path)
    names = [name.strip().lower() for name in names]
    missing = [column for column in columns if column not in names]
    if missing:
        for sign, word in (";", "semicolons"), ("\t", "tabs"):
            if sign in "".join(names):
                raise ValueError(f"{path} has {word} between its columns: save it with commas.")
        raise ValueError(f"{path} needs the columns {_listed(columns, 'and')}; there is no {missing[0]}.")
    rows = {}
    for number, values in lines:
        values = [value.strip() for value in values]
        if any(values):
            row = dict(zip(names, values, strict=False))
            rows[number] = {column: row.get(column, "") for column in columns}
            if not all(rows[number].values()):
                raise ValueError(f"{path}, line {number}: {_listed(columns, 'or')} is missing.")
    if not rows:
        raise ValueError(f"{path} lists no photographs.")
    check_outputs(path, rows)
    return rows


def check_outputs(path, rows):
    """Makes sure that no row writes what another one reads or writes.

    Args:
        path: Path of the list, for messages.
        rows: Dictionary of rows by the number of the line; the last value of a row is what it writes.

    Raises:
        ValueError: If one does.
    """

    def place(value):
        return os.path.normpath(absolute(value, Path(path).parent))

    inputs = {place(value): name for row in rows.values() for name, value in list(row.items())[:-1]}
    outputs = {}
    for number, row in rows.items():
        output = place(row["output"])
        if output in inputs:
            raise ValueError(
                f"{path}, line {number}: the output {row['output']} is a {inputs[output]} of the list, too."
            )
        if output in outputs:
            raise ValueError(f"{path}, lines {outputs[output]} and {number} write the same file, {row['output']}.")
        outputs[output] = number


def read_report(path, names, *, command):
    """Reads what an earlier report says.

    Args:
        path: Path of the report, which need not exist, but its folder.
        names: Names of all its columns.
        command: Name of the command whose report it must be.

    Returns:
        List of dictionaries by column.

    Raises:
        OSError: If there is no folder for it, or it cannot be read.
        ValueError: If there is another file.
    """
    if not Path(path).parent.is_dir():
        raise FileNotFoundError(f"There is no folder {Path(path).parent} for the report.")
    if not Path(path).is_file():
        return []
    columns, lines = _table(path)
    if columns != list(names):
        raise ValueError(f"{path} is not a report of {command}: choose another file for the report.")
    return [dict(zip(names, values, strict=False)) for _, values in lines if len(values) == len(names)]


def write_report(path, names, *, rows):
    """Writes a report, all of it or nothing.

    Args:
        path: Path of the report.
        names: Names of its columns.
        rows: List of dictionaries by column.

    Raises:
        OSError: If it cannot be written.
    """
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, names)
    writer.writeheader()
    writer.writerows(rows)
    write_file(path, text.getvalue().encode(), overwrite=True)


def column_names(path):
    """Reads the names of the columns of a CSV file.

    Args:
        path: Path of the file.

    Returns:
        List of strings, as they stand there.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If it is no CSV file.
    """
    return _table(path)[0]


def _table(path):
    """The names of the columns of a CSV file, and every other row with the number of its line."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            names = next(reader, [])
            return names, [(reader.line_num, values) for values in reader]
    except (UnicodeDecodeError, csv.Error):
        raise ValueError(f"{path} is not a CSV file in UTF-8.") from None


def _listed(columns, word):
    return f"{', '.join(columns[:-1])} {word} {columns[-1]}"
