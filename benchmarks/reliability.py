"""Kills, damages and cuts off small training runs, and counts how many end with the bits of an undisturbed run.

    python benchmarks/reliability.py             # a quarter of an hour on two cores; results/reliability.csv
    python benchmarks/reliability.py --quick     # each fault once; runs/reliability

The run trains `mlp_128_64_dropout` on scikit-learn's digits for 44 steps, with augmentation, dropout, averaged weights
and a schedule. Its state is saved after every step, so that many kills hit a save. No plots are drawn.
"""

import functools
import re
import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import faults
import machine
import numpy as np
from command import Parser, run_command, update_rows

KILLS, SIGNALS, DAMAGES, FULL_DISKS, LOST_WORKERS = 30, 5, 3, 3, 3  # times that each is done
CUTS = 2  # of each length, of the link between two workers
SEED = 0  # of the moments
DISK_MEGABYTES = 12.0  # a state has 1.8 MB, and three are there while one is written
LOG_BYTES = 50_000  # what the run says as it fails


Case = Callable[[Path, "Reference", np.random.Generator], tuple[bool, str]]


def main() -> None:
    parser = Parser(__doc__, data=False, quick=True)
    parser.add_argument("--kills", type=int, default=KILLS, metavar="N", help=f"default: {KILLS}")
    parser.add_argument("--only", default="", metavar="TEXT", help="faults with TEXT in their name")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        cases = make_cases(Path(root), once=args.quick, num_kills=args.kills)
        for name, case in cases.items():
            if args.only in name:
                row = {"fault": name, **case(), "machine": machine.summary()}
                print(row, flush=True)
                order = [(each,) for each in cases]
                update_rows(args.out / "reliability.csv", [row], keys=["fault"], order=order)


def make_cases(root: Path, *, once: bool, num_kills: int = KILLS) -> dict[str, Callable[[], dict]]:
    """Returns for each fault a function that tries it and returns its row."""
    alone = functools.cache(lambda: Reference(root / "undisturbed"))
    two = functools.cache(lambda: Reference(root / "undisturbed_two", count=2))

    def times(count: int) -> int:
        return 1 if once else count

    def several(case: Case, count: int, reference=alone) -> Callable[[], dict]:
        return lambda: repeated(case, root, reference(), times(count))

    cases = {
        "`kill -9` at a random moment": lambda: kills(root / "kill", alone(), times(num_kills))
    }
    for number in (signal.SIGTERM, signal.SIGHUP):
        name = f"{number.name} at a random moment"
        cases[name] = several(partial(ended_by, number=number), SIGNALS)
    for how, damage in (
        ("cut in half", faults.truncate),
        ("with a flipped bit", faults.flip_a_bit),
    ):
        for kind, suffix in (("arrays", ".npz"), ("record", ".json")):
            case = partial(damaged, damage=damage, suffix=suffix)
            cases[f"newest state's {kind} {how}"] = several(case, DAMAGES)
    cases["file size limit reached in a save"] = several(limited, FULL_DISKS)
    cases["disk full in a save"] = several(full_disk, FULL_DISKS)
    cases["second run in the directory"] = several(second, DAMAGES)
    cases["one of two workers killed"] = several(lost_worker, LOST_WORKERS, two)
    for how, seconds in (("for 3 s", 3), ("for good, then restored", None)):
        case = partial(cut_off, seconds=seconds)
        cases[f"link between two workers cut {how}"] = several(case, CUTS, two)
    return cases


class Reference:
    """An undisturbed run: its final bits, and the seconds that it trains."""

    def __init__(self, run_dir: Path, count: int = 1, **options):
        processes = start_all(run_dir, count, **options)
        faults.wait_for_start(run_dir, processes[0])
        begun = time.monotonic()
        end_all(run_dir, processes)
        self.seconds = time.monotonic() - begun
        self.bits = faults.bits(run_dir)


