"""The files that a page uses: where they are, and that they are deleted when it is closed."""

import collections
import shutil
import threading
from pathlib import Path


class Files:
    """Which pages use which files of Gradio's cache, where equal files are one.

    Args:
        folder: Path of that cache.
    """

    def __init__(self, folder):
        self._folder = Path(folder)
        self._users, self._lock = collections.defaultdict(set), threading.Lock()
        self._closed = set()

    def keep(self, request, *paths):
        """Notes that a page uses files.

        Args:
            request: `gradio.Request` of the page.
            *paths: Of files, or `None`.
        """
        with self._lock:
            self._closed.discard(request.session_hash)  # the connection may have been lost for a moment
            for path in filter(None, paths):
                self._users[str(path)].add(request.session_hash)

    def output(self, request, folder, name):
        """Moves a file to where Gradio would copy it; if the page was closed in the meantime, deletes it.

        Args:
            request: `gradio.Request` of the page.
            folder: Where the file is.
            name: Of the file.

        Returns:
            Its path, a string.
        """
        from gradio.processing_utils import hash_file

        path = self._folder / hash_file(Path(folder) / name) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(Path(folder) / name, path)
        with self._lock:
            self._users[str(path)].add(request.session_hash)
            if request.session_hash in self._closed:
                self._delete(request)
        return str(path)

    def forget(self, request):
        """Deletes the files of a page that was closed, unless another one uses them.

        Args:
            request: `gradio.Request` of the page.
        """
        with self._lock:
            self._closed.add(request.session_hash)
            self._delete(request)

    def _delete(self, request):
        for path, users in list(self._users.items()):
            users.discard(request.session_hash)
            if not users:
                del self._users[path]
                shutil.rmtree(Path(path).parent, ignore_errors=True)
