"""Snapshots in a folder: found again by the next process, whole or not at all."""

from __future__ import annotations

import os
import pickle
import re
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor, distributed
from torch.nn import Parameter

from stepsize.adapters.driving.arguments import check_count
from stepsize.adapters.torch.snapshot_image import Image, put_back, view
from stepsize.adapters.torch.snapshot_subject import Subject
from stepsize.errors import AdapterError, describe

VERSION = 1
_NAME = re.compile(r"snapshot-(\d+)-(\d+)\.pt")


@final
class DiskSnapshots:
    """Snapshots in files, a `Snapshots` that survives its process.

    A file is written under another name, synced, and only then renamed: whenever the
    process is killed, every snapshot of `labels` is whole. Files are torch's own, read
    with `weights_only=True`: no code comes from them. Each rank of torch.distributed
    has its own files in the folder.

    What is sharded over processes (DTensor, FSDP2) is refused: a `Snapshots` over
    torch.distributed.checkpoint can do that.

    Attributes:
        folder: Where the files are; made if missing.
        subject: Of what.
        rank: Whose files they are; 0 without torch.distributed.

    Args:
        folder: A path, for one run alone.
        subject: Of what.

    Raises:
        AdapterError: The folder is none, or cannot be made.

    Examples:
        >>> import tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> weight = torch.nn.Parameter(torch.ones(2))
        >>> subject = Subject(None, torch.optim.SGD([weight], lr=0.1))
        >>> DiskSnapshots(folder.name, subject).take(7, {})
        >>> DiskSnapshots(folder.name, subject).labels()
        (7,)
        >>> folder.cleanup()
    """

    def __init__(self, folder: str | os.PathLike[str], subject: Subject) -> None:
        if not isinstance(folder, (str, os.PathLike)):
            rule = "be the path of a folder"
            raise AdapterError(describe("DiskSnapshots.folder", rule, folder))
        self.folder = Path(folder)
        self.subject = subject
        self.rank = _rank()
        self._open: tuple[int, Image] | None = None
        self._labels: set[int] = set()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for path in self.folder.glob(f".snapshot-*-{self.rank}.pt"):
                path.unlink()  # what a killed process did not finish
            for path in self.folder.iterdir():
                found = _NAME.fullmatch(path.name)
                if found is not None and int(found[2]) == self.rank:
                    self._labels.add(int(found[1]))
        except OSError as error:
            raise self._failed(error) from error

    def take(self, label: int, extra: Mapping[str, Any]) -> None:
        """Take a snapshot of now; it is on disk when this returns."""
        check_count(label, "DiskSnapshots.take.label")
        seen = view(self.subject, extra, "write")
        tensors = [_written(one) for one in seen.tensors]
        content = {
            "stepsize": "snapshot",
            "version": VERSION,
            "label": label,
            "tensors": tensors,
            "homes": seen.homes,
            "tree": seen.tree,
        }
        path = self._path(label)
        aside = path.with_name(f".{path.name}")
        self._close(label)
        try:
            with aside.open("wb") as file:
                torch.save(content, file)
                file.flush()
                os.fsync(file.fileno())
            aside.replace(path)
            _sync(self.folder)
        except OSError as error:
            raise self._failed(error) from error
        except RuntimeError as error:  # torch's word for a full disk
            with suppress(FileNotFoundError):
                aside.unlink()
            raise self._failed(error) from error
        self._labels.add(label)

    def restore(self, label: int, *, everything: bool) -> dict[str, Any]:
        """Go back to a snapshot, and return its extra; see `Snapshots.restore`."""
        return put_back(self._image(label), self.subject, everything=everything)

    def drop(self, label: int) -> None:
        """Delete a snapshot's file."""
        self._known(label)
        self._close(label)
        try:
            self._path(label).unlink()
        except OSError as error:
            raise self._failed(error) from error
        self._labels.discard(label)

    def labels(self) -> tuple[int, ...]:
        """Return the labels that are held, ascending."""
        return tuple(sorted(self._labels))

    def weights(self, label: int) -> dict[str, Tensor]:
        """Return a snapshot's parameters by name, as they are in the file."""
        return self._image(label).weights()

    def weight_norm(self, label: int) -> float:
        """Return the norm of a snapshot's parameters together."""
        return self._image(label).weight_norm

    def _image(self, label: int) -> Image:
        self._known(label)
        if self._open is None or self._open[0] != label:
            self._open = (label, _read(self._path(label)))
        return self._open[1]

    def _known(self, label: int) -> None:
        if label not in self._labels:
            rule = f"be one of those held: {self.labels()}"
            raise AdapterError(describe("DiskSnapshots.label", rule, label))

    def _close(self, label: int) -> None:
        if self._open is not None and self._open[0] == label:
            self._open = None

    def _path(self, label: int) -> Path:
        return self.folder / f"snapshot-{label}-{self.rank}.pt"

    def _failed(self, error: Exception) -> AdapterError:
        field, rule = "DiskSnapshots.folder", "be a folder that can be written to"
        return AdapterError(describe(field, rule, str(self.folder), hint=str(error)))


def _rank() -> int:
    here = distributed.is_available() and distributed.is_initialized()
    return distributed.get_rank() if here else 0


def _written(tensor: Tensor) -> Tensor:
    """Return a plain tensor that brings nothing with it but its own values."""
    if type(tensor) not in (Tensor, Parameter):
        rule = "have plain tensors only, to be written to a file"
        hint = "for sharded ones, a Snapshots over torch.distributed.checkpoint"
        kind = type(tensor).__name__
        raise AdapterError(describe("Subject", rule, kind, hint=hint))
    plain = tensor.detach()
    if plain.layout is not torch.strided:
        return plain
    part = plain.untyped_storage().nbytes() > plain.nbytes
    return plain.clone() if part else plain


def _read(path: Path) -> Image:
    """Return what is in a file; its values are read when they are needed.

    Raises:
        AdapterError: It is damaged, missing, or no snapshot.
    """
    field, rule = f"snapshot {path}", f"be one of version {VERSION}"
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (OSError, RuntimeError, pickle.UnpicklingError, EOFError) as error:
        hint = str(error).splitlines()[0]
        raise AdapterError(describe(field, rule, "damage", hint=hint)) from error
    head = {"stepsize": "snapshot", "version": VERSION}
    if not isinstance(content, dict) or any(
        content.get(key) != value for key, value in head.items()
    ):
        raise AdapterError(describe(field, rule, "another file"))
    return Image(content["tensors"], content["homes"], content["tree"])


def _sync(folder: Path) -> None:
    """Make sure that the new name is on disk too, where folders can be synced."""
    if sys.platform != "win32":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