def start_all(run_dir: Path, count: int, **options) -> list:
    if count > 1:
        return faults.start_workers(run_dir, count, **options)
    return [faults.start(run_dir, **options)]


def end_all(run_dir: Path, processes: list) -> None:
    if statuses := [status for process in processes if (status := faults.end(process))]:
        raise RuntimeError(f"A run ended with status {statuses[0]}: {faults.said(run_dir)}")


def run_to_end(run_dir: Path, count: int = 1, **options) -> None:
    end_all(run_dir, start_all(run_dir, count, **options))


def repeated(case: Case, root: Path, reference: Reference, count: int) -> dict:
    """Tries a fault several times, each in a new directory, and returns its row."""
    good, remarks = 0, []
    for number in range(count):
        run_dir = root / "case"
        try:
            well, remark = case(run_dir, reference, np.random.default_rng([SEED, number]))
        except PermissionError as error:  # to mount a disk, or to make a network
            return {"times": 0, "good": 0, "remark": f"not allowed here: {error}"}
        good += well
        remarks.append(remark)
        shutil.rmtree(run_dir, ignore_errors=True)
        run_dir.with_name("case.log").unlink(missing_ok=True)
    numbers = [float(remark) for remark in remarks if re.fullmatch(r"[\d.]+", remark)]
    remark = remarks[-1]
    if numbers:
        remark = "less than 1 s" if max(numbers) < 1 else f"{max(numbers):.0f} s at most"
    return {"times": count, "good": good, "remark": remark}


def kills(root: Path, reference: Reference, count: int, **options) -> dict:
    """Kills runs at random moments, each until it ends by itself; counts the kills that did no harm."""
    rng = np.random.default_rng(SEED)
    killed = harmless = torn = runs = 0
    while killed < count:
        run_dir, own = root / f"run-{runs}", 0
        runs += 1
        while killed < count and faults.kill(run_dir, rng, seconds=reference.seconds, **options):
            killed, own = killed + 1, own + 1
            torn += faults.is_torn(run_dir)
        run_to_end(run_dir, **options)
        harmless += own if faults.bits(run_dir) == reference.bits else 0
    return {
        "times": killed,
        "good": harmless,
        "remark": f"{torn} times, a half-written file was left",
    }


def ended_by(run_dir: Path, reference: Reference, rng, *, number: int) -> tuple[bool, str]:
    """Ends a run by a signal: it saves its state, exits with 128 + the signal's number, and can be resumed."""
    process = faults.start(run_dir)
    faults.wait_for_checkpoint(run_dir, process)
    time.sleep(rng.uniform(0, 0.5))
    faults.send(process, number)
    status = faults.end(process)
    if status == 0:  # it was faster
        return faults.bits(run_dir) == reference.bits, ""
    run_to_end(run_dir)
    good = status == 128 + number and faults.bits(run_dir) == reference.bits
    return good, f"exit status {status}"


def kill_late(run_dir: Path) -> None:
    """Leaves a run that was killed with two whole states."""
    process = faults.start(run_dir)
    faults.wait_for_checkpoint(run_dir, process, count=2)
    process.kill()
    faults.end(process)


def damaged(run_dir: Path, reference: Reference, rng, *, damage, suffix: str) -> tuple[bool, str]:
    """Damages the newest state: the resumed run says so and continues from the state before."""
    kill_late(run_dir)
    newest = faults.checkpoints(run_dir)[-1]
    damage(newest.with_suffix(suffix))
    run_to_end(run_dir)
    told = f"is damaged ({newest.stem}); the run goes on from step" in faults.said(run_dir)
    return told and faults.bits(run_dir) == reference.bits, "damage reported; previous state used"


