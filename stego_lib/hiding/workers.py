"""Processes that share work, here or on other machines: `dask.distributed`."""

import contextlib
import os
import subprocess
import sys
import time

from stego_lib.threads import num_threads

MEMORY = 2e9  # bytes that a process takes for 12 megapixels
PATIENCE = 120  # seconds in which the scheduler must answer, and the first worker come
ATTEMPTS = 3  # that may end with the process before it is the task's fault
WORKER = {  # one thread, and no GPU: they would fight for its memory
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "CUDA_VISIBLE_DEVICES": "",
    "JAX_PLATFORMS": "cpu",
    "DASK_LOGGING__DISTRIBUTED": "critical",
    # The networks' memory cannot be spilled, and a worker that pauses for it would pause for ever.
    "DASK_DISTRIBUTED__WORKER__MEMORY__TARGET": "False",
    "DASK_DISTRIBUTED__WORKER__MEMORY__SPILL": "False",
    "DASK_DISTRIBUTED__WORKER__MEMORY__PAUSE": "False",
}
SCHEDULER = {
    "distributed.scheduler.worker-saturation": 1.0,  # only a task that runs is suspected when its worker dies
    "distributed.scheduler.allowed-failures": ATTEMPTS - 1,
}


def run_tasks(function, tasks, *, processes=None, scheduler=None, announce):
    """Calls a function for every task, and yields what it returns as soon as it does.

    A task whose worker is killed, by the system or because it took more than its part of the memory, is done again by
    another one.

    Args:
        function: Function of a module that the workers can import.
        tasks: List of tuples of arguments.
        processes: Workers on this machine. Defaults to `None`, one for every CPU for which there are 2 GB of memory.
        scheduler: Address of a scheduler whose workers do it, in place of processes of this machine. Defaults to
            `None`.
        announce: Called with the address of the dashboard.

    Yields:
        Number of the task, what the function returned, and the error if there was one.

    Raises:
        OSError: If there is no scheduler at the address, or no worker comes to it.
        RuntimeError: If a worker does not have this library, or all of this machine have ended.
    """
    import dask
    from distributed import LocalCluster, as_completed

    with contextlib.ExitStack() as stack:
        if scheduler is None:
            stack.enter_context(dask.config.set(SCHEDULER))
            options = {"n_workers": 0, "dashboard_address": "127.0.0.1:0", "silence_logs": 60}
            cluster = stack.enter_context(LocalCluster(**options))
            workers = stack.enter_context(
                _local_workers(cluster.scheduler_address, min(processes or _default(), len(tasks)))
            )
        client = stack.enter_context(_connected(scheduler or cluster))
        announce(client.dashboard_link)
        _wait(client, scheduler)
        futures = [client.submit(function, *task, pure=False) for task in tasks]
        numbers = {future.key: number for number, future in enumerate(futures)}
        stack.callback(client.cancel, futures)
        completed = as_completed(futures)
        while not completed.is_empty():
            batch = completed.next_batch(block=False)
            for future in batch:
                error = future.exception()
                yield numbers[future.key], None if error else future.result(), error
                future.release()
            if not batch:
                if scheduler is None and workers.poll() is not None:
                    raise RuntimeError("The processes that work on the list have ended: run it again to go on.")
                time.sleep(0.05)


def _default():
    from distributed.system import MEMORY_LIMIT

    return max(1, min(num_threads(), int(MEMORY_LIMIT / MEMORY)))


def _connected(scheduler):
    from distributed import Client

    try:
        return Client(scheduler, timeout=PATIENCE)
    except OSError as error:
        raise OSError(f"There is no scheduler at {scheduler}.") from error


def _wait(client, scheduler):
    try:
        client.wait_for_workers(1, timeout=PATIENCE)
    except TimeoutError:
        remedy = f": start one with `dask worker {scheduler}`" if scheduler else ""
        raise TimeoutError(f"No worker has come to the scheduler in {PATIENCE} seconds{remedy}.") from None
    for address, error in client.run(exec, "import stego_lib.hiding.many", on_error="return").items():
        if error:  # it would end for a task that it cannot read
            raise RuntimeError(f"The worker {address} cannot import stego_lib, install it there: {error}")


@contextlib.contextmanager
def _local_workers(address, number):
    """Starts processes by the command of distributed: unlike its own, they need no guarded `__main__`."""
    from distributed.system import MEMORY_LIMIT

    command = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--nworkers", str(number)]
    command += ["--nthreads", "1", "--memory-limit", str(MEMORY_LIMIT // number), "--no-dashboard"]
    # An interruption of the terminal is answered by this process alone.
    process = subprocess.Popen(command, env={**os.environ, **WORKER}, start_new_session=True)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
