"""Parts of a mapped file read past the page cache, ahead of their use."""

from __future__ import annotations

import ctypes
import mmap
import os
import platform
import sys
import weakref
from collections.abc import Sequence

import numpy as np

__all__ = ["Reader", "reader_of"]

_PAGE = 4096  # to which places in the file, lengths and memory are aligned
_MOST = 1024  # reads under way
_CALLS = {  # numbers of io_setup, io_destroy, io_submit and io_getevents
    "x86_64": (206, 207, 209, 208),
    "aarch64": (0, 1, 2, 4),
}.get(platform.machine())
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
_REQUEST = np.dtype(  # struct iocb, of which the rest is zero
    {
        "names": ["number", "command", "file", "memory", "count", "place"],
        "formats": ["u8", "u2", "u4", "u8", "u8", "i8"],
        "offsets": [0, 16, 20, 24, 32, 40],
        "itemsize": 64,
    }
)
_ANSWER = np.dtype([("number", "u8"), ("request", "u8"), ("count", "i8"), ("more", "i8")])  # struct io_event


def _call(number: int, *arguments) -> int:
    """A system call; raises OSError where it fails."""
    assert _LIBC is not None
    found = _LIBC.syscall(ctypes.c_long(number), *arguments)
    if found < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return found


class _Reads:
    """Reads that were asked for together, and the memory that they fill (asynchronous I/O of Linux)."""

    def __init__(self, file: int):
        assert _CALLS is not None
        self.file, self.memory, self.context = file, np.empty(0, np.uint8), ctypes.c_ulong(0)
        setup, destroy, self.submit, self.events = _CALLS
        _call(setup, ctypes.c_uint(_MOST), ctypes.byref(self.context))
        weakref.finalize(self, _call, destroy, self.context)  # waits for what is under way
        self.there: list[bool] = []  # of what is wanted: whether it is in the page cache, and not asked for
        self.before: list[int] = []  # bytes before each that is asked for, in its page
        self.parts: list[np.ndarray] = []  # of memory, for each that is asked for
        self.least: list[int] = []  # bytes that each has to give
        self.pending = 0  # requests under way

    def begin(self, places: np.ndarray, counts: np.ndarray, least: list[int]) -> None:
        """Ask for so many bytes each from these places of the file."""
        starts = np.cumsum(counts) - counts
        self.memory = _aligned(self.memory, int(counts.sum()))
        self.parts = [self.memory[a : a + n] for a, n in zip(starts.tolist(), counts.tolist(), strict=True)]
        self.requests = np.zeros(len(places), _REQUEST)
        self.requests["number"], self.requests["file"] = np.arange(len(places)), self.file
        self.requests["memory"] = self.memory.ctypes.data + starts
        self.requests["count"], self.requests["place"] = counts, places
        pointers = self.requests.ctypes.data + _REQUEST.itemsize * np.arange(len(places), dtype=np.uint64)
        self.least, sent = least, 0
        while sent < len(places):
            left = ctypes.c_long(len(places) - sent), ctypes.c_void_p(pointers[sent:].ctypes.data)
            sent += _call(self.submit, self.context, *left)
            self.pending = sent

    def end(self) -> list[np.ndarray]:
        """What was read, once all of it is there."""
        answers, failed = np.zeros(max(1, self.pending), _ANSWER), False
        pointer = ctypes.c_void_p(answers.ctypes.data)
        while self.pending:
            count = ctypes.c_long(self.pending)
            try:
                found = _call(self.events, self.context, count, count, pointer, None)
            except InterruptedError:
                continue
            for number, read in zip(answers["number"][:found], answers["count"][:found], strict=True):
                failed |= bool(read < self.least[int(number)])
            self.pending -= found
        if failed:
            raise OSError("A part of the file cannot be read.")
        return self.parts