def limited(run_dir: Path, reference: Reference, rng) -> tuple[bool, str]:
    """Limits the size of files, so that a save fails: the states before are not damaged."""
    kill_late(run_dir)
    before = [path.name for path in faults.checkpoints(run_dir)]
    size = faults.checkpoints(run_dir)[-1].with_suffix(".npz").stat().st_size
    status = faults.end(faults.start(run_dir, file_bytes=int(size * rng.uniform(0.1, 0.9))))
    kept = [path.name for path in faults.checkpoints(run_dir)] == before
    run_to_end(run_dir)
    good = status == 1 and kept and faults.bits(run_dir) == reference.bits
    return good, "exit status 1, the states before are whole"


def full_disk(run_dir: Path, reference: Reference, rng) -> tuple[bool, str]:
    """Lets a run fill a small file system: the save fails, earlier states stay intact, and it resumes later."""
    with faults.small_disk(run_dir, DISK_MEGABYTES):
        inside = run_dir / "run"
        kill_late(inside)
        before = [path.name for path in faults.checkpoints(inside)]
        ballast = run_dir / "ballast"
        with ballast.open("wb") as file:
            file.write(bytes(faults.free_bytes(run_dir) - LOG_BYTES))
        status = faults.end(faults.start(inside))
        kept = [path.name for path in faults.checkpoints(inside)] == before
        told = "No space left on device" in faults.said(inside)
        ballast.unlink()
        run_to_end(inside)
        good = status == 1 and kept and told and faults.bits(inside) == reference.bits
    return good, "exit status 1, the states before are whole"


def second(run_dir: Path, reference: Reference, rng) -> tuple[bool, str]:
    """Starts a second run in the same directory: it is refused and names the first, which is not disturbed."""
    first = faults.start(run_dir)
    faults.wait_for_checkpoint(run_dir, first)
    status = faults.end(faults.start(run_dir, resume=False, overwrite=True))
    told = f"is in use by process {first.pid} on " in faults.said(run_dir)
    faults.end(first)
    return status == 2 and told and faults.bits(run_dir) == reference.bits, "exit status 2"


def lost_worker(run_dir: Path, reference: Reference, rng) -> tuple[bool, str]:
    """Kills one of two workers: the other one ends and names it, and both resume from the last state."""
    processes = faults.start_workers(run_dir, 2)
    faults.wait_for_checkpoint(run_dir, processes[0])
    time.sleep(rng.uniform(0, 0.5))
    lost = int(rng.integers(2))
    processes[lost].kill()
    begun = time.monotonic()
    status = faults.end(processes[1 - lost])
    seconds = time.monotonic() - begun
    faults.end(processes[lost])
    named = f"LostWorkerError: Worker {lost} (" in faults.said(run_dir)
    run_to_end(run_dir, 2)
    good = status == 1 and named and seconds < 60 and faults.bits(run_dir) == reference.bits
    return good, f"{seconds:.1f}"


def cut_off(run_dir: Path, reference: Reference, rng, *, seconds: int | None) -> tuple[bool, str]:
    """Cuts the link between two workers: they survive a short cut, and both end after a long one."""
    there = {"addresses": faults.CABLE_ADDRESSES, "network": list(faults.NETWORKS)}
    with faults.two_networks() as cable:
        processes = faults.start_workers(run_dir, 2, **there)
        faults.wait_for_checkpoint(run_dir, processes[0])
        time.sleep(rng.uniform(0, 0.5))
        cable("down")
        begun = time.monotonic()
        if seconds:
            time.sleep(seconds)
            cable("up")
        statuses = [faults.end(process) for process in processes]
        remark = f"{time.monotonic() - begun:.1f}"
        told = faults.said(run_dir).count("LostWorkerError: ")
        good = (statuses, told) == (([0, 0], 0) if seconds else ([1, 1], 2))
        if not seconds:
            cable("up")
            resumed = [faults.end(each) for each in faults.start_workers(run_dir, 2, **there)]
            good = good and resumed == [0, 0]
    same = faults.bits(run_dir) == reference.bits
    return good and same, "training goes on" if seconds else remark


if __name__ == "__main__":
    run_command(main)