class Reader:
    """Reads parts of a file: from the page cache where they are there, past it where they are not.

    What passes a cache smaller than the file by would only evict what is asked for next, and takes the
    kernel time to find pages for.
    """

    def __init__(self, path: str, address: int, position: int):
        self.address, self.position = address, position  # of byte 0: in memory and in the file
        self.past, self.cached = (os.open(path, os.O_RDONLY | kind) for kind in (os.O_DIRECT, 0))
        for file in (self.past, self.cached):
            weakref.finalize(self, os.close, file)
        os.posix_fadvise(self.cached, 0, 0, os.POSIX_FADV_RANDOM)
        self.under_way: dict[tuple, _Reads] = {}  # by the parts that were asked for
        self.free: list[_Reads] = []
        self.rows = np.empty(0, np.uint8)

    def take(
        self, wanted: Sequence[tuple[int, int]], following: Sequence[Sequence[tuple[int, int]]]
    ) -> np.ndarray:
        """The bytes of parts (first, after the last), one after another, until the next call; those of the
        calls to come are asked for, so that the disk has work while these are waited for and used.

        Raises OSError where the file cannot be read.
        """
        parts = [tuple(each) for each in (wanted, *following) if each]
        for other in self.under_way.keys() - set(parts):  # of an order that was left
            reads = self.under_way.pop(other)
            reads.end()
            self.free.append(reads)
        for each in parts:
            if each not in self.under_way:
                reads = self.free.pop() if self.free else _Reads(self.past)
                self._ask(reads, each)
                self.under_way[each] = reads
        reads = self.under_way.pop(tuple(wanted))
        self.free.append(reads)
        missing = iter(zip(reads.end(), reads.before, strict=True))
        size = sum(stop - start for start, stop in wanted)
        self.rows = self.rows if len(self.rows) >= size else np.empty(size, np.uint8)
        end = 0
        for (start, stop), there in zip(wanted, reads.there, strict=True):
            begin, end = end, end + stop - start
            into = self.rows[begin:end]
            if not there:
                part, before = next(missing)
                into[:] = part[before : before + len(into)]
            elif os.preadv(self.cached, [into.data], self.position + start) < len(into):
                raise OSError("The file is shorter than it was.")
        return self.rows[:size]

    def _ask(self, reads: _Reads, wanted: Sequence[tuple[int, int]]) -> None:
        """Begin to read those of the parts that are not in the page cache."""
        reads.there = [_in_memory(self.address + start, stop - start) for start, stop in wanted]
        spans = [span for span, there in zip(wanted, reads.there, strict=True) if not there]
        begins, ends = (self.position + np.array(spans, dtype=np.int64).reshape(-1, 2)).T
        places = begins // _PAGE * _PAGE
        reads.before = (begins - places).tolist()
        reads.begin(places, -(-ends // _PAGE) * _PAGE - places, (ends - places).tolist())


def _aligned(memory: np.ndarray, size: int) -> np.ndarray:
    """Memory for so many bytes, which begins where a page does."""
    if len(memory) >= size:
        return memory
    return np.frombuffer(mmap.mmap(-1, max(1, size)), np.uint8)


def _in_memory(address: int, count: int) -> bool:
    """Whether all pages of a part of a mapping are in the page cache."""
    assert _LIBC is not None
    begin = address - address % mmap.PAGESIZE
    resident = np.zeros(-(-(address + count - begin) // mmap.PAGESIZE), np.uint8)
    span = ctypes.c_void_p(begin), ctypes.c_size_t(address + count - begin)
    return _LIBC.mincore(*span, ctypes.c_void_p(resident.ctypes.data)) == 0 and bool((resident & 1).all())


def reader_of(address: int) -> Reader | None:
    """What reads the file that is mapped at an address, where such a file can be read past the page cache.

    Byte 0 is that at the address.
    """
    if _LIBC is None or _CALLS is None or not hasattr(os, "O_DIRECT"):
        return None
    try:
        place = _place_of(address)
        if place is None:
            return None
        path, inode, position = place
        reader = Reader(path, address, position)
        same = os.fstat(reader.past).st_ino == os.fstat(reader.cached).st_ino == inode
        return reader if same else None  # another file has taken its name
    except OSError:  # a file system, or a sandbox, that knows no such reading
        return None


def _place_of(address: int) -> tuple[str, int, int] | None:
    """Path and inode of the file behind an address, and the place in it; None where a private mapping may
    hold what the file does not."""
    with open("/proc/self/maps", "rb") as lines:
        for line in lines:
            span, access, offset, _, inode, *path = line.rstrip(b"\n").split(maxsplit=5)
            begin, end = (int(number, 16) for number in span.split(b"-"))
            if begin <= address < end:
                if not (path and access.endswith(b"s")):
                    return None
                return os.fsdecode(path[0]), int(inode), int(offset, 16) + address - begin
    return None
